"""The processes of a cluster (control plane, node agent, their supervisor) and containerd: how they are started and found again.

- Each is known by its pid file, which holds the start moment too: a recycled process id is never taken for ours.
- A starting process is given a pipe: it may begin to import at once, is told on it when everything it needs stands,
  and tells on another when it serves. Without them (started by hand) it goes ahead.
"""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pilothouse.cluster.failure import ClusterFailure
from pilothouse.cluster.state import ClusterState, Places
from pilothouse.node import namespaces, processes
from pilothouse.node.linux import SYSTEM_PATH

CONTROL_PLANE = "control-plane"
NODE_AGENT = "node-agent"
CONTAINERD = "containerd"
SUPERVISOR = "supervisor"
PROCESSES = (CONTROL_PLANE, NODE_AGENT)
"""Those that serve; the supervisor starts them again when they end."""


def processes_of(state: ClusterState | None) -> Sequence[str]:
    """Processes that this cluster has; a simulated node runs in the control plane. All when the state file is lost."""
    return (CONTROL_PLANE,) if state is not None and state.simulated else PROCESSES


Say = Callable[[str], None]
"""How progress is told to whoever typed the command."""


class ProcessFailure(ClusterFailure):
    """A process did not come to serve; its log, which the remedy names, says why."""


LOG_LINES = 12
"""Of the end of a log, shown when its process failed."""


@dataclass(slots=True)
class Started:
    """A process that was just started: `go` lets it begin, `wait` returns when it serves."""

    name: str
    places: Places
    process: processes.Process
    go_descriptor: int
    ready_descriptor: int
    log_bytes: int = 0
    """What its log held before."""

    def go(self) -> None:
        """Tell the process to begin; calling it again does nothing."""
        if self.go_descriptor >= 0:
            os.write(self.go_descriptor, b"\n")
            os.close(self.go_descriptor)
            self.go_descriptor = -1
            self.places.waiting(self.name).unlink(missing_ok=True)

    def wait(self, seconds: float) -> None:
        """ProcessFailure with the end of its log when it ends or stays silent."""
        readable, _, _ = select.select([self.ready_descriptor], [], [], seconds)
        told = os.read(self.ready_descriptor, 64) if readable else b""
        os.close(self.ready_descriptor)
        if not told:
            trouble = "ended" if readable else f"does not answer after {seconds:.0f} seconds"
            log = self.places.log(self.name)
            raise ProcessFailure(f"the {self.name} process {trouble}:\n{tail(log, self.log_bytes)}", f"its log: {log}")

    def abandon(self) -> None:
        """Something else failed: end it."""
        processes.kill([self.process])
        for file in (self.places.pid(self.name), self.places.waiting(self.name)):
            file.unlink(missing_ok=True)


def running(places: Places, name: str) -> processes.Process | None:
    """The process of this name when it runs, else None."""
    return processes.read(places.pid(name))


def strays(places: Places, name: str) -> list[processes.Process]:
    """Processes of that name, with or without a pid file."""
    return processes.with_arguments(arguments(name, places))


def arguments(name: str, places: Places) -> Sequence[str]:
    """Command-line arguments of a process, which identify it when its pid file is lost."""
    return "pilothouse.cmd.start", name, "--name", places.name, "--root", str(places.root)


def end_orphans(places: Places) -> None:
    """End processes whose starter was killed before they were released; they end by themselves, but not at once."""
    for name in PROCESSES:
        mark = places.waiting(name)
        if mark.exists():
            if process := running(places, name):
                processes.kill([process])
            mark.unlink()


def start(name: str, places: Places, state: ClusterState) -> Started:
    """Start the control plane (in the host's network) or the node agent (in the node's network and mounts)."""
    go_read, go_write = os.pipe()
    ready_read, ready_write = os.pipe()
    command = [sys.executable, "-P", "-m", *arguments(name, places), "--go", str(go_read), "--ready", str(ready_write)]
    log_bytes = size(places.log(name))
    places.waiting(name).touch()
    process = processes.spawn(
        command,
        places.log(name),
        environment=environment(),
        inherit=(go_read, ready_write),
        before=enter_node(places, state) if name == NODE_AGENT else None,
    )
    os.close(go_read)
    os.close(ready_write)
    processes.write_pid_file(places.pid(name), process)
    return Started(name, places, process, go_write, ready_read, log_bytes)


def start_supervisor(places: Places) -> processes.Process | None:
    """Start the supervisor unless it runs, or the cluster is not to run: then None. A second one ends by itself (cmd/supervisor.py)."""
    if running(places, SUPERVISOR) is not None or not places.wanted.exists():
        return None
    process = processes.spawn(
        [sys.executable, "-P", "-m", *arguments(SUPERVISOR, places)], places.log(SUPERVISOR), environment=environment()
    )
    processes.write_pid_file(places.pid(SUPERVISOR), process)
    return process


def enter_node(places: Places, state: ClusterState) -> Callable[[], None]:
    """A function that moves the calling process into the node's namespaces."""
    network = namespaces.network_path(state.namespace) if state.namespace else ""
    return namespaces.entering(network, str(places.mount_namespace))


KEPT = (
    "LANG",
    "LC_ALL",
    "TZ",
    "PYTHONPATH",
    *(form(f"{kind}_proxy") for kind in ("http", "https", "no") for form in (str.upper, str.lower)),
)
"""Of the caller's environment: its language, its time zone, and the proxies by which images are pulled, in both spellings."""


def environment() -> dict[str, str]:
    """Environment of every process."""
    kept = {name: value for name, value in os.environ.items() if name in KEPT}
    return {
        "PATH": SYSTEM_PATH,
        "HOME": "/root",
        "MALLOC_ARENA_MAX": "2",
        "MALLOC_TRIM_THRESHOLD_": "131072",
        "GRPC_ENABLE_FORK_SUPPORT": "0",
        **kept,
    }


def size(log: Path) -> int:
    """The size of a log in bytes; 0 when there is none."""
    return log.stat().st_size if log.exists() else 0


def tail(log: Path, since: int = 0) -> str:
    """Last lines of a log after its first `since` bytes, unless it was truncated meanwhile."""
    try:
        written = log.read_bytes()
    except FileNotFoundError:
        return ""
    lines = written[since if len(written) >= since else 0 :].decode("utf-8", errors="replace").splitlines()
    return "\n".join(f"  {line}" for line in lines[-LOG_LINES:])
