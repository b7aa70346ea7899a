"""Leader election: one leads, another follows it, nobody leads twice; whatever their clocks say and whoever is cut off."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilothouse.api.types.coordination_v1 import Lease, LeaseSpec
from pilothouse.api.types.core_v1 import Event
from pilothouse.client.client import Client
from pilothouse.client.events import EventRecorder
from pilothouse.client.leaderelection import LeaderElector, LeadershipLost
from pilothouse.kit.entropy import Entropy
from pilothouse.kit.virtual_clock import VirtualClock
from pilothouse.machinery import errors
from pilothouse.machinery.meta_v1 import ObjectMeta
from pilothouse.testing.fake_transport import FakeTransport


class Candidates:
    """Two candidates for one lease, each with a way to the server of its own."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.transport = FakeTransport(self.clock)
        self.electors = [
            LeaderElector(Client(self.transport), "manager", name, self.clock, Entropy(seed)) for seed, name in enumerate(("a", "b"))
        ]
        self.worked: list[str] = []

    def start(self, index: int) -> asyncio.Task[None]:
        async def work() -> None:
            self.worked.append("ab"[index])
            await asyncio.Event().wait()

        return asyncio.ensure_future(self.electors[index].run(work))

    @property
    def lease(self) -> Lease:
        [one] = self.transport.all(Lease)
        found: Lease = one
        return found


async def end(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_the_first_leads_and_the_second_waits() -> None:
    both = Candidates()
    tasks = both.start(0), both.start(1)
    await both.clock.advance(60)
    assert both.worked == ["a"]
    assert (both.lease.spec.holderIdentity, both.lease.spec.leaseDurationSeconds) == ("a", 15)
    assert [one.is_leader for one in both.electors] == [True, False]
    await end(*tasks)


async def test_a_leader_that_goes_lets_the_next_in_at_once() -> None:
    both = Candidates()
    first, second = both.start(0), both.start(1)
    await both.clock.advance(10)
    await end(first)
    await both.clock.advance(5)
    assert both.worked == ["a", "b"]
    assert (both.lease.spec.holderIdentity, both.lease.spec.leaseTransitions) == ("b", 1)
    await end(second)


async def test_a_leader_that_is_cut_off_stops_before_another_takes_over() -> None:
    both = Candidates()
    first, second = both.start(0), both.start(1)
    await both.clock.advance(10)
    cut = [ConnectionError("cut off")] * 100
    both.transport.fail(*cut, when=lambda call: call.body is not None and call.body.spec.holderIdentity == "a")
    await both.clock.advance(12.5)
    assert first.done()
    with pytest.raises(LeadershipLost):
        first.result()
    assert both.worked == ["a"]
    await both.clock.advance(10)
    assert both.worked == ["a", "b"]
    await end(second)


class Machine:
    """A candidate on a machine of its own: with a clock that shows another time, and a way to the server that may be cut."""

    def __init__(self, name: str, seed: int, clock: VirtualClock, server: FakeTransport, *, ahead_seconds: float = 0.0) -> None:
        self.cut = self.deaf = self.working = False
        self.slow_seconds = 0.0
        self.clock, self._server, self._ahead = clock, server, timedelta(seconds=ahead_seconds)
        self.elector = LeaderElector(Client(self), "manager", name, self, Entropy(seed))  # type: ignore[arg-type]
        self.running: asyncio.Task[None] | None = None

    def now(self) -> Any:
        return self.clock.now() + self._ahead

    def __getattr__(self, name: str) -> Any:
        return getattr(self.clock if hasattr(self.clock, name) else self._server, name)

    async def call(self, call: Any) -> Any:
        if self.cut:
            raise ConnectionError("cut off")
        if self.slow_seconds:
            await self.clock.sleep(self.slow_seconds)
        answer = await self._server.call(call)
        if self.deaf:
            raise ConnectionError("the answer was lost")
        return answer

    async def start(self) -> None:
        if self.running is None or self.running.done():
            self.running = asyncio.ensure_future(self.elector.run(self._work))
            await self.clock.advance(0)

    async def stop(self) -> None:
        if self.running is not None:
            await end(self.running)

    async def _work(self) -> None:
        self.working = True
        try:
            await asyncio.Event().wait()
        finally:
            self.working = False


def machines(*ahead_seconds: float) -> tuple[VirtualClock, FakeTransport, list[Machine]]:
    clock = VirtualClock()
    server = FakeTransport(clock)
    return clock, server, [Machine(f"m{n}", n, clock, server, ahead_seconds=ahead) for n, ahead in enumerate(ahead_seconds)]


@pytest.mark.parametrize("ahead_seconds", [-3600.0, -15.0, 0.0, 15.0, 3600.0])
async def test_a_lease_lasts_as_long_as_the_waiting_one_has_seen_it_whatever_the_clocks_say(ahead_seconds: float) -> None:
    clock, _, (first, second) = machines(0.0, ahead_seconds)
    await first.start()
    await second.start()
    await clock.advance(120)
    assert (first.working, second.working) == (True, False)
    first.cut = True
    await clock.advance(12.5)
    assert (first.working, second.working) == (False, False), "given up, and not yet taken over"
    await clock.advance(7.5)
    assert (first.working, second.working) == (False, True)
    await second.stop()
    await first.stop()


async def test_a_lease_lasts_from_when_it_was_seen_not_from_when_it_was_asked_for() -> None:
    clock, _, (first, second) = machines(0.0, 0.0)
    await first.start()
    second.slow_seconds = 13.0
    await second.start()
    await clock.advance(13.5)
    second.slow_seconds, first.cut = 0.0, True
    while first.working:
        assert not second.working
        await clock.advance(0.5)
    await clock.advance(10)
    assert second.working
    await second.stop()
    await first.stop()


def lease(holder: str, seconds: int) -> Lease:
    spec = LeaseSpec(holderIdentity=holder, leaseDurationSeconds=seconds, renewTime="2020-01-01T00:00:00.000000Z", leaseTransitions=4)
    return Lease(metadata=ObjectMeta(name="manager", namespace="kube-system"), spec=spec)


@pytest.mark.parametrize(
    ("found", "after_seconds", "transitions"),
    [
        pytest.param(lease("gone", 15), 15, 5, id="one that ran out long ago by its own time is waited for all the same"),
        pytest.param(lease("gone", 60), 60, 5, id="as long as its holder has said"),
        pytest.param(lease("", 1), 0, 5, id="one that was let go is free"),
        pytest.param(lease("m0", 15), 0, 4, id="one's own, of before a restart"),
    ],
)
async def test_a_lease_that_is_there_already(found: Lease, after_seconds: float, transitions: int) -> None:
    clock, server, (one,) = machines(0.0)
    server.add(found)
    await one.start()
    if after_seconds:
        await clock.advance(after_seconds - 0.1)
        assert not one.working
        await clock.advance(5)
    assert one.working
    [taken] = server.all(Lease)
    assert (taken.spec.holderIdentity, taken.spec.leaseTransitions) == ("m0", transitions)
    await one.stop()


@pytest.mark.parametrize(
    "failure",
    [errors.conflict("leases", "", "manager", "changed"), errors.already_exists("leases", "", "manager"), ConnectionError("reset")],
    ids=["conflict", "created by another", "no answer"],
)
async def test_who_loses_a_race_asks_again(failure: Exception) -> None:
    clock, server, (one,) = machines(0.0)
    server.fail(failure, when=lambda call: call.verb in ("create", "update"))
    await one.start()
    assert not one.working
    await clock.advance(5)
    assert one.working
    await one.stop()


@pytest.mark.parametrize(("seconds", "stays"), [(7, True), (15, False)])
async def test_a_leader_may_be_without_answer_until_its_deadline(seconds: int, stays: bool) -> None:
    clock, _, (one,) = machines(0.0)
    await one.start()
    await clock.advance(5)
    one.cut = True
    await clock.advance(seconds)
    one.cut = False
    await clock.advance(5)
    assert one.working is stays
    await one.stop()


async def test_work_that_fails_lets_the_lease_go_and_is_told() -> None:
    clock, server, (_, other) = machines(0.0, 0.0)
    recorder = EventRecorder(Client(server), "manager", clock, Entropy(1))
    elector = LeaderElector(Client(server), "manager", "m0", clock, Entropy(1), recorder=recorder)
    sending = asyncio.ensure_future(recorder.run())

    async def work() -> None:
        await clock.sleep(3)
        raise ValueError("a bug")

    running = asyncio.ensure_future(elector.run(work))
    await clock.advance(1)
    await other.start()
    await clock.advance(6)
    with pytest.raises(ValueError, match="a bug"):
        running.result()
    assert other.working
    assert {each.message for each in server.all(Event)} == {"m0 became leader", "m0 stopped leading"}
    await other.stop()
    await end(sending)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["cut", "heal", "deafen", "stop", "start"]), st.integers(0, 2)),
        st.tuples(st.just("advance"), st.integers(0, 20)),
    ),
    max_size=40,
)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(steps=STEPS)
def test_never_do_two_lead_and_in_the_end_one_does(steps: list[tuple[str, int]]) -> None:
    async def told() -> None:
        clock, _, every = machines(0.0, 40.0, -40.0)
        for one in every:
            await one.start()
        for name, number in [*steps, *(("heal", n) for n in range(3)), *(("start", n) for n in range(3)), ("advance", 60)]:
            match name:
                case "advance":
                    for _ in range(number * 2):
                        await clock.advance(0.5)
                        assert sum(one.working for one in every) <= 1
                case "cut" | "heal" | "deafen":
                    every[number].cut, every[number].deaf = name == "cut", name == "deafen"
                case _:
                    await getattr(every[number], name)()
            assert sum(one.working for one in every) <= 1
        assert sum(one.working for one in every) == 1
        for one in every:
            await one.stop()

    asyncio.run(told())
