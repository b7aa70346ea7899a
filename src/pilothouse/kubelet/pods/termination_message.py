"""Termination message of a container: its file, or the end of its log after a failure."""

from __future__ import annotations

from pilothouse.api.types.core_v1 import Pod
from pilothouse.kubelet.launch.mounts import message_path
from pilothouse.kubelet.pods.node_services import NodeServices
from pilothouse.kubelet.pods.observed import Run
from pilothouse.kubelet.pods.steps import AnyContainer

MESSAGE_LIMIT, LOG_MESSAGE_LIMIT, LOG_MESSAGE_LINES = 4096, 2048, 80


async def termination_message(shared: NodeServices, pod: Pod, container: AnyContainer, run: Run) -> str:
    """The termination message: the file, or after a failure the end of the log where the container asks for that."""
    uid = pod.metadata.uid
    text = ""
    if container.terminationMessagePath:
        try:
            tail = await shared.host.read_tail(message_path(shared.paths, uid, run.name, run.attempt), MESSAGE_LIMIT)
            text = tail.decode(errors="replace")
        except OSError:
            text = ""
    if text or container.terminationMessagePolicy != "FallbackToLogsOnError" or run.exit_code == 0:
        return text
    try:
        return log_text(await shared.host.read_tail(run.log_path, 4 * LOG_MESSAGE_LIMIT + 80 * 64))
    except OSError:
        return ""


def log_text(log: bytes) -> str:
    """The last lines of a CRI log without their time stamps. Pure."""
    lines = []
    for line in log.decode(errors="replace").splitlines(keepends=True)[-LOG_MESSAGE_LINES:]:
        parts = line.split(" ", 3)
        if len(parts) == 4:
            lines.append(parts[3] if parts[2] == "F" else parts[3].removesuffix("\n"))
    return "".join(lines)[-LOG_MESSAGE_LIMIT:]
