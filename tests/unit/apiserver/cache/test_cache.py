"""The cache of one resource: whatever happens, a list plus a watch from it is a list later."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from pilothouse.api.core.pod import POD
from pilothouse.api.types.core_v1 import Pod, PodSpec
from pilothouse.apiserver.cache.cache import Cache
from pilothouse.apiserver.cache.caches import prefix_of
from pilothouse.apiserver.cache.entry import Entry
from pilothouse.apiserver.cache.event import ADDED, DELETED, MODIFIED, CacheEvent
from pilothouse.apiserver.cache.selection import Selection, by_labels
from pilothouse.apiserver.cache.watch import Watch
from pilothouse.apiserver.storage.interface import Event
from pilothouse.machinery import labels
from pilothouse.machinery.codec import encode
from pilothouse.machinery.meta_v1 import ObjectMeta

PREFIX = prefix_of(POD)


@dataclass
class World:
    """A cache, and the writes that it is told of."""

    cache: Cache = field(default_factory=lambda: Cache(POD, PREFIX, dict(POD.indexes)))
    revision: int = 1
    newest: dict[str, tuple[int, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.cache.load([], 1, 1)

    def write(self, namespace: str, name: str, colour: str | None, node: str = "") -> None:
        """Create, change or (without a colour) delete."""
        key = self.cache.key(namespace, name)
        previous, created = self.newest.get(key, (0, 0))
        if colour is None and not previous:
            return
        self.revision += 1
        value = None
        if colour is not None:
            meta = ObjectMeta(name=name, namespace=namespace, labels={"colour": colour})
            value = encode(Pod(metadata=meta, spec=PodSpec(nodeName=node)))
            self.newest[key] = (self.revision, created or self.revision)
        else:
            del self.newest[key]
        self.cache.apply(Event(key, value, self.revision, created or self.revision, previous))


def state(entries: list[Entry]) -> dict[str, bytes]:
    return {one.key: one.encoded for one in entries}


def replayed(seen: dict[str, bytes], events: list[CacheEvent]) -> dict[str, bytes]:
    """What a client makes of a list and the events after it; fails on an event that makes no sense to it."""
    seen = dict(seen)
    last = 0
    for event in events:
        assert event.revision > last
        last = event.revision
        assert str(event.revision).encode() in event.entry.encoded
        if event.type == ADDED:
            assert event.entry.key not in seen
        else:
            assert event.entry.key in seen
        if event.type == DELETED:
            del seen[event.entry.key]
        else:
            assert event.type in (ADDED, MODIFIED)
            seen[event.entry.key] = event.entry.encoded
    return seen


WRITES = st.lists(
    st.tuples(
        st.sampled_from(["x", "y"]),
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from([None, "red", "blue"]),
        st.sampled_from(["", "n", "m"]),
    ),
    max_size=40,
)
SELECTIONS = st.sampled_from(
    [
        Selection(PREFIX),
        Selection(PREFIX + "x/", trigger=("namespace", "x")),
        Selection(PREFIX, (by_labels(labels.parse("colour=red")),)),
        Selection(PREFIX + "y/", (by_labels(labels.parse("colour!=red")),), ("namespace", "y")),
        Selection(PREFIX, (lambda entry: entry.object.spec.nodeName == "n",), ("spec.nodeName", "n")),
        Selection(PREFIX, (lambda entry: entry.object.spec.nodeName == "",), ("spec.nodeName", "")),
        Selection(PREFIX + "x/", trigger=("namespace", "x"), key=PREFIX + "x/a"),
    ]
)


@settings(max_examples=150, deadline=None)
@given(before=WRITES, after=WRITES, selection=SELECTIONS)
def test_a_list_and_its_watch_are_a_list_later(before: list[tuple[str, ...]], after: list[tuple[str, ...]], selection: Selection) -> None:
    async def play() -> None:
        world = World()
        for write in before:
            world.write(*write)
        seen = state(list(world.cache.select(selection)))
        listed = world.revision
        watch = Watch(selection)
        world.cache.watch(watch)
        for write in after:
            world.write(*write)
        watch.end()
        events = [event async for event in watch]
        expected = state([one for one in world.cache.entries() if selection.matches(one)])
        assert replayed(seen, events) == expected
        assert state(list(world.cache.select(selection))) == expected
        resumed = [told for one in world.cache.since(listed) if (told := selection.translate(one)) is not None]
        assert replayed(seen, resumed) == expected

    asyncio.run(play())


@settings(max_examples=50, deadline=None)
@given(writes=WRITES)
def test_indexes_show_what_there_is(writes: list[tuple[str, ...]]) -> None:
    world = World()
    for write in writes:
        world.write(*write)
    entries = list(world.cache.entries())
    assert [one.key for one in entries] == sorted(world.newest)
    for node in ("", "n", "m"):
        assert list(world.cache.indexed("spec.nodeName", node)) == [one for one in entries if one.object.spec.nodeName == node]


def test_an_entry_gives_back_what_was_stored() -> None:
    world = World()
    world.write("x", "a", "red")
    entry = world.cache.get("x", "a")
    assert entry is not None
    assert entry.value == encode(Pod(metadata=ObjectMeta(name="a", namespace="x", labels={"colour": "red"})))
    assert (entry.namespace, entry.name, entry.object.metadata.resourceVersion) == ("x", "a", "2")
    moved = entry.with_revision(1234)
    assert (moved.object.metadata.resourceVersion, moved.value) == ("1234", entry.value)
    assert moved.encoded == encode(moved.object)
    assert entry.object.metadata.resourceVersion == "2"


def test_a_struct_that_was_handed_over_is_not_decoded_again() -> None:
    world = World()
    obj = Pod(metadata=ObjectMeta(name="a", namespace="x"))
    key, value = world.cache.key("x", "a"), encode(obj)
    world.cache.remember_written(key, value, obj)
    world.cache.apply(Event(key, value, 2, 2, 0))
    entry = world.cache.get("x", "a")
    assert entry is not None
    assert entry.object is obj
    assert obj.metadata.resourceVersion == "2"


def test_what_another_wrote_is_not_mistaken_for_what_was_handed_over() -> None:
    world = World()
    mine = Pod(metadata=ObjectMeta(name="a", namespace="x", labels={"mine": "yes"}))
    world.cache.remember_written(world.cache.key("x", "a"), encode(mine), mine)
    world.write("x", "a", "red")
    entry = world.cache.get("x", "a")
    assert entry is not None
    assert entry.object.metadata.labels == {"colour": "red"}


def test_the_ring_is_bounded(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr("pilothouse.apiserver.cache.cache.RING_LIMIT", 5)
    world = World()
    for number in range(20):
        world.write("x", f"a{number}", "red")
    assert len(world.cache.ring) == 5
    assert world.cache.floor == world.revision - 5
    assert [one.revision for one in world.cache.since(world.cache.floor)] == list(range(world.revision - 4, world.revision + 1))


def test_old_events_are_forgotten_but_a_few_stay(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr("pilothouse.apiserver.cache.cache.RING_LEAST", 3)
    world = World()
    for number in range(10):
        world.write("x", f"a{number}", "red")
    world.cache.forget_old()
    assert len(world.cache.ring) == 10  # a minute ago there was none of them
    for number in range(2):
        world.write("x", f"b{number}", "red")
    world.cache.forget_old()
    assert [one.entry.name for one in world.cache.ring] == ["a9", "b0", "b1"]
    assert world.cache.floor == world.revision - 3
    world.cache.forget_old()
    assert len(world.cache.ring) == 3


def test_writes_during_the_loading_are_neither_lost_nor_doubled() -> None:
    world = World()
    cache = Cache(POD, PREFIX, {})
    old = encode(Pod(metadata=ObjectMeta(name="a", namespace="x")))
    for revision in (5, 6, 7):
        cache.apply(Event(PREFIX + f"x/{revision}", old, revision, revision, 0))
    cache.load([], 6, 4)
    assert [one.name for one in cache.entries()] == ["7"]
    assert cache.revision == 7
    assert world.revision == 1
