"""Events: repeated ones are counted, similar ones combined, too many dropped; nobody who tells one ever waits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from pilothouse.api.types.core_v1 import Event, Pod
from pilothouse.client.client import Client
from pilothouse.client.events import QUEUE_LIMIT, EventRecorder
from pilothouse.kit.entropy import Entropy
from pilothouse.kit.virtual_clock import VirtualClock
from pilothouse.machinery import errors
from pilothouse.machinery.meta_v1 import ObjectMeta
from pilothouse.testing.fake_transport import FakeTransport

POD = Pod(metadata=ObjectMeta(name="web", namespace="team", uid="u", resourceVersion="7"))


class Told:
    """A recorder that runs."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.transport = FakeTransport(self.clock)
        self.recorder = EventRecorder(Client(self.transport), "kubelet", self.clock, Entropy(1), host="node-1")

    @property
    def events(self) -> list[Event]:
        return self.transport.all(Event)

    async def tell(self, *messages: str, reason: str = "Pulled") -> None:
        for message in messages:
            self.recorder.event(POD, "Normal", reason, message)
        await self.clock.advance(0)


@pytest.fixture
async def told() -> AsyncIterator[Told]:
    one = Told()
    running = asyncio.ensure_future(one.recorder.run())
    yield one
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_says_who_what_and_when(told: Told) -> None:
    told.recorder.event(POD, "Warning", "BackOff", "waits", field_path="spec.containers{app}")
    await told.clock.advance(0)
    [one] = told.events
    assert (one.metadata.namespace, one.metadata.name.rpartition(".")[0]) == ("team", "web")
    about = one.involvedObject
    assert (about.kind, about.apiVersion, about.name, about.uid, about.fieldPath) == ("Pod", "v1", "web", "u", "spec.containers{app}")
    assert (one.type, one.reason, one.message, one.count) == ("Warning", "BackOff", "waits", 1)
    assert (one.source.component, one.source.host, one.reportingComponent) == ("kubelet", "node-1", "kubelet")
    assert one.firstTimestamp == one.lastTimestamp == "2025-01-01T00:00:00Z"


async def test_the_same_again_is_counted(told: Told) -> None:
    await told.tell("pulled")
    await told.clock.advance(60)
    await told.tell("pulled", "pulled")
    [one] = told.events
    assert (one.count, one.firstTimestamp, one.lastTimestamp) == (3, "2025-01-01T00:00:00Z", "2025-01-01T00:01:00Z")


async def test_the_tenth_of_many_similar_ones_stands_for_all_that_follow(told: Told) -> None:
    await told.tell(*(f"message {number}" for number in range(14)))
    assert len(told.events) == 10
    last = told.events[-1]
    assert (last.message, last.count) == ("(combined from similar events): message 13", 5)


async def test_similar_ones_far_apart_are_not_combined(told: Told) -> None:
    for number in range(14):
        await told.tell(f"message {number}")
        await told.clock.advance(601)
    assert len(told.events) == 14


async def test_of_a_flood_about_one_object_25_pass_then_one_in_five_minutes(told: Told) -> None:
    for number in range(40):
        await told.tell("x", reason=f"Reason{number}")
    assert len(told.events) == 25
    await told.clock.advance(301)
    await told.tell("x", "y", reason="Later")
    assert len(told.events) == 26


async def test_is_sent_when_the_server_is_back(told: Told) -> None:
    told.transport.fail(*[ConnectionError("refused")] * 3)
    await told.tell("pulled")
    assert told.events == []
    await told.clock.advance(31)
    assert len(told.events) == 1


async def test_what_the_server_refuses_is_dropped(told: Told) -> None:
    told.transport.fail(errors.forbidden("events", "", "x", "the namespace is going away"))
    await told.tell("pulled")
    await told.clock.advance(600)
    assert (told.events, told.recorder.dropped) == ([], 1)


async def test_one_that_expired_at_the_server_is_made_anew(told: Told) -> None:
    await told.tell("pulled")
    told.transport.remove(told.events[0])
    await told.tell("pulled")
    assert [one.count for one in told.events] == [2]


async def test_never_waits_for_a_full_queue() -> None:
    told = Told()
    for number in range(QUEUE_LIMIT + 5):
        told.recorder.event(POD, "Normal", "Reason", str(number))
    assert told.recorder.dropped == 5


async def test_events_give_way_while_their_component_is_busy_but_not_for_long() -> None:
    clock, busy = VirtualClock(), [True]
    transport = FakeTransport(clock)
    recorder = EventRecorder(Client(transport), "kubelet", clock, Entropy(1), busy=lambda: busy[0])
    running = asyncio.ensure_future(recorder.run())
    recorder.event(POD, "Normal", "Pulled", "first")
    await clock.advance(1)
    assert transport.all(Event) == []
    busy[0] = False
    await clock.advance(0.2)
    assert [event.message for event in transport.all(Event)] == ["first"]
    busy[0] = True
    recorder.event(POD, "Normal", "Created", "second")
    recorder.event(POD, "Normal", "Started", "third")
    await clock.advance(6)
    assert [event.message for event in transport.all(Event)] == ["first", "second", "third"], "each waits from the moment that it was told"
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
