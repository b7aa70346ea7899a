"""The embedded store of a cluster on one machine: one SQLite file.

- Durable when acknowledged: write-ahead log, `synchronous=FULL`; a write returns after the disk has it.
- One writer thread commits everything that waits in one transaction of one statement (group commit). Comparing happens on
  the event loop against `_newest`, an index of all keys in memory that includes the writes on their way.
- Old versions are rows of the same table until they are compacted. Reads have a connection and a thread of their own.
- One process has the file: a lock beside it says so.

The schema (SCHEMA_VERSION in `meta`): table `entry`, one row a write, see sqlite_schema.py. Writing: sqlite_writer.py.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import sqlite3
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from concurrent.futures import Future as ConcurrentFuture
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import IO, TypeVar

from pilothouse.apiserver.storage import sqlite_schema as schema
from pilothouse.apiserver.storage.interface import (
    Compacted,
    CompareFailed,
    Event,
    FutureRevision,
    Item,
    Range,
    StorageFailed,
)
from pilothouse.apiserver.storage.sqlite_writer import Write, Writer
from pilothouse.apiserver.storage.watchers import Watchers

T = TypeVar("T")

WAITING_LIMIT = 10_000
"""Writes that may be on their way at once; more are refused with StorageFailed."""
COMPACTION_ROWS = 2_000
"""Rows that are forgotten in one transaction, so that no write waits long behind a compaction."""


class StoreInUse(schema.StoreUnusable):
    """Another process has the file open."""


class SqliteStorage:
    """Storage in one SQLite file. The constructor opens (or makes) the file; it must be called in a running event loop."""

    shared = False

    def __init__(self, path: Path) -> None:
        with ExitStack() as opened, schema.explained(path):
            self._lock = opened.enter_context(_locked(path))
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))  # it will hold Secrets; the files beside it take its mode
            connection = opened.enter_context(closing(schema.connect(path)))
            schema.prepare(connection)
            self._reader = opened.enter_context(closing(schema.connect(path)))
            self._newest = schema.newest(connection)
            self._compacted = schema.compacted(connection)
            self._revision = self._assigned = max(self._compacted, schema.last_revision(connection))
            opened.pop_all()  # all went well: it stays open
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="store-reader")
        self._watchers = Watchers()
        self._waiting: dict[Write, asyncio.Future[int]] = {}
        self._fresh: list[Write] = []
        self._loop = asyncio.get_running_loop()
        self._writer = Writer(
            connection,
            lambda writes, error: self._loop.call_soon_threadsafe(self._written, writes, error),
            _present(path),
        )

    async def get(self, key: str, revision: int = 0) -> Item | None:
        """A key's item as of `revision` (0: now), or None. Raises Compacted, FutureRevision or StorageFailed."""
        at = self._check(revision)
        row = await self._read(lambda: schema.row_at(self._reader, key, at))
        if revision:
            self._check(revision)
        return None if row is None else Item(*row)

    async def range(self, prefix: str, start: str = "", limit: int = 0, revision: int = 0) -> Range:
        """Items below `prefix`, from `start` on, as of `revision` (0: now); at most `limit` (0: all).

        Raises Compacted, FutureRevision or StorageFailed.
        """
        at = self._check(revision)
        items = await self._read(
            lambda: [Item(*row) for row in schema.rows_at(self._reader, prefix, start, limit + 1 if limit else -1, at)]
        )
        if revision:
            self._check(revision)  # a compaction may have come in between
        more = bool(limit) and len(items) > limit
        return Range(items[: limit or None], at, more)

    async def commit(self, key: str, value: bytes | None, expected: int | None) -> int:
        """Write or (None) delete a key whose revision is `expected`, and give the new revision when the disk has it.

        Raises CompareFailed or StorageFailed.
        """
        present, created = self._newest.get(key, (0, 0))
        if (expected is not None and expected != present) or (value is None and not present):
            raise CompareFailed(key, present, present or self._assigned)
        return await self._begin(key, value, present, created)

    async def create(self, values: Mapping[str, bytes]) -> None:
        """Write those keys that do not exist, in one transaction. Raises StorageFailed."""
        missing = [key for key in values if key not in self._newest]
        if missing:  # what is handed over in one turn of the loop is written in one transaction
            await asyncio.gather(*[self._begin(key, values[key], 0, 0) for key in missing])

    def _begin(self, key: str, value: bytes | None, present: int, created: int) -> asyncio.Future[int]:
        """Begin a write; the future has its revision once the disk has it."""
        if len(self._waiting) >= WAITING_LIMIT:
            raise StorageFailed(f"{WAITING_LIMIT} writes are waiting for the disk")
        self._assigned += 1
        write = Write(Event(key, value, self._assigned, created or self._assigned, present))
        if value is None:
            del self._newest[key]
        else:
            self._newest[key] = (self._assigned, created or self._assigned)
        done: asyncio.Future[int] = self._loop.create_future()
        self._waiting[write] = done
        if not self._fresh:
            self._loop.call_soon(self._deliver_events)
        self._fresh.append(write)
        return done

    def _deliver_events(self) -> None:
        """What was committed in one turn of the loop goes to the writer together: each wake-up of a thread costs a system call."""
        self._writer.add(self._fresh)
        self._fresh = []

    def _written(self, writes: Sequence[Write], error: Exception | None) -> None:
        """The writer's word about a batch, on the event loop: watchers are told before those who wrote."""
        if error is not None:
            self._start_over(StorageFailed(str(error)))
            return
        events = [write.event for write in writes]
        self._revision = events[-1].revision
        self._watchers.publish(events)
        for write in writes:
            done = self._waiting.pop(write)
            if not done.done():
                done.set_result(write.event.revision)

    def _start_over(self, failure: StorageFailed) -> None:
        """Nothing that was on its way is written: the writer dropped it all. Undo it in `_newest`, where nothing can fail."""
        waiting, self._waiting = self._waiting, {}
        self._fresh.clear()
        for event in (write.event for write in reversed(waiting)):
            if event.previous:
                self._newest[event.key] = (event.previous, event.created)
            else:
                self._newest.pop(event.key, None)
        self._assigned = self._revision
        self._writer.resume()
        for done in waiting.values():
            if not done.done():
                done.set_exception(failure)

    async def watch(self, prefix: str, after: int, *, previous_values: bool = False) -> AsyncGenerator[Sequence[Event], None]:
        """Batches of events below `prefix` after revision `after`; the first at once, from the file. Raises Compacted or FutureRevision."""
        at = self._check(0)
        if after > at:
            raise FutureRevision(after, at)
        if after < self._compacted:
            raise Compacted(after, self._compacted)
        async with self._watchers.watching(prefix) as watcher:
            rows_between = schema.rows_with_previous if previous_values else schema.rows_between
            rows = await self._read(lambda: rows_between(self._reader, prefix, after, at))
            if after < self._compacted:
                raise Compacted(after, self._compacted)
            yield [Event(*row) for row in rows]
            while (batch := await watcher.batch()) is not None:
                yield await self._with_previous(batch) if previous_values else batch

    def follow(self, deliver: Callable[[Sequence[Event]], None], missed: Callable[[int], None] | None = None) -> Callable[[], None]:
        """Call `deliver` with every batch of writes before their commits return. Gives the function that ends this."""
        return self._watchers.follow(deliver)

    async def _with_previous(self, events: Sequence[Event]) -> list[Event]:
        """The events with the values that they replaced, of those that are kept."""
        wanted = [event.previous for event in events if event.previous]
        values = await self._read(lambda: schema.values_at(self._reader, wanted))
        return [event._replace(previous_value=values.get(event.previous)) for event in events]

    async def compact(self, revision: int) -> None:
        """Forget what was overwritten or deleted before `revision`. Raises FutureRevision. Rows are removed in steps of COMPACTION_ROWS."""
        if revision > self._revision:
            raise FutureRevision(revision, self._revision)
        if revision <= self._compacted:
            return
        self._compacted = revision
        await self._write(lambda connection: schema.mark_compacted(connection, revision))
        while await self._write(lambda connection: schema.forget(connection, revision, COMPACTION_ROWS)) == COMPACTION_ROWS:
            pass

    async def revision(self) -> int:
        """The newest revision on the disk."""
        return self._revision

    async def close(self) -> None:
        """Finish the writes that were accepted, end all watches and close the file."""
        self._watchers.close()
        await asyncio.sleep(0)  # what was committed in this turn of the loop
        await self._loop.run_in_executor(self._threads, self._writer.close)
        await asyncio.sleep(0)  # what the writer's last words have scheduled
        self._threads.shutdown()
        self._reader.close()
        self._lock.close()

    def _check(self, revision: int) -> int:
        """The revision to be shown."""
        if revision > self._revision:
            raise FutureRevision(revision, self._revision)
        if revision and revision < self._compacted:
            raise Compacted(revision, self._compacted)
        return revision or self._revision

    async def _read(self, query: Callable[[], T]) -> T:
        try:
            return await self._loop.run_in_executor(self._threads, query)
        except sqlite3.Error as error:
            raise StorageFailed(str(error)) from error

    async def _write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run something other than a commit on the writer's thread, between batches."""
        done: ConcurrentFuture[T] = ConcurrentFuture()

        def run(connection: sqlite3.Connection) -> None:
            if not done.set_running_or_notify_cancel():
                return  # nobody waits for it any more
            try:
                done.set_result(work(connection))
            except sqlite3.Error as error:
                done.set_exception(StorageFailed(str(error)))

        self._writer.do(run)
        return await asyncio.wrap_future(done)


def _present(path: Path) -> Callable[[], None]:
    """A check that the file at `path` is still the one that is there now: a write to a file that was removed or emptied under the
    server would be acknowledged, and lost with the process."""
    opened = os.stat(path)

    def check() -> None:
        try:
            now = os.stat(path)
        except OSError as error:
            raise StorageFailed(f"the store {path} is gone: {error.strerror}; put a copy of it back and start again") from error
        if (now.st_dev, now.st_ino) != (opened.st_dev, opened.st_ino) or now.st_size == 0:
            raise StorageFailed(f"the store {path} was replaced or emptied while it was in use; put a copy of it back and start again")

    return check


def _locked(path: Path) -> IO[bytes]:
    """The lock that says whose the file is; freed by the kernel when the process ends, however it ends."""
    lock = open(f"{path}.lock", "ab")  # noqa: SIM115 - held open for the life of the store
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.close()
        raise StoreInUse(f"{path} is in use by another process") from error
    return lock
