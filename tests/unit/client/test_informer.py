"""Informers follow the API through everything that may befall a watch."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from pilothouse.api.types.core_v1 import ConfigMap
from pilothouse.client.call import Call
from pilothouse.client.client import Client
from pilothouse.client.informer import Informer
from pilothouse.client.informers import Informers
from pilothouse.client.store import Store
from pilothouse.kit.entropy import Entropy
from pilothouse.kit.virtual_clock import VirtualClock
from pilothouse.machinery import errors, labels
from pilothouse.machinery.meta_v1 import ObjectMeta
from pilothouse.testing.fake_transport import FakeTransport


def config(name: str, namespace: str = "default", **labels_: str) -> ConfigMap:
    return ConfigMap(metadata=ObjectMeta(name=name, namespace=namespace, labels=labels_))


class Followed:
    """An informer of ConfigMaps that notes what it tells."""

    def __init__(self, page_size: int = 0) -> None:
        self.clock = VirtualClock()
        self.transport = FakeTransport(self.clock)
        self.informer = Informer(Client(self.transport), ConfigMap, clock=self.clock, entropy=Entropy(1), page_size=page_size)
        self.told: list[str] = []
        self.informer.subscribe(self._note)
        self._running: asyncio.Task[None] | None = None

    async def advance(self, seconds: float) -> None:
        """Let time pass; the informer starts with the first call."""
        if self._running is None:
            self._running = asyncio.ensure_future(self.informer.run())
        await self.clock.advance(seconds)

    async def stop(self) -> None:
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)

    def _note(self, type_: str, old: Any, new: Any) -> None:
        self.told.append(f"{type_} {(new or old).metadata.name}")

    @property
    def names(self) -> list[str]:
        return sorted(one.metadata.name for one in self.informer.list())


@pytest.fixture
async def followed() -> AsyncIterator[Followed]:
    one = Followed()
    yield one
    await one.stop()


async def test_shows_what_was_there_and_what_comes_changes_and_goes(followed: Followed) -> None:
    [first] = followed.transport.add(config("first"))
    assert not followed.informer.synced.is_set()
    await followed.advance(0)
    assert followed.informer.synced.is_set()
    [second] = followed.transport.add(config("second"))
    followed.transport.change(first, lambda one: one.data.update(a="1"))
    followed.transport.remove(second)
    await followed.advance(0)
    assert followed.told == ["ADDED first", "ADDED second", "MODIFIED first", "DELETED second"]
    assert followed.names == ["first"]
    assert followed.informer.revision == followed.transport.revision


async def test_resumes_a_watch_that_the_server_ended_without_listing_again(followed: Followed) -> None:
    followed.transport.add(config("first"))
    await followed.advance(5)
    followed.transport.break_watches()
    followed.transport.add(config("meanwhile"))
    await followed.advance(5)
    assert followed.told == ["ADDED first", "ADDED meanwhile"]


async def test_lists_again_when_its_place_is_forgotten_and_tells_the_differences(followed: Followed) -> None:
    [_, changed, gone] = followed.transport.add(config("kept"), config("changed"), config("gone"))
    await followed.advance(5)
    followed.told.clear()
    followed.transport.break_watches(ConnectionError("reset"))
    followed.transport.remove(gone)
    followed.transport.change(changed, lambda one: one.data.update(a="1"))
    followed.transport.add(config("new"))
    followed.transport.forget_history()
    await followed.advance(5)
    assert sorted(followed.told) == ["ADDED new", "DELETED gone", "MODIFIED changed"]
    assert followed.names == ["changed", "kept", "new"]


@pytest.mark.parametrize(
    "failure",
    [ConnectionError("refused"), errors.unavailable("starting"), errors.too_many_requests("slow down"), errors.timeout("no answer")],
    ids=lambda one: type(one).__name__ if isinstance(one, ConnectionError) else one.reason,
)
async def test_waits_longer_and_longer_for_a_server_that_fails(followed: Followed, failure: Exception) -> None:
    followed.transport.add(config("first"))
    followed.transport.fail(*[failure] * 5)
    await followed.advance(0.9)
    assert not followed.informer.synced.is_set()
    await followed.advance(10)
    assert followed.names == ["first"]


async def test_keeps_what_it_has_while_the_server_is_away(followed: Followed) -> None:
    followed.transport.add(config("first"))
    await followed.advance(5)
    followed.transport.fail(*[ConnectionError("refused")] * 8)
    followed.transport.break_watches(ConnectionError("reset"))
    await followed.advance(3)
    assert followed.names == ["first"]
    followed.transport.add(config("second"))
    await followed.advance(120)
    assert followed.names == ["first", "second"]


async def test_a_bookmark_moves_its_place_and_tells_nothing(followed: Followed) -> None:
    await followed.advance(0)
    followed.transport.bookmark(ConfigMap)
    await followed.advance(0)
    assert followed.told == []
    assert followed.informer.revision == followed.transport.revision


async def test_a_server_whose_state_was_put_back_is_listed_again(followed: Followed) -> None:
    """Its revisions lie before what was seen: a watch from there would stay silent until they have caught up."""
    for number in range(5):
        followed.transport.add(config(f"n{number}"))
    await followed.advance(5)
    followed.told.clear()
    followed.transport.restore_to(3)
    followed.transport.break_watches(ConnectionError("reset"))
    followed.transport.add(config("another"))
    await followed.advance(5)
    assert sorted(followed.told) == ["ADDED another", "DELETED n2", "DELETED n3", "DELETED n4"]
    assert followed.names == ["another", "n0", "n1"]
    assert followed.informer.revision == followed.transport.revision


async def test_a_bookmark_from_before_shows_that_the_state_was_put_back(followed: Followed) -> None:
    for number in range(5):
        followed.transport.add(config(f"n{number}"))
    await followed.advance(5)
    followed.transport.restore_to(3)
    followed.transport.bookmark(ConfigMap)
    await followed.advance(5)
    assert followed.names == ["n0", "n1"]


async def test_a_watch_that_is_refused_lists_again_rather_than_ask_the_same_for_ever(followed: Followed) -> None:
    followed.transport.add(config("first"))
    await followed.advance(5)
    followed.transport.remove(followed.informer.list()[0])
    refused = errors.bad_request("that is no place to watch from")
    followed.transport.fail(*[refused] * 3, when=lambda call: call.verb == "watch")
    followed.transport.break_watches()
    await followed.advance(10)
    assert followed.names == []


async def test_an_object_of_the_same_name_with_another_uid_is_told_in_order(followed: Followed) -> None:
    [first] = followed.transport.add(config("same"))
    await followed.advance(0)
    followed.transport.remove(first)
    followed.transport.add(config("same"))
    await followed.advance(0)
    assert followed.told == ["ADDED same", "DELETED same", "ADDED same"]


async def test_lists_in_pages_when_told_to() -> None:
    followed = Followed(page_size=2)
    followed.transport.add(*(config(f"n{number}") for number in range(5)))
    await followed.advance(0)
    assert len(followed.names) == 5
    await followed.stop()


async def test_a_late_subscriber_is_told_of_what_is_there(followed: Followed) -> None:
    followed.transport.add(config("first"))
    await followed.advance(0)
    seen: list[str] = []
    followed.informer.subscribe(lambda type_, old, new: seen.append(type_))
    assert seen == ["ADDED"]


async def test_shared_informers_are_one_a_kind_and_may_be_asked_for_at_any_time() -> None:
    clock = VirtualClock()
    transport = FakeTransport(clock)
    informers = Informers(Client(transport), clock, Entropy(1))
    assert informers.of(ConfigMap) is informers.of(ConfigMap)
    assert informers.of(ConfigMap, namespace="a") is not informers.of(ConfigMap)
    running = asyncio.ensure_future(informers.run())
    await clock.advance(0)
    late = informers.of(ConfigMap, namespace="late")
    transport.add(config("x", "late"), config("y"))
    await clock.advance(0)
    await informers.wait_synced()
    assert [one.metadata.name for one in late.list()] == ["x"]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def test_a_store_finds_by_namespace_selector_and_index() -> None:
    store: Store[ConfigMap] = Store()
    store.add_index("tier", lambda one: [one.metadata.labels.get("tier", "")])
    store.put(config("a", "x", tier="web"))
    store.put(config("b", "y", tier="web"))
    store.put(config("c", "y", tier="db"))
    assert [one.metadata.name for one in store.list("y")] == ["b", "c"]
    assert [one.metadata.name for one in store.list(None, labels.parse("tier=web"))] == ["a", "b"]
    assert [one.metadata.name for one in store.by_index("tier", "web")] == ["a", "b"]
    store.put(config("b", "y", tier="db"))
    store.remove("y", "c")
    assert [one.metadata.name for one in store.by_index("tier", "db")] == ["b"]
    assert store.get("y", "c") is None
    assert len(store) == 2


@pytest.mark.parametrize(
    ("bookmarks", "asked"),
    [
        pytest.param(True, True, id="over a connection that may break"),
        pytest.param(False, False, id="in process"),
    ],
)
async def test_asks_for_bookmarks_where_its_place_must_be_kept_young(monkeypatch: pytest.MonkeyPatch, bookmarks: bool, asked: bool) -> None:
    monkeypatch.setattr(FakeTransport, "bookmarks", bookmarks, raising=False)
    watched: list[Call] = []
    watch = FakeTransport.watch
    monkeypatch.setattr(FakeTransport, "watch", lambda self, call: watched.append(call) or watch(self, call))
    followed = Followed()
    await followed.advance(1)
    await followed.stop()
    assert [one.options.allow_watch_bookmarks for one in watched] == [asked]


async def test_a_server_that_does_not_know_the_place_it_has_told_is_asked_ever_more_rarely(followed: Followed) -> None:
    lists = 0

    def count(call: Call) -> Exception | None:
        nonlocal lists
        lists += call.verb == "list"
        return errors.expired("too old resource version: 1 (2)") if call.verb == "watch" else None

    followed.transport.intercept = count
    await followed.advance(60)
    assert 5 < lists < 20
