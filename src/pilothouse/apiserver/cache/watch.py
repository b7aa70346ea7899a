"""One watcher of one resource.

- Events come in the order of their revisions; none is lost or doubled.
- A watcher that does not read is ended when too much waits for it (PENDING_LIMIT, PENDING_LIMIT_BYTES), and what waits is dropped:
  its client resumes from what it saw last. A client that never reads again holds no memory.
- Events that come together are taken together (`batch`), so that a server can write them together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from pilothouse.apiserver.cache.event import CacheEvent
from pilothouse.apiserver.cache.selection import Selection
from pilothouse.machinery.errors import StatusError

PENDING_LIMIT = 20_000
"""Events beyond the initial ones that may wait for a watcher that does not read."""
PENDING_LIMIT_BYTES = 64 << 20
"""The same in bytes: objects may be large."""

Write = Callable[[bytes], object]


class Watch:
    """An asynchronous iterator of CacheEvents; close it with `aclose`."""

    __slots__ = (
        "_ended", "_failure", "_pending", "_taken", "_waiter", "_waiting", "_waiting_bytes", "_whole_prefix", "_write",
        "after", "binary", "closing",
        "direct", "selection", "wants_bookmarks",
    )  # fmt: skip

    def __init__(self, selection: Selection, *, wants_bookmarks: bool = False) -> None:
        self.selection = selection
        self.wants_bookmarks = wants_bookmarks
        self.closing: list[Callable[[], None]] = []
        self.after = 0
        """Events up to this revision, which had not come yet when the watch began, are passed over."""
        self.binary = False
        """Whether chunks are written in protobuf."""
        self.direct: Write | None = None
        """Where the chunk of every event of the selection's prefix goes at once. Only while nothing waits: see `write_directly`."""
        self._write: Write | None = None
        self._whole_prefix: str | None = selection.prefix if selection.selects_everything else None
        self._pending: list[CacheEvent] = []
        self._waiting = self._waiting_bytes = 0  # of these, what counts against the limits
        self._taken: list[CacheEvent] = []  # what iteration has taken and not yet handed out, newest first
        self._waiter: asyncio.Future[None] | None = None
        self._ended = False
        self._failure: StatusError | None = None

    def offer(self, event: CacheEvent) -> None:
        """Queue a change of the resource, if it concerns this watcher."""
        if event.revision <= self.after:
            return
        prefix = self._whole_prefix
        if prefix is None:
            translated = self.selection.translate(event)
            if translated is None:
                return
            event = translated
        elif not event.entry.key.startswith(prefix):
            return
        if self._ended:
            return
        if self._write is not None:
            self._write(event.frame_chunk if self.binary else event.chunk)
            return
        self._pending.append(event)
        self._waiting += 1
        self._waiting_bytes += len(event.entry.encoded)
        if self._waiting > PENDING_LIMIT or self._waiting_bytes > PENDING_LIMIT_BYTES:
            del self._pending[-self._waiting :]
            self.end()
        self._wake()

    def offer_bookmark(self, event: CacheEvent) -> None:
        """Queue a bookmark for the reader; ignored when the watch has ended."""
        if not self._ended:
            self.queue_events()
            self._pending.append(event)
            self._waiting += 1
            self._wake()

    def write_directly(self, write: Write | None) -> None:
        """Write events at once from now on, until `queue_events`, without waking the reader.

        For who is about to wait for a `batch`; what waits already comes with that first.
        """
        if not self._pending and not self._ended:
            self._write = write
            self.direct = write if self._whole_prefix is not None and not self.after else None

    def queue_events(self) -> None:
        """Queue events again."""
        self._write = self.direct = None

    def begin(self, events: list[CacheEvent]) -> None:
        """Queue the initial events of a watch; they do not count against the limit."""
        self._pending[:0] = events
        self._wake()

    def end(self, failure: StatusError | None = None) -> None:
        """End the watch after the queued events were read; then `failure` is raised to the reader."""
        if not self._ended:
            self._ended = True
            self.queue_events()
            self._failure = failure
            self._release()
            self._wake()

    async def batch(self) -> list[CacheEvent]:
        """Wait for events, and return all that are queued; empty at the end."""
        while not self._pending:
            if self._failure is not None:
                raise self._failure
            if self._ended:
                return []
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        taken, self._pending = self._pending, []
        self._waiting = self._waiting_bytes = 0
        return taken

    def __aiter__(self) -> Watch:
        return self

    async def __anext__(self) -> CacheEvent:
        if not self._taken:
            self._taken = await self.batch()
            self._taken.reverse()
        if not self._taken:
            raise StopAsyncIteration
        return self._taken.pop()

    async def aclose(self) -> None:
        """End the watch and drop what its reader has not taken."""
        self._pending.clear()
        self._taken.clear()
        self.end()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _release(self) -> None:
        for callback in self.closing:
            callback()
        self.closing.clear()
