"""The feed of a store on etcd: one watch of all keys, which tells followers of every write once and in the order of revisions.

- It begins anew where it broke off when a member of etcd ends, loses its leader or goes silent.
- When etcd has compacted what came in between, followers are told that they have missed something (`missed`).
- Who waits for a revision that no write below the prefix made (another's key, a compaction's) is not left waiting: etcd is asked for
  its progress, and where it is too old to tell that reliably, a key is written whose event is the progress.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
from collections.abc import Callable, Sequence
from typing import Any

from pilothouse.apiserver.storage.etcd_client import EtcdClient, Refused, pb
from pilothouse.apiserver.storage.etcd_keys import Keys, end_of, progress
from pilothouse.apiserver.storage.interface import Event, StorageFailed
from pilothouse.kit.clock import Clock

log = logging.getLogger(__name__)

GRACE_SECONDS = 0.01
"""How long events may be under way before progress is asked for."""
PROGRESS_SECONDS = 0.1
"""Between two questions for progress, as upstream has it."""
FENCE_SECONDS = 0.1
"""How long events may be under way before a key is written instead, where etcd cannot be asked."""
RECONNECT_SECONDS = (0.05, 0.1, 0.2, 0.5, 1.0)

Deliver = Callable[[Sequence[Event]], None]


class Feed:
    """Made by `EtcdStorage`. `start` before anything else."""

    def __init__(self, client: EtcdClient, keys: Keys, clock: Clock) -> None:
        self.client = client
        self.keys = keys
        self.clock = clock
        self._followers: dict[Deliver, Callable[[int], None] | None] = {}
        self._waiters: list[tuple[int, int, asyncio.Future[None]]] = []
        self._count = 0
        self._stream: Any = None
        self._wanted = 0
        self._asking: asyncio.Task[None] | None = None
        self._tasks: asyncio.TaskGroup | None = None
        self.allocated = 0
        """The revision of the last write that allocated, of those that have been told."""
        self.revision = 0
        """Everything up to it has been told."""
        self.supports_progress_requests = False
        """Whether etcd tells of progress when asked, and not before the events that belong to it: since 3.4.31 and 3.5.13."""

    def start(self, tasks: asyncio.TaskGroup, revision: int, allocated: int, *, supports_progress_requests: bool) -> None:
        """Tell of what is written after `revision`, until the tasks are ended; `allocated` is as of then."""
        self.revision, self.allocated, self.supports_progress_requests = revision, allocated, supports_progress_requests
        self._tasks = tasks
        tasks.create_task(self._run(), name="feed of etcd")

    def follow(self, deliver: Deliver, missed: Callable[[int], None] | None) -> Callable[[], None]:
        """Call `deliver` with every batch of writes, in the order of revisions; returns what ends that."""
        self._followers[deliver] = missed
        return lambda: self._followers.pop(deliver, None) and None

    async def wait_for_revision(self, revision: int) -> None:
        """Return when everything up to `revision` has been told."""
        if revision <= self.revision:
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._count += 1
        heapq.heappush(self._waiters, (revision, self._count, waiter))
        await waiter

    def want(self, revision: int) -> None:
        """Make sure that followers reach `revision`, which no event below the prefix may bear."""
        if revision <= self.revision:
            return
        self._wanted = max(self._wanted, revision)
        if self._asking is None or self._asking.done():
            assert self._tasks is not None, "the feed has not started"
            self._asking = self._tasks.create_task(self._ask(), name="progress of etcd")

    async def _ask(self) -> None:
        await ask_for_progress(self, lambda: self._stream, lambda: self.revision >= self._wanted)

    async def _run(self) -> None:
        failures = 0
        while True:
            since = self.revision
            try:
                await self._follow()
            except (Refused, StorageFailed) as error:
                failures = 0 if self.revision > since else failures + 1
                log.warning("the watch of etcd ended and is started again: %s", error, extra={"revision": self.revision})
            await self.clock.sleep(RECONNECT_SECONDS[min(failures, len(RECONNECT_SECONDS) - 1)])

    async def _follow(self) -> None:
        """One stream, until it breaks. Previous values are not asked for: who follows from the start has them."""
        stream = self.client.watch()
        try:
            create = pb.WatchCreateRequest(
                key=self.keys.root,
                range_end=end_of(self.keys.root),
                start_revision=self.revision + 1,
                progress_notify=True,
            )
            await self.client.send(stream, pb.WatchRequest(create_request=create))
            self._stream = stream  # not before: it takes one message at a time
            while True:
                answer = await self.client.next(stream)
                if answer.canceled:
                    if not answer.compact_revision:
                        raise Refused("UNAVAILABLE", answer.cancel_reason)
                    await self._skip()
                    return
                if answer.events:
                    self._take(answer.events)
                elif not answer.created and answer.header.revision > self.revision:
                    self._deliver([progress(answer.header.revision)])
        finally:
            self._stream = None
            stream.cancel()

    def _take(self, told: Sequence[Any]) -> None:
        """What the watch tells, but for what `take_own` has told already."""
        if told[0].kv.mod_revision <= self.revision:
            told = [event for event in told if event.kv.mod_revision > self.revision]
        for event in told:
            if event.kv.key == self.keys.allocation:
                self.allocated = event.kv.mod_revision
        if told:
            self._deliver(self.keys.events(told))

    def take_own(self, event: Event) -> None:
        """Tell of a write of this store's own that follows what has been told, before the watch does."""
        self._deliver((event,))

    async def _skip(self) -> None:
        """What was written since the feed broke off is forgotten: go on from now, and have followers read anew."""
        answer = await self.client.read("Range", pb.RangeRequest(key=self.keys.allocation))
        revision = answer.header.revision
        self.allocated = answer.kvs[0].mod_revision if answer.kvs else 0
        log.warning("etcd has compacted what was written while it was not reached", extra={"from": self.revision, "until": revision})
        for missed in tuple(self._followers.values()):
            if missed is not None:
                missed(revision)
        self._deliver([progress(revision)])

    def _deliver(self, events: Sequence[Event]) -> None:
        for deliver in tuple(self._followers):
            deliver(events)
        self.revision = events[-1].revision
        while self._waiters and self._waiters[0][0] <= self.revision:
            waiter = heapq.heappop(self._waiters)[2]
            if not waiter.done():
                waiter.set_result(None)

    def close(self) -> None:
        """Tell who waits for a revision that it will not come; the tasks have been ended."""
        for _, _, waiter in self._waiters:
            if not waiter.done():
                waiter.set_exception(StorageFailed("the store is closed"))
        self._waiters.clear()


async def ask_for_progress(feed: Feed, stream: Callable[[], Any], is_reached: Callable[[], bool]) -> None:
    """Ask for progress on a stream until there is enough."""
    await feed.clock.sleep(GRACE_SECONDS if feed.supports_progress_requests else FENCE_SECONDS)
    while not is_reached():
        try:
            if not feed.supports_progress_requests:
                await feed.client.write("Put", pb.PutRequest(key=feed.keys.fence))
            elif (open_stream := stream()) is not None:
                await feed.client.send(open_stream, pb.WatchRequest(progress_request=pb.WatchProgressRequest()))
        except (StorageFailed, Refused) as error:
            log.warning("etcd tells of no progress: %s", error)
        await feed.clock.sleep(PROGRESS_SECONDS)
