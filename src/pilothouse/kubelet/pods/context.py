"""One pod as its worker works on it: what is wanted, what is known, and the ways to know more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from pilothouse.api.types.core_v1 import Pod
from pilothouse.kubelet.launch.mounts import message_path
from pilothouse.kubelet.pods.identity import box_of, run_of
from pilothouse.kubelet.pods.observed import PodState, Run
from pilothouse.kubelet.pods.spec import container_of
from pilothouse.kubelet.pods.steps import AnyContainer
from pilothouse.kubelet.pods.workshop import Workshop
from pilothouse.kubelet.runtime.port import ContainerState, NotFound

MESSAGE_LIMIT, LOG_MESSAGE_LIMIT, LOG_MESSAGE_LINES = 4096, 2048, 80


class PodContext:
    """`pod` is kept current by the worker. `claim` is told the id of everything of the pod in the runtime."""

    def __init__(self, pod: Pod, state: PodState, shop: Workshop, claim: Callable[[str], None]) -> None:
        self.pod = pod
        self.state = state
        self.shop = shop
        self.claim = claim
        self.ending = asyncio.Event()
        """Set when the pod ends."""
        self.hurry = asyncio.Event()
        """Set when the grace period shrank while containers were being killed."""
        self.announced: set[str] = set()
        """Runs whose Killing event was told."""

    def tell(self, type: str, reason: str, message: str, container: AnyContainer | None = None) -> None:
        path = ""
        if container is not None:
            field = "spec.initContainers" if container in self.pod.spec.initContainers else "spec.containers"
            field = "spec.ephemeralContainers" if container in self.pod.spec.ephemeralContainers else field
            path = f"{field}{{{container.name}}}"
        self.shop.recorder.event(self.pod, type, reason, message, field_path=path)

    def take(self, run: Run) -> None:
        """Put what was learned of a run into the state."""
        runs = [one for one in self.state.runs.get(run.name, []) if one.id != run.id]
        self.state.runs[run.name] = sorted([run, *runs], key=lambda one: (one.created_at, one.attempt), reverse=True)
        self.claim(run.id)

    def drop_run(self, run_id: str) -> None:
        self.state.applied.pop(run_id, None)
        for name, runs in self.state.runs.items():
            self.state.runs[name] = [one for one in runs if one.id != run_id]

    async def refresh_run(self, run_id: str) -> Run | None:
        """Ask the runtime; the run as it is now, or None when it is gone."""
        try:
            status = await self.shop.runtime.container_status(run_id)
        except NotFound:
            self.state.lost.update({one.name: one.attempt for one in self.state.all_runs() if one.id == run_id})
            self.drop_run(run_id)
            return None
        run = run_of(status)
        known = container_of(self.pod, run.name)
        if run.state is ContainerState.EXITED and known is not None:
            run.message = await last_words(self, known, run) or run.message
        self.take(run)
        return run

    async def refresh_sandboxes(self) -> None:
        found = []
        for box in self.state.sandboxes:
            try:
                found.append(box_of(await self.shop.runtime.pod_sandbox_status(box.id)))
            except NotFound:
                continue
        self.state.sandboxes = sorted(found, key=lambda one: (one.created_at, one.attempt), reverse=True)


async def last_words(context: PodContext, container: AnyContainer, run: Run) -> str:
    """The termination message: the file, or after a failure the end of the log where the container asks for that."""
    shop, uid = context.shop, context.pod.metadata.uid
    text = ""
    if container.terminationMessagePath:
        try:
            tail = await shop.host.read_tail(message_path(shop.paths, uid, run.name, run.attempt), MESSAGE_LIMIT)
            text = tail.decode(errors="replace")
        except OSError:
            text = ""
    if text or container.terminationMessagePolicy != "FallbackToLogsOnError" or run.exit_code == 0:
        return text
    try:
        return log_text(await shop.host.read_tail(run.log_path, 4 * LOG_MESSAGE_LIMIT + 80 * 64))
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
