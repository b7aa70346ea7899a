"""Long-running child processes: starting, recognising and ending them.

- A process is known by its id *and* the moment it was started: a recycled id is never taken for it, and never killed.
- `spawn` detaches (own session, no terminal, output to a log file); the process keeps nothing of the caller open.
- `end` asks with SIGTERM, waits on the process itself (pidfd, no polling), then kills.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pilothouse.machinery import strconv

LOG_LIMIT = 16 << 20
"""Bytes of a log above which the next start of its process begins a new one; one old one is kept."""


@dataclass(frozen=True, slots=True)
class Process:
    """A process, told from a later one of the same id by its start time."""

    id: int
    started: int
    """Ticks between boot and the start, as /proc/<id>/stat has it."""

    def alive(self) -> bool:
        """Whether this very process still runs: id and start time agree, and it is no zombie."""
        return started_at(self.id) == self.started


def started_at(process_id: int) -> int | None:
    """The start moment of a process, or None when there is none or only its zombie is left."""
    try:
        text = Path(f"/proc/{process_id}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text[text.rindex(")") + 2 :].split()
    return None if fields[0] in "ZX" else strconv.parse_int(fields[19])


def is_stopped(process: Process) -> bool:
    """Whether a signal (SIGSTOP) or a debugger holds it: it lives, and answers nobody."""
    text = _bytes(f"/proc/{process.id}/stat").decode("utf-8", errors="replace")
    return process.alive() and text[text.rfind(")") + 2 :][:1] in ("T", "t")


def reap(process: Process) -> None:
    """Take note of the end of a process that this one started, so that no zombie stays; harmless for any other."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(process.id, os.WNOHANG)


async def ended(process: Process) -> None:
    """Return when the process is gone: told by the kernel, not polled."""
    import asyncio  # only now: the command line must be quick

    try:
        descriptor = os.pidfd_open(process.id)
    except ProcessLookupError:
        return
    loop = asyncio.get_running_loop()
    gone = asyncio.Event()
    try:
        if process.alive():
            loop.add_reader(descriptor, gone.set)
            await gone.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def identify(process_id: int) -> Process | None:
    """The process that has this id now, or None when there is none."""
    started = started_at(process_id)
    return None if started is None else Process(process_id, started)


def write_pid_file(path: Path, process: Process) -> None:
    """Record `process` in the pid file `path`, whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(f"{process.id} {process.started}\n", encoding="utf-8")
    temporary.replace(path)


def read(path: Path) -> Process | None:
    """The living process that the pid file `path` names, or None."""
    try:
        process_id, started = path.read_text(encoding="utf-8").split()
        process = Process(strconv.parse_int(process_id), strconv.parse_int(started))
    except (FileNotFoundError, ValueError):
        return None
    return process if process.alive() else None


def spawn(
    command: Sequence[str],
    log: Path,
    *,
    environment: Mapping[str, str] | None = None,
    inherit: Sequence[int] = (),
    before: Callable[[], None] | None = None,
) -> Process:
    """Start `command` detached, its output appended to `log`; `before` runs in the new process, before it becomes that program."""
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > LOG_LIMIT:
        log.replace(log.with_name(f"{log.name}.1"))
    with log.open("ab") as output:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            cwd="/",
            umask=0o022,  # not the caller's: what is made in containers' roots is for every user
            env=None if environment is None else dict(environment),
            pass_fds=inherit,
            preexec_fn=before,  # noqa: PLW1509 - see namespaces.entering
        )
    started = identify(child.pid)
    child.returncode = 0  # nobody waits for it here: it is to outlive this process
    return started or Process(child.pid, -1)


def end(processes: Iterable[Process], seconds: float = 10.0) -> list[Process]:
    """End processes side by side: SIGTERM, up to `seconds` for all, then SIGKILL. Returns those that had to be killed."""
    waiting = _signal_all(processes, signal.SIGTERM)
    stubborn = _wait(waiting, seconds)
    killed = list(stubborn.values())
    again = _signal_all(killed, signal.SIGKILL)
    for descriptor in stubborn:
        os.close(descriptor)
    for descriptor in _wait(again, seconds):
        os.close(descriptor)
    return killed


def kill(processes: Iterable[Process], seconds: float = 10.0) -> None:
    """End processes at once, without asking."""
    for descriptor in _wait(_signal_all(processes, signal.SIGKILL), seconds):
        os.close(descriptor)


def ends_within(process: Process, seconds: float) -> bool:
    """Wait for its end; False when it still runs then."""
    try:
        descriptor = os.pidfd_open(process.id)
    except ProcessLookupError:
        return True
    try:
        return not process.alive() or bool(select.select([descriptor], [], [], seconds)[0])
    finally:
        os.close(descriptor)


def in_cgroup(path: str) -> list[Process]:
    """Living processes in the cgroup `path` (`/pilothouse-dev`) or below it, in any hierarchy."""
    members = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        places = [line.split(":", 2)[2] for line in _bytes(f"/proc/{entry}/cgroup").decode().splitlines()]
        within = any(place == path or place.startswith(path + "/") for place in places)
        if within and (process := identify(strconv.parse_int(entry))):
            members.append(process)
    return members


def with_name(beginning: str) -> list[Process]:
    """Living processes whose program's name begins so."""
    entries = [entry for entry in os.listdir("/proc") if entry.isdigit() and _bytes(f"/proc/{entry}/comm").startswith(beginning.encode())]
    return [process for entry in entries if (process := identify(strconv.parse_int(entry)))]


def with_arguments(words: Sequence[str]) -> list[Process]:
    """Running processes with these arguments in a row, and with the caller's root directory."""
    wanted = b"\0" + b"\0".join(word.encode() for word in words) + b"\0"
    matching = []
    for entry in os.listdir("/proc"):
        if entry.isdigit() and wanted in b"\0" + _bytes(f"/proc/{entry}/cmdline"):
            with contextlib.suppress(OSError):  # ended meanwhile
                if os.path.samefile(f"/proc/{entry}/root", "/") and (process := identify(strconv.parse_int(entry))):
                    matching.append(process)
    return matching


def in_namespace(path: str, kind: str) -> list[Process]:
    """Living processes whose `kind` (`net`, `mnt`) namespace is the one pinned at `path`."""
    try:
        wanted = os.stat(path)
    except FileNotFoundError:
        return []
    members = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        with contextlib.suppress(OSError):
            seen = os.stat(f"/proc/{entry}/ns/{kind}")
            if (seen.st_dev, seen.st_ino) == (wanted.st_dev, wanted.st_ino) and (process := identify(strconv.parse_int(entry))):
                members.append(process)
    return members


def command_line(process: Process) -> list[str]:
    """Its words; empty when it is gone."""
    return [word.decode(errors="replace") for word in _bytes(f"/proc/{process.id}/cmdline").rstrip(b"\0").split(b"\0")]


def children(process: Process) -> list[Process]:
    """Processes that it started, or that were left to it."""
    listed = _bytes(f"/proc/{process.id}/task/{process.id}/children").decode().split()
    return [child for text in listed if (child := identify(strconv.parse_int(text))) is not None]


def _signal_all(processes: Iterable[Process], number: signal.Signals) -> dict[int, Process]:
    """Signal each process that is still itself; its pidfd by which to wait for its end."""
    sent = {}
    for process in processes:
        try:
            descriptor = os.pidfd_open(process.id)
        except (ProcessLookupError, OSError):
            continue
        if process.alive():  # the descriptor holds the id: it cannot be recycled between this look and the signal
            try:
                signal.pidfd_send_signal(descriptor, number)
            except ProcessLookupError:
                pass
            except BaseException:
                os.close(descriptor)
                raise
            sent[descriptor] = process
        else:
            os.close(descriptor)
    return sent


def _wait(sent: dict[int, Process], seconds: float) -> dict[int, Process]:
    """Close the descriptors of those that end within `seconds`; what remains is returned."""
    poller = select.poll()
    for descriptor in sent:
        poller.register(descriptor, select.POLLIN)
    remaining = dict(sent)
    rounds = int(seconds * 10) + 1
    while remaining and rounds:
        rounds -= 1
        for descriptor, _ in poller.poll(100):
            poller.unregister(descriptor)
            os.close(descriptor)
            del remaining[descriptor]
    return remaining


def _bytes(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""
