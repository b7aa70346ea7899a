"""Conformance tests of a store: inherit `StorageConformance`, and say how one is opened.

    class TestMine(StorageConformance):
        def open(self, path): return MyStorage(path)

A store that outlives its process inherits `DurableStorageConformance` (durable_storage.py) instead.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from pilothouse.apiserver.storage.interface import Compacted, CompareFailed, Event, FutureRevision, Storage


def key(name: str) -> str:
    """A key below the prefix that the tests use."""
    return f"/registry/things/{name}"


async def collect(feed: AsyncGenerator[Sequence[Event], None], count: int) -> list[Event]:
    """The next `count` events of a watch."""
    events: list[Event] = []
    async for batch in feed:
        events += batch
        if len(events) >= count:
            break
    return events


def told(events: Sequence[Event]) -> list[tuple[str, str]]:
    """Type and last part of the key of each event."""
    return [(event.type, event.key.rpartition("/")[2]) for event in events]


class StorageConformance:
    """Tests of the promises of every store; implement `open`."""

    compaction_is_a_write = False
    """Whether a compaction takes a revision, as that of a store does which several compact by turns."""

    def open(self, path: Path) -> Storage:
        """The store under test; to be overridden."""
        raise NotImplementedError

    @pytest.fixture
    async def storage(self, tmp_path: Path) -> AsyncIterator[Storage]:
        """Fixture: an open store, closed afterwards."""
        storage = self.open(tmp_path / "store")
        yield storage
        await storage.close()

    @asynccontextmanager
    async def watching(self, storage: Storage, prefix: str, after: int) -> AsyncIterator[Any]:
        """A watch that is closed at the end of the block."""
        feed: Any = storage.watch(prefix, after)
        try:
            yield feed
        finally:
            await feed.aclose()

    # Reading and writing.

    async def test_an_empty_store_has_a_revision_above_zero(self, storage: Storage) -> None:
        assert await storage.revision() > 0
        assert list((await storage.range("/registry/")).items) == []

    async def test_what_was_written_is_read(self, storage: Storage) -> None:
        revision = await storage.commit(key("a"), b"one", 0)
        item = await storage.get(key("a"))
        assert item is not None
        assert (item.key, item.value, item.revision, item.created) == (key("a"), b"one", revision, revision)

    async def test_a_write_is_reported_before_its_commit_returns(self, storage: Storage) -> None:
        seen: list[int] = []
        end = storage.follow(lambda events: seen.extend(event.revision for event in events))
        revision = await storage.commit(key("a"), b"one", 0)
        assert seen == [revision]
        end()
        await storage.commit(key("a"), b"two", revision)
        assert seen == [revision]

    async def test_an_update_keeps_the_create_revision(self, storage: Storage) -> None:
        created = await storage.commit(key("a"), b"one", 0)
        revision = await storage.commit(key("a"), b"two", created)
        item = await storage.get(key("a"))
        assert item is not None
        assert (item.value, item.revision, item.created) == (b"two", revision, created)

    async def test_a_recreated_key_has_a_new_create_revision(self, storage: Storage) -> None:
        await storage.commit(key("a"), b"one", 0)
        await storage.commit(key("a"), None, None)
        again = await storage.commit(key("a"), b"two", 0)
        item = await storage.get(key("a"))
        assert item is not None
        assert item.created == again

    async def test_each_write_passes_one_revision(self, storage: Storage) -> None:
        first = await storage.commit(key("a"), b"", 0)
        assert [await storage.commit(key(name), b"", None) for name in "bcd"] == [first + 1, first + 2, first + 3]
        assert await storage.commit(key("a"), None, None) == first + 4
        assert await storage.revision() == first + 4

    async def test_create_writes_what_is_missing_and_leaves_what_is_there(self, storage: Storage) -> None:
        there = await storage.commit(key("b"), b"old", 0)
        batches: list[Sequence[Event]] = []
        storage.follow(batches.append)
        await storage.create({key(name): b"new" for name in "abc"})
        assert [told(batch) for batch in batches] == [[("ADDED", "a"), ("ADDED", "c")]]
        items = (await storage.range(key(""))).items
        assert [(item.key[-1], item.value) for item in items] == [("a", b"new"), ("b", b"old"), ("c", b"new")]
        assert items[0].revision > there
        await storage.create({key(name): b"newer" for name in "ac"})
        assert list((await storage.range(key(""))).items) == list(items)

    async def test_what_was_deleted_is_gone(self, storage: Storage) -> None:
        revision = await storage.commit(key("a"), b"", 0)
        await storage.commit(key("a"), None, revision)
        assert await storage.get(key("a")) is None
        assert list((await storage.range(key(""))).items) == []

    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            pytest.param(b"new", 0, id="create what exists"),
            pytest.param(b"new", 99, id="update from another revision"),
            pytest.param(None, 99, id="delete another revision"),
        ],
    )
    async def test_a_failed_compare_writes_nothing(self, storage: Storage, value: bytes | None, expected: int) -> None:
        revision = await storage.commit(key("a"), b"old", 0)
        with pytest.raises(CompareFailed) as failed:
            await storage.commit(key("a"), value, expected)
        assert failed.value.revision == revision
        assert await storage.revision() == revision
        item = await storage.get(key("a"))
        assert item is not None
        assert item.value == b"old"

    @pytest.mark.parametrize("expected", [None, 0, 7], ids=["unconditional", "expecting nothing", "expecting something"])
    async def test_deleting_what_is_not_there_fails(self, storage: Storage, expected: int | None) -> None:
        with pytest.raises(CompareFailed) as failed:
            await storage.commit(key("a"), None, expected)
        assert failed.value.revision == 0

    async def test_of_many_writers_of_one_revision_one_wins(self, storage: Storage) -> None:
        revision = await storage.commit(key("a"), b"", 0)
        results = await asyncio.gather(
            *(storage.commit(key("a"), b"%d" % number, revision) for number in range(20)), return_exceptions=True
        )
        assert sum(isinstance(result, int) for result in results) == 1
        assert sum(isinstance(result, CompareFailed) for result in results) == 19

    @pytest.mark.parametrize("value", [b"new", None], ids=["an update", "a delete"])
    async def test_a_failed_compare_says_when_the_write_in_the_way_is_seen(self, storage: Storage, value: bytes | None) -> None:
        revision = await storage.commit(key("a"), b"old", 0)
        results = await asyncio.gather(*(storage.commit(key("a"), value, revision) for _ in range(2)), return_exceptions=True)
        first, second = sorted(results, key=lambda result: isinstance(result, CompareFailed))
        assert isinstance(second, CompareFailed)
        assert second.seen_at == first

    # Ranges.

    async def test_a_range_is_in_the_order_of_keys_and_of_its_prefix_only(self, storage: Storage) -> None:
        for name in ("b", "a/x", "a-b", "c", "a"):
            await storage.commit(key(name), b"", 0)
        await storage.commit("/registry/thingsandmore/a", b"", 0)
        assert [item.key for item in (await storage.range(key(""))).items] == sorted(key(name) for name in ("b", "a/x", "a-b", "c", "a"))

    async def test_pages_together_are_the_whole_range(self, storage: Storage) -> None:
        names = [f"{number:02}" for number in range(10)]
        for name in names:
            await storage.commit(key(name), b"", 0)
        keys: list[str] = []
        start = ""
        for _ in range(10):
            page = await storage.range(key(""), start, 3)
            assert len(page.items) <= 3
            keys += [item.key for item in page.items]
            if not page.more:
                break
            start = keys[-1] + "\0"
        assert keys == [key(name) for name in names]

    @pytest.mark.parametrize("limit", [3, 4], ids=["as many as there are", "more than there are"])
    async def test_a_page_that_takes_all_says_so(self, storage: Storage, limit: int) -> None:
        for name in "abc":
            await storage.commit(key(name), b"", 0)
        assert not (await storage.range(key(""), "", limit)).more

    async def test_a_range_at_an_old_revision_shows_the_past(self, storage: Storage) -> None:
        await storage.commit(key("a"), b"1", 0)
        await storage.commit(key("b"), b"1", 0)
        then = await storage.commit(key("c"), b"1", 0)
        await storage.commit(key("a"), b"2", None)
        await storage.commit(key("b"), None, None)
        await storage.commit(key("d"), b"2", 0)
        past = await storage.range(key(""), revision=then)
        assert [(item.key, item.value) for item in past.items] == [(key(name), b"1") for name in "abc"]
        assert past.revision == then
        assert [item.key for item in (await storage.range(key(""))).items] == [key("a"), key("c"), key("d")]

    async def test_pages_of_the_past_are_pages_of_the_past(self, storage: Storage) -> None:
        for name in "abc":
            then = await storage.commit(key(name), b"1", 0)
        await storage.commit(key("a"), None, None)
        await storage.commit(key("bb"), b"2", 0)
        page = await storage.range(key(""), "", 2, then)
        rest = await storage.range(key(""), page.items[-1].key + "\0", 2, then)
        assert [item.key for item in (*page.items, *rest.items)] == [key(name) for name in "abc"]

    async def test_a_key_at_an_old_revision_shows_the_past(self, storage: Storage) -> None:
        first = await storage.commit(key("a"), b"1", 0)
        second = await storage.commit(key("a"), b"2", None)
        gone = await storage.commit(key("a"), None, None)
        await storage.commit(key("a"), b"3", 0)
        items = [await storage.get(key("a"), revision) for revision in (first, second, gone)]
        assert [item.value if item else None for item in items] == [b"1", b"2", None]

    async def test_the_future_cannot_be_read(self, storage: Storage) -> None:
        future = await storage.revision() + 1
        with pytest.raises(FutureRevision):
            await storage.range(key(""), revision=future)
        with pytest.raises(FutureRevision):
            await storage.get(key("a"), future)

    # Watching.

    async def test_a_watch_sees_every_write_in_order(self, storage: Storage) -> None:
        async with self.watching(storage, key(""), await storage.revision()) as feed:
            assert list(await anext(feed)) == []
            await storage.commit(key("a"), b"1", 0)
            await storage.commit(key("a"), b"2", None)
            await storage.commit(key("b"), b"1", 0)
            await storage.commit(key("a"), None, None)
            events = await collect(feed, 4)
        assert told(events) == [("ADDED", "a"), ("MODIFIED", "a"), ("ADDED", "b"), ("DELETED", "a")]
        assert [event.value for event in events] == [b"1", b"2", b"1", None]
        assert [event.revision for event in events] == sorted(event.revision for event in events)
        assert [event.previous for event in events] == [0, events[0].revision, 0, events[1].revision]

    async def test_a_watch_from_the_past_begins_with_what_was_missed(self, storage: Storage) -> None:
        await storage.commit(key("a"), b"1", 0)
        after = await storage.commit(key("b"), b"1", 0)
        await storage.commit(key("a"), None, None)
        await storage.commit(key("c"), b"1", 0)
        async with self.watching(storage, key(""), after) as feed:
            assert told(await anext(feed)) == [("DELETED", "a"), ("ADDED", "c")]
            await storage.commit(key("d"), b"1", 0)
            assert told(await collect(feed, 1)) == [("ADDED", "d")]

    async def test_a_watch_sees_only_its_prefix(self, storage: Storage) -> None:
        async with self.watching(storage, key("a/"), await storage.revision()) as feed:
            await anext(feed)
            for name in ("b/x", "a/x", "ab", "a/y"):
                await storage.commit(key(name), b"", 0)
            assert [event.key for event in await collect(feed, 2)] == [key("a/x"), key("a/y")]

    async def test_writes_during_the_start_of_a_watch_are_seen_once(self, storage: Storage) -> None:
        names = [f"{number:03}" for number in range(60)]
        before = await storage.revision()
        async with self.watching(storage, key(""), before) as feed:
            writing = [asyncio.ensure_future(storage.commit(key(name), b"", 0)) for name in names]
            events = await asyncio.wait_for(collect(feed, len(names)), 30)
            await asyncio.gather(*writing)
        assert [event.revision for event in events] == list(range(before + 1, before + 1 + len(names)))

    async def test_all_watchers_see_the_same(self, storage: Storage) -> None:
        before = await storage.revision()
        for name in "abc":
            await storage.commit(key(name), b"", 0)
        feeds = [storage.watch(key(""), before) for _ in range(3)]
        seen = [await collect(feed, 3) for feed in feeds]  # type: ignore[arg-type]
        assert seen[0] == seen[1] == seen[2]

    async def test_watches_end_with_the_store(self, tmp_path: Path) -> None:
        storage = self.open(tmp_path / "other")
        feed: Any = storage.watch(key(""), await storage.revision())
        await anext(feed)
        await storage.close()
        with pytest.raises(StopAsyncIteration):
            await asyncio.wait_for(anext(feed), 30)

    # Compaction.

    async def test_compaction_keeps_the_present(self, storage: Storage) -> None:
        for value in (b"1", b"2", b"3"):
            await storage.commit(key("a"), value, None)
        await storage.commit(key("b"), b"1", 0)
        await storage.commit(key("c"), b"1", 0)
        await storage.commit(key("c"), None, None)
        now = await storage.revision()
        await storage.compact(now)
        assert [(item.key, item.value) for item in (await storage.range(key(""))).items] == [(key("a"), b"3"), (key("b"), b"1")]
        assert [item.key for item in (await storage.range(key(""), revision=now)).items] == [key("a"), key("b")]
        assert await storage.revision() == now + self.compaction_is_a_write

    async def test_the_compacted_past_is_refused(self, storage: Storage) -> None:
        then = await storage.commit(key("a"), b"1", 0)
        await storage.commit(key("a"), b"2", None)
        now = await storage.commit(key("a"), b"3", None)
        await storage.compact(now)
        with pytest.raises(Compacted) as refused:
            await storage.range(key(""), revision=then)
        assert refused.value.oldest == now
        with pytest.raises(Compacted):
            await storage.get(key("a"), then)
        with pytest.raises(Compacted):
            await anext(storage.watch(key(""), then))

    async def test_what_is_newer_than_a_compaction_is_still_shown(self, storage: Storage) -> None:
        await storage.commit(key("a"), b"1", 0)
        then = await storage.commit(key("a"), b"2", None)
        await storage.commit(key("a"), b"3", None)
        await storage.commit(key("a"), None, None)
        await storage.compact(then)
        assert [item.value for item in (await storage.range(key(""), revision=then)).items] == [b"2"]
        async with self.watching(storage, key(""), then) as feed:
            backlog = list(await anext(feed))
        assert told(backlog) == [("MODIFIED", "a"), ("DELETED", "a")]
        replaced = await storage.get(key("a"), backlog[0].previous)
        assert replaced is not None
        assert replaced.value == b"2"

    async def test_a_watch_reports_previous_values_when_asked(self, storage: Storage) -> None:
        start = await storage.commit(key("a"), b"1", 0)
        await storage.commit(key("a"), b"2", None)
        await storage.commit(key("b"), b"3", 0)
        feed = storage.watch(key(""), start, previous_values=True)
        try:
            backlog = list(await anext(feed))
            await storage.commit(key("a"), None, None)
            await storage.commit(key("b"), b"4", None)
            later = await collect(feed, 2)  # type: ignore[arg-type]
        finally:
            await feed.aclose()  # type: ignore[attr-defined]
        assert [event.previous_value for event in backlog + later] == [b"1", None, b"2", b"3"]

    async def test_previous_values_are_reported_over_a_compaction(self, storage: Storage) -> None:
        await storage.commit(key("a"), b"1", 0)
        then = await storage.commit(key("b"), b"2", 0)
        await storage.commit(key("a"), None, None)
        await storage.compact(then)
        feed = storage.watch(key(""), then, previous_values=True)
        backlog = list(await anext(feed))
        await feed.aclose()  # type: ignore[attr-defined]
        assert [(event.value, event.previous_value) for event in backlog] == [(None, b"1")]

    async def test_compacting_again_or_less_changes_nothing(self, storage: Storage) -> None:
        await storage.commit(key("a"), b"1", 0)
        now = await storage.commit(key("a"), b"2", None)
        await storage.compact(now)
        await storage.compact(now)
        await storage.compact(now - 1)
        with pytest.raises(FutureRevision):
            await storage.compact(await storage.revision() + 1)

    async def test_after_a_compaction_that_forgets_the_newest_write_revisions_go_on(self, storage: Storage) -> None:
        await storage.commit(key("a"), b"1", 0)
        now = await storage.commit(key("a"), None, None)
        await storage.compact(now)
        assert await storage.revision() == now + self.compaction_is_a_write
        assert await storage.commit(key("a"), b"1", 0) == now + self.compaction_is_a_write + 1
