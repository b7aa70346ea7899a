"""Audit events as lines of a file, which is rotated by size, or of standard output.

- One thread writes; what comes while it does is written together, in the order in which it came.
- A rotated file is named after its time (`audit-2026-12-01T17-49-08.482.log`, with `.gz` when compressed), kept by number and by age.

Upstream: plugin/pkg/audit/log, and the lumberjack library.
"""

from __future__ import annotations

import asyncio
import gzip
import os
import re
import shutil
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pilothouse.apiserver.audit.backends import lost
from pilothouse.apiserver.audit.event import Event, encoded, legacy
from pilothouse.apiserver.audit.metrics import AuditMetrics
from pilothouse.kit.clock import Clock

JSON, LEGACY = "json", "legacy"
FORMATS = (LEGACY, JSON)
MEGABYTE = 1024 * 1024
STAMP = "%Y-%m-%dT%H-%M-%S"


@dataclass(frozen=True, slots=True)
class Rotation:
    """When the log is rotated, and which old files stay; 0 is no limit."""

    max_megabytes: int = 100
    max_age_days: int = 366
    max_backups: int = 100
    compresses: bool = False


class RotatedFile:
    """A file that is written by one thread at a time. OSError where it cannot be."""

    def __init__(self, path: Path, rotation: Rotation, now: Callable[[], datetime]) -> None:
        self._path, self._rotation, self._now = path, rotation, now
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._descriptor = self._open()

    def _open(self) -> int:
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._size = os.fstat(descriptor).st_size
        return descriptor

    def write(self, lines: bytes) -> None:
        """Append, to a new file where the old one would become too large."""
        limit = self._rotation.max_megabytes * MEGABYTE
        if limit and self._size and self._size + len(lines) > limit:
            self._rotate()
        left = memoryview(lines)
        while left:
            written = os.write(self._descriptor, left)
            self._size += written
            left = left[written:]

    def _rotate(self) -> None:
        os.close(self._descriptor)
        stamp = self._now().astimezone(UTC)
        milliseconds = stamp.microsecond // 1000
        old = self._path.with_name(f"{self._path.stem}-{stamp.strftime(STAMP)}.{milliseconds:03d}{self._path.suffix}")
        self._path.rename(old)
        self._descriptor = self._open()
        if self._rotation.compresses:
            with old.open("rb") as source, gzip.open(_private(old.with_name(f"{old.name}.gz")), "wb") as target:
                shutil.copyfileobj(source, target)
            old.unlink()
        self._forget()

    def _forget(self) -> None:
        """Remove old files beyond their number and their age."""
        pattern = re.compile(
            rf"{re.escape(self._path.stem)}-(\d{{4}}-\d\d-\d\dT\d\d-\d\d-\d\d)\.\d{{3}}{re.escape(self._path.suffix)}(?:\.gz)?"
        )
        old = sorted((match[1], file) for file in self._path.parent.iterdir() if (match := pattern.fullmatch(file.name)))
        rotation = self._rotation
        surplus = len(old) - rotation.max_backups if rotation.max_backups else 0
        oldest = (self._now().astimezone(UTC) - timedelta(days=rotation.max_age_days)).strftime(STAMP)
        for index, (stamp, file) in enumerate(old):
            if index < surplus or (rotation.max_age_days and stamp < oldest):
                file.unlink(missing_ok=True)

    def close(self) -> None:
        """Write no more."""
        os.close(self._descriptor)


def _private(path: Path) -> Path:
    """A file that its owner alone reads, there to be written to."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
    return path


class StandardOutput:
    """`--audit-log-path=-`."""

    def write(self, lines: bytes) -> None:
        """Append."""
        sys.stdout.buffer.write(lines)
        sys.stdout.buffer.flush()

    def close(self) -> None:
        """Nothing to be done."""


class LogFile:
    """Keeps events as lines. Made in a running loop."""

    name = "log"

    def __init__(self, file: RotatedFile | StandardOutput, form: str, metrics: AuditMetrics) -> None:
        self._file, self._line, self._metrics = file, legacy if form == LEGACY else encoded, metrics
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="audit log")
        self._loop = asyncio.get_running_loop()
        self._waiting: list[tuple[Event, bytes]] = []
        self._done: asyncio.Future[bool] | None = None
        self._is_writing = False

    def keep(self, events: Sequence[Event]) -> asyncio.Future[bool]:
        """Write a line for each; what is given has the outcome."""
        for event in events:
            try:
                self._waiting.append((event, self._line(event) + b"\n"))
            except (ValueError, TypeError) as error:
                lost(self._metrics, self.name, error, [event])
        if self._done is None:
            self._done = self._loop.create_future()
        done = self._done
        if not self._is_writing:
            self._is_writing = True
            self._loop.call_soon(self._begin)
        return done

    def _begin(self) -> None:
        batch, self._waiting = self._waiting, []
        done, self._done = self._done, None
        assert done is not None
        written = self._loop.run_in_executor(self._thread, self._file.write, b"".join(line for _, line in batch))
        written.add_done_callback(lambda finished: self._ended(finished, [event for event, _ in batch], done))

    def _ended(self, finished: asyncio.Future[None], events: list[Event], done: asyncio.Future[bool]) -> None:
        error = finished.exception()
        if error is not None and events:
            lost(self._metrics, self.name, error, events)
        if not done.done():
            done.set_result(error is None)
        if self._done is not None:
            self._begin()
        else:
            self._is_writing = False

    async def close(self) -> None:
        """Write what waits, and no more."""
        if self._is_writing:
            await self.keep(())
        await self._loop.run_in_executor(None, self._thread.shutdown)
        self._file.close()


def opened(path: str, rotation: Rotation, clock: Clock) -> RotatedFile | StandardOutput:
    """Where lines go. OSError where there is no writing."""
    return StandardOutput() if path == "-" else RotatedFile(Path(path), rotation, clock.now)
