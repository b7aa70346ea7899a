"""The store of a cluster with several API servers: etcd v3.

- A revision is etcd's. Writes are transactions that compare the revision of their key; reads are linearizable.
- Every write is told to followers by one watch (etcd_feed.py), those of other API servers as well; a commit returns after its own.
- Events have leases (etcd_leases.py): etcd forgets them by itself.
- Of several API servers one compacts at a time (etcd_compaction.py), as upstream's do.

Keys: etcd_keys.py, below `--etcd-prefix`. Calls and their errors: etcd_client.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator, Mapping, Sequence
from typing import Any

from pilothouse.apiserver.storage.etcd_client import COMPACTED, EtcdClient, EtcdServers, Refused, pb
from pilothouse.apiserver.storage.etcd_compaction import compact
from pilothouse.apiserver.storage.etcd_feed import Feed, ask_for_progress
from pilothouse.apiserver.storage.etcd_keys import Keys, end_of
from pilothouse.apiserver.storage.etcd_leases import EVENT_SECONDS, Leases
from pilothouse.apiserver.storage.interface import (
    Compacted,
    CompareFailed,
    ConcurrentAllocation,
    Event,
    FutureRevision,
    Item,
    Range,
    StorageFailed,
)
from pilothouse.kit.clock import Clock, SystemClock
from pilothouse.machinery import strconv

PAGE = 1_000
"""Items of one call: a large list is read in pages as of one revision."""
REQUEST_OPERATIONS = 100
REQUEST_BYTES = 1 << 20
"""Of one transaction: etcd takes 128 operations and 1.5 MiB unless it is told otherwise."""
LEAST_PROGRESS = ((3, 4, 31), (3, 5, 13))
"""Versions since which etcd never tells of progress before the events that it covers, of the minors that were mended."""


class EtcdStorage:
    """Storage on etcd v3. Made in a running event loop; the first call connects."""

    shared = True

    def __init__(self, servers: EtcdServers, clock: Clock | None = None, event_seconds: int = EVENT_SECONDS) -> None:
        self._clock = clock or SystemClock()
        self._client = EtcdClient(servers, self._clock)
        self._keys = Keys(servers.prefix)
        self._feed = Feed(self._client, self._keys, self._clock)
        self._leases = Leases(self._client, self._clock, event_seconds)
        self._started = False
        self._starting = asyncio.Lock()
        self._tasks: asyncio.TaskGroup | None = None
        self._running: asyncio.Task[None] | None = None
        self._streams: set[Any] = set()
        self._asked: asyncio.Future[int] | None = None
        self._asking: asyncio.Task[None] | None = None
        self._closed = False

    async def _start(self) -> None:
        """Return when the feed runs."""
        async with self._starting:
            if not self._started:
                await self._begin()
                self._started = True

    async def _begin(self) -> None:
        status = await self._client.read("Status", pb.StatusRequest())
        answer = await self._client.read("Range", pb.RangeRequest(key=self._keys.allocation))
        allocated = answer.kvs[0].mod_revision if answer.kvs else 0
        ready = asyncio.Event()
        self._running = asyncio.create_task(self._run(ready), name="tasks of etcd")
        await ready.wait()
        assert self._tasks is not None
        self._feed.start(
            self._tasks, answer.header.revision, allocated, supports_progress_requests=supports_progress_requests(status.version)
        )

    async def _run(self, ready: asyncio.Event) -> None:
        """What runs beside the calls, until cancelled."""
        async with asyncio.TaskGroup() as self._tasks:
            ready.set()
            await asyncio.Event().wait()

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        assert self._tasks is not None, "the store has not started"
        return self._tasks.create_task(work, name=name)

    async def get(self, key: str, revision: int = 0) -> Item | None:
        """A key's item as of `revision` (0: now), or None. Raises Compacted, FutureRevision or StorageFailed."""
        answer = await self._range(pb.RangeRequest(key=self._keys.encode(key), revision=revision))
        return self._keys.item(answer.kvs[0]) if answer.kvs else None

    async def range(self, prefix: str, start: str = "", limit: int = 0, revision: int = 0) -> Range:
        """Items below `prefix`, from `start` on, as of `revision` (0: now), read in pages; at most `limit` (0: all).

        Raises Compacted, FutureRevision or StorageFailed.
        """
        first, end = self._keys.encode(prefix), end_of(self._keys.encode(prefix))
        if start > prefix:
            first = self._keys.encode(start)
        items: list[Item] = []
        while True:
            wanted = min(limit - len(items), PAGE) if limit else PAGE
            answer = await self._range(pb.RangeRequest(key=first, range_end=end, limit=wanted, revision=revision))
            revision = revision or answer.header.revision
            items += map(self._keys.item, answer.kvs)
            if not answer.more or (limit and len(items) >= limit):
                return Range(items, revision, answer.more)
            first = answer.kvs[-1].key + b"\0"

    async def _range(self, request: Any) -> Any:
        """The answer to a Range. Compacted or FutureRevision for a revision that cannot be shown."""
        try:
            return await self._client.read("Range", request)
        except Refused as refused:
            raise await self._refusal(refused, request.revision) from refused

    async def _refusal(self, refused: Refused, revision: int) -> Exception:
        """What etcd's refusal of a revision is to the port."""
        if refused.details == COMPACTED:
            return Compacted(revision, await self._oldest())
        return FutureRevision(revision, await self._newest())

    async def _newest(self) -> int:
        """The newest revision of the whole of etcd, linearizable."""
        answer = await self._client.read("Range", pb.RangeRequest(key=self._keys.fence, count_only=True))
        revision: int = answer.header.revision
        return revision

    async def _oldest(self) -> int:
        """The oldest revision that etcd can show: only the refusal of a watch tells it."""
        stream = self._client.watch()
        try:
            create = pb.WatchCreateRequest(key=self._keys.fence, start_revision=1)
            await self._client.send(stream, pb.WatchRequest(create_request=create))
            while not (answer := await self._client.next(stream)).canceled:
                pass
            oldest: int = answer.compact_revision
            return oldest
        except Refused as refused:
            raise refused.failure() from refused
        finally:
            stream.cancel()

    async def commit(self, key: str, value: bytes | None, expected: int | None) -> int:
        """Write or (None) delete a key whose revision is `expected`, and give the new revision when followers have seen it.

        Raises CompareFailed or StorageFailed.
        """
        if not self._started:
            await self._start()
        answer = await self._client.write("Txn", await self._transaction(key, value, expected))
        revision: int = answer.header.revision
        if not answer.succeeded:
            raise _compare_failed(key, answer)
        if value is None and not answer.responses[0].response_delete_range.deleted:
            raise CompareFailed(key, 0, revision)
        if expected == 0 and value is not None and revision == self._feed.revision + 1:
            self._feed.take_own(Event(key, value, revision, revision, 0))
        else:
            await self._feed.wait_for_revision(revision)
        return revision

    async def _transaction(self, key: str, value: bytes | None, expected: int | None) -> Any:
        """A write under its condition; otherwise the key is read."""
        name = self._keys.encode(key)
        if value is None:
            write = pb.RequestOp(request_delete_range=pb.DeleteRangeRequest(key=name))
        else:
            write = pb.RequestOp(request_put=pb.PutRequest(key=name, value=value, lease=await self._leases.of(key)))
        compare = [] if expected is None else [pb.Compare(key=name, target=pb.Compare.MOD, mod_revision=expected)]
        return pb.TxnRequest(
            compare=compare, success=[write], failure=[pb.RequestOp(request_range=pb.RangeRequest(key=name, keys_only=True))]
        )

    @property
    def allocated(self) -> int:
        """Revision of the last write that allocated an address or a port, as far as this process has seen."""
        return self._feed.allocated

    async def commit_allocating(self, key: str, value: bytes, expected: int, allocated: int) -> int:
        """Write a key whose revision is `expected` if nobody has allocated since revision `allocated`; gives the new revision.

        Raises CompareFailed, ConcurrentAllocation or StorageFailed.
        """
        request = await self._transaction(key, value, expected)
        guard = self._keys.allocation
        request.compare.append(pb.Compare(key=guard, target=pb.Compare.MOD, mod_revision=allocated))
        request.success.append(pb.RequestOp(request_put=pb.PutRequest(key=guard)))
        answer = await self._client.write("Txn", request)
        if not answer.succeeded:
            failed = _compare_failed(key, answer)
            raise failed if failed.revision != expected else ConcurrentAllocation(key, expected, answer.header.revision)
        revision: int = answer.header.revision
        await self._feed.wait_for_revision(revision)
        return revision

    async def create(self, values: Mapping[str, bytes]) -> None:
        """Write those keys that do not exist, in as few transactions as etcd's limits allow. Raises StorageFailed."""
        await self._start()
        for part in parts_of(values):
            tries = [pb.RequestOp(request_txn=self._creation(key, part[key], await self._leases.of(key))) for key in part]
            answer = await self._client.write("Txn", pb.TxnRequest(success=tries))
            if any(tried.response_txn.succeeded for tried in answer.responses):
                await self._feed.wait_for_revision(answer.header.revision)

    def _creation(self, key: str, value: bytes, lease: int) -> Any:
        """A put under the condition that there is no such key."""
        name = self._keys.encode(key)
        compare = pb.Compare(key=name, target=pb.Compare.CREATE, create_revision=0)
        put = pb.PutRequest(key=name, value=value, lease=lease)
        return pb.TxnRequest(compare=[compare], success=[pb.RequestOp(request_put=put)])

    async def watch(self, prefix: str, after: int, *, previous_values: bool = False) -> AsyncGenerator[Sequence[Event], None]:
        """Batches of events below `prefix` after revision `after`; the first holds all up to now and may be empty.

        Raises Compacted, FutureRevision or StorageFailed.
        """
        await self._start()
        now = await self._newest()
        if after > now:
            raise FutureRevision(after, now)
        stream = self._client.watch()
        self._streams.add(stream)
        reached = after
        asking: asyncio.Task[None] | None = None
        try:
            await self._client.send(stream, self._create_watch(prefix, after))
            if reached < now:  # not before: a stream takes one message at a time
                asking = self._spawn(ask_for_progress(self._feed, lambda: stream, lambda: reached >= now), "progress of a watch")
            backlog: list[Event] = []
            while reached < now:
                events, reached = await self._told(stream, prefix, reached)
                backlog += events
            yield backlog
            while True:
                events, reached = await self._told(stream, prefix, reached)
                if events:
                    yield events
        except Refused as refused:
            if not self._closed:
                raise refused.failure() from refused
        finally:
            if asking is not None:
                asking.cancel()
            self._streams.discard(stream)
            stream.cancel()

    def _create_watch(self, prefix: str, after: int) -> Any:
        """A watch of a prefix; of all keys where only the writes of all can show how far it has come."""
        key = self._keys.encode(prefix) if self._feed.supports_progress_requests else self._keys.root
        create = pb.WatchCreateRequest(key=key, range_end=end_of(key), start_revision=after + 1, prev_kv=True)
        return pb.WatchRequest(create_request=create)

    async def _told(self, stream: Any, prefix: str, reached: int) -> tuple[list[Event], int]:
        """The next events of a watch, and the revision up to which all have been told."""
        answer = await self._client.next(stream)
        if answer.canceled:
            if answer.compact_revision:
                raise Compacted(reached, answer.compact_revision)
            raise Refused("UNAVAILABLE", answer.cancel_reason)
        if answer.events:
            events = self._keys.events(answer.events)
            return [event for event in events if event.key.startswith(prefix)], events[-1].revision
        return [], reached if answer.created else max(reached, answer.header.revision)

    def follow(self, deliver: Callable[[Sequence[Event]], None], missed: Callable[[int], None] | None = None) -> Callable[[], None]:
        """Call `deliver` with every batch of writes, of other API servers as well. Gives the function that ends this."""
        return self._feed.follow(deliver, missed)

    async def compact(self, revision: int) -> None:
        """Have etcd forget what was overwritten or deleted before `revision`. Raises FutureRevision or StorageFailed."""
        now = await self._newest()
        if revision > now:
            raise FutureRevision(revision, now)
        await compact(self._client, revision)

    async def revision(self) -> int:
        """As `interface.Storage`; calls that come while etcd is being asked share the next question."""
        if not self._started:
            await self._start()
        if self._asked is None:
            self._asked = asyncio.get_running_loop().create_future()
            if self._asking is None or self._asking.done():
                self._asking = self._spawn(self._ask_revision(), "newest revision of etcd")
        return await asyncio.shield(self._asked)

    async def _ask_revision(self) -> None:
        """Answer who asks for the newest revision, all that wait at a time."""
        while self._asked is not None:
            asked, self._asked = self._asked, None
            try:
                revision = await self._newest()
            except (StorageFailed, asyncio.CancelledError) as error:
                asked.set_exception(error if isinstance(error, StorageFailed) else StorageFailed("the store is closed"))
                asked.exception()  # who asked may have gone
                if isinstance(error, asyncio.CancelledError):
                    raise
            else:
                self._feed.want(revision)
                asked.set_result(revision)

    async def close(self) -> None:
        """End all watches and close the connections."""
        self._closed = True
        for stream in tuple(self._streams):
            stream.cancel()
        await asyncio.sleep(0)
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
        self._feed.close()
        await self._client.close()


def _compare_failed(key: str, answer: Any) -> CompareFailed:
    """What a transaction read instead of writing."""
    stored = answer.responses[0].response_range.kvs
    present = stored[0].mod_revision if stored else 0
    return CompareFailed(key, present, present or answer.header.revision)


def parts_of(values: Mapping[str, bytes]) -> Iterator[dict[str, bytes]]:
    """The values in parts that etcd takes in one request each."""
    part: dict[str, bytes] = {}
    size = 0
    for key, value in values.items():
        if part and (len(part) == REQUEST_OPERATIONS or size + len(value) > REQUEST_BYTES):
            yield part
            part, size = {}, 0
        part[key] = value
        size += len(key) + len(value)
    if part:
        yield part


def supports_progress_requests(version: str) -> bool:
    """Whether an etcd of this version may be asked for progress."""
    numbers = tuple(strconv.unsigned(part.partition("-")[0], range(1 << 16)) or 0 for part in version.split("."))
    least = next((least for least in LEAST_PROGRESS if least[:2] == numbers[:2]), (3, 6, 0))
    return numbers >= least
