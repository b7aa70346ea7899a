"""Leader election: one leads, another follows it, nobody leads twice."""

from __future__ import annotations

import asyncio

import pytest

from pilothouse.api.types.coordination_v1 import Lease
from pilothouse.client.client import Client
from pilothouse.client.leaderelection import LeaderElector, LeadershipLost
from pilothouse.kit.entropy import Entropy
from pilothouse.kit.virtual_clock import VirtualClock
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
