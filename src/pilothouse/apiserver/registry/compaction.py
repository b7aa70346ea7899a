"""Forgetting the past: what is older than WINDOW_SECONDS is compacted, as upstream does every five minutes; sooner when there is much."""

from __future__ import annotations

import logging

from pilothouse.apiserver.storage.interface import Storage, StorageFailed
from pilothouse.kit.clock import Clock

log = logging.getLogger(__name__)

WINDOW_SECONDS = 300.0
CHECK_SECONDS = 60.0
KEPT_REVISIONS = 20_000
"""Bound of the revisions that are kept, however fast they pass."""


async def compact_regularly(storage: Storage, clock: Clock) -> None:
    """Runs until cancelled."""
    marks: list[tuple[float, int]] = []
    compacted = 0
    while True:
        newest = await storage.revision()
        marks.append((clock.monotonic(), newest))
        while len(marks) > 1 and marks[1][0] <= clock.monotonic() - WINDOW_SECONDS:
            marks.pop(0)
        old = marks[0][1] if clock.monotonic() - marks[0][0] >= WINDOW_SECONDS else 0
        revision = max(old, newest - KEPT_REVISIONS)
        if revision > compacted:
            try:
                await storage.compact(revision)
                compacted = revision
            except StorageFailed as error:  # a full disk must not end the server, which can still be read
                log.warning("compaction failed: %s", error)
        await clock.sleep(CHECK_SECONDS)
