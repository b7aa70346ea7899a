"""What the planner can ask for: the whole vocabulary between a decision and its execution (pods/pod_runtime.py)."""

from __future__ import annotations

from dataclasses import dataclass, field

from pilothouse.api.types.core_v1 import Container, EphemeralContainer

AnyContainer = Container | EphemeralContainer


@dataclass(slots=True, frozen=True)
class SetUp:
    """Prepare what the pod's containers need (cgroup, directories, volumes) and run sandbox number `attempt`, both at once."""

    attempt: int
    sandbox: bool = True
    prepare: bool = True


@dataclass(slots=True, frozen=True)
class Start:
    """Pull the image if needed, create and start run number `attempt`, and run its postStart hook."""

    container: AnyContainer
    attempt: int


@dataclass(slots=True, frozen=True)
class Kill:
    """End one run: preStop hook, stop signal, and after the grace period SIGKILL. `message` is the Killing event's.
    `after` are runs that have to be over first (sidecars outlive what they serve)."""

    run_id: str
    name: str
    grace_seconds: int
    message: str = ""
    after: tuple[str, ...] = ()


@dataclass(slots=True, frozen=True)
class KillAll:
    """End several runs side by side."""

    kills: tuple[Kill, ...]


@dataclass(slots=True, frozen=True)
class Resize:
    """Give a running container the resources that its spec has now."""

    run_id: str
    container: Container


@dataclass(slots=True, frozen=True)
class Remove:
    """Forget a run that ended or never began."""

    run_id: str


@dataclass(slots=True, frozen=True)
class StopSandbox:
    """Stops the sandbox and with it every container that still runs there."""

    sandbox_id: str


@dataclass(slots=True, frozen=True)
class RemoveSandbox:
    """Removes a stopped sandbox with its containers."""

    sandbox_id: str


@dataclass(slots=True, frozen=True)
class Release:
    """Take away volumes, cgroup and directories."""


@dataclass(slots=True, frozen=True)
class BackingOff:
    """Say that a container waits before its next run, and until when."""

    name: str
    seconds: float
    until: float


Step = SetUp | Start | KillAll | Resize | Remove | StopSandbox | RemoveSandbox | Release | BackingOff


@dataclass(slots=True)
class Plan:
    """Steps in order, and when to plan again if nothing happens before; None: only when something happens."""

    steps: list[Step] = field(default_factory=list)
    wake_at: float | None = None

    def wake_by(self, moment: float) -> None:
        """Plan again at `moment` (seconds since the epoch) at the latest."""
        self.wake_at = moment if self.wake_at is None else min(self.wake_at, moment)
