"""Scripted behaviour and state of simulated containers."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from pilothouse.kit.clock import Timer
from pilothouse.kubelet.runtime.containers import ContainerConfig, ContainerStatus, ExecResult
from pilothouse.kubelet.runtime.sandboxes import SandboxConfig, SandboxStatus
from pilothouse.kubelet.runtime.simulated_logs import Line, SimulatedLog

TERMINATED_EXIT, KILLED_EXIT, OOM_EXIT = 143, 137, 137


@dataclass(slots=True)
class Behaviour:
    """Behaviour of the containers of an image; read when a container starts."""

    start_seconds: float = 0.0
    run_seconds: float | None = None
    """None: until it is stopped."""
    exit_code: int = 0
    oom: bool = False
    stop_seconds: float = 0.0
    """How long after the stop signal it exits; longer than the grace period: it is killed."""
    stop_exit_code: int = TERMINATED_EXIT
    start_error: str = ""
    memory_bytes: int = 0
    """What it has in use."""
    prints: Sequence[str | Line] = ()
    """What it writes; plain texts at its start."""
    exec: Callable[[Sequence[str]], ExecResult] | None = None
    """Answers commands: of clients, probes and hooks; None: all succeed and say nothing."""
    exec_input: Callable[[Sequence[str], bytes], ExecResult] | None = None
    """Answers clients' commands instead, with what they were given as standard input, once that has ended."""
    exec_seconds: float = 0.0
    """How long each command takes."""
    probe: Callable[[str], bool] | None = None
    """Answers probes by kind (httpGet, tcpSocket, grpc); None: all succeed while it runs."""


@dataclass(slots=True)
class SimulatedContainer:
    """A simulated container: its status, log and behaviour."""

    status: ContainerStatus
    config: ContainerConfig
    behaviour: Behaviour
    exited: asyncio.Event = field(default_factory=asyncio.Event)
    timer: Timer | None = None
    log: SimulatedLog = field(default_factory=SimulatedLog)


@dataclass(slots=True)
class SimulatedSandbox:
    """A simulated sandbox: its status."""

    status: SandboxStatus
    config: SandboxConfig


def timetable(behaviour: Behaviour) -> Iterator[tuple[Line | None, float]]:
    """Lines and the times at which a container writes them, in seconds after its start; the last entry has no line and is its exit."""
    lines = [Line(line) if isinstance(line, str) else line for line in behaviour.prints]
    due = [(line.after_seconds, number, line) for number, line in enumerate(lines)]
    heapq.heapify(due)
    while due:
        at, number, line = heapq.heappop(due)
        if behaviour.run_seconds is not None and at > behaviour.run_seconds:
            break
        yield line, at
        if line.every_seconds > 0:
            heapq.heappush(due, (at + line.every_seconds, number, line))
    if behaviour.run_seconds is not None:
        yield None, behaviour.run_seconds
