"""Steps that the planner may ask for; pods/pod_runtime.py executes them."""

from __future__ import annotations

from dataclasses import dataclass, field

from pilothouse.api.types.core_v1 import Container, EphemeralContainer

AnyContainer = Container | EphemeralContainer


@dataclass(slots=True, frozen=True)
class SetUp:
    """Prepare cgroup, directories and volumes, and run the sandbox of this attempt, concurrently."""

    attempt: int
    sandbox: bool = True
    prepare: bool = True


@dataclass(slots=True, frozen=True)
class Start:
    """Pull the image if needed, create and start the container, and run its postStart hook."""

    container: AnyContainer
    attempt: int


@dataclass(slots=True, frozen=True)
class Kill:
    """Kill one container: preStop hook, stop signal, SIGKILL after the grace period.

    `message` is that of the event Killing; `after` are containers that must end first.
    """

    run_id: str
    name: str
    grace_seconds: int
    message: str = ""
    after: tuple[str, ...] = ()


@dataclass(slots=True, frozen=True)
class KillAll:
    """Kill several containers concurrently."""

    kills: tuple[Kill, ...]


@dataclass(slots=True, frozen=True)
class Resize:
    """Apply the container's current resources."""

    run_id: str
    container: Container


@dataclass(slots=True, frozen=True)
class Remove:
    """Remove a container that has ended or never started."""

    run_id: str


@dataclass(slots=True, frozen=True)
class StopSandbox:
    """Stop the sandbox and the containers in it."""

    sandbox_id: str


@dataclass(slots=True, frozen=True)
class RemoveSandbox:
    """Remove a stopped sandbox with its containers."""

    sandbox_id: str


@dataclass(slots=True, frozen=True)
class Release:
    """Remove volumes, cgroup and directories."""


@dataclass(slots=True, frozen=True)
class BackingOff:
    """Report that a container waits for its next start, and until when."""

    name: str
    seconds: float
    until: float


Step = SetUp | Start | KillAll | Resize | Remove | StopSandbox | RemoveSandbox | Release | BackingOff


@dataclass(slots=True)
class Plan:
    """Steps in order, and when to plan again without an event; None: not before the next event."""

    steps: list[Step] = field(default_factory=list)
    wake_at: float | None = None

    def wake_by(self, moment: float) -> None:
        """Plan again at `moment` (seconds since the epoch) at the latest."""
        self.wake_at = moment if self.wake_at is None else min(self.wake_at, moment)
