"""Compaction of the store: revisions older than WINDOW_SECONDS are dropped, sooner when they take much space.

How large the past is, is measured in what was written: each version of an object that is kept is a write of about its size.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from pilothouse.apiserver.storage.interface import StorageFailed
from pilothouse.kit.clock import Clock, wait_for

log = logging.getLogger(__name__)

WINDOW_SECONDS = 300.0
CHECK_SECONDS = 60.0
KEPT_BYTES = 128 * 1024 * 1024
"""Bound of what is kept of the past, however fast it is written."""
STEP_BYTES = KEPT_BYTES // 8
"""After as many bytes the past is looked at before its time."""


class Compactable(Protocol):
    """A store that can be compacted."""

    async def compact(self, revision: int) -> None:
        """Drop what is older than `revision`."""

    async def revision(self) -> int:
        """The newest revision."""
        ...


@dataclass(frozen=True, slots=True)
class Mark:
    """The newest revision at a moment, and the bytes written until then."""

    seconds: float
    revision: int
    written: int


class Written:
    """Counts written bytes, and wakes the compaction when they are many."""

    def __init__(self) -> None:
        self.total = 0
        self._next = STEP_BYTES
        self._much = asyncio.Event()

    def add(self, size: int) -> None:
        """Count a write of `size` bytes, and start a compaction when enough was written."""
        self.total += size
        if self.total >= self._next:
            self._much.set()

    async def wait(self, clock: Clock) -> None:
        """Return after CHECK_SECONDS, or when STEP_BYTES have been written since the last call."""
        self._next = self.total + STEP_BYTES
        self._much.clear()
        with suppress(TimeoutError):
            await wait_for(clock, self._much.wait(), CHECK_SECONDS)


def oldest_kept(marks: Sequence[Mark], now: Mark) -> int:
    """Number of marks that are older than the window; everything before the last of them may be compacted."""
    count = 0
    for mark in marks:
        if now.seconds - mark.seconds < WINDOW_SECONDS and now.written - mark.written <= KEPT_BYTES:
            break
        count += 1
    return count


async def compact_regularly(storage: Compactable, clock: Clock, written: Written) -> None:
    """Compact a store of this server alone, until cancelled."""
    marks: list[Mark] = []
    wanted = compacted = 0
    while True:
        now = Mark(clock.monotonic(), await storage.revision(), written.total)
        if old := oldest_kept(marks, now):
            wanted = marks[old - 1].revision
            del marks[:old]
        marks.append(now)
        if wanted > compacted:
            try:
                await storage.compact(wanted)
                compacted = wanted
            except StorageFailed as error:  # a full disk must not end the server, which can still be read
                log.warning("compaction failed: %s", error)
        await written.wait(clock)


async def compact_by_interval(storage: Compactable, clock: Clock, seconds: float) -> None:
    """Compact a store that API servers share, at each interval to the revision of the previous one, until cancelled.

    Upstream does the same (k8s.io/apiserver/pkg/storage/etcd3/compact.go), and nothing when `seconds` is 0.
    """
    revision = 0
    while seconds:
        await clock.sleep(seconds)
        try:
            if revision:
                await storage.compact(revision)
            revision = await storage.revision()
        except StorageFailed as error:
            log.warning("compaction failed: %s", error)
