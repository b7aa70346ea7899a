"""Pods with resource claims, and what is said of those without."""

from __future__ import annotations

from pilothouse.api.types.core_v1 import Event, Pod, PodResourceClaim
from tests.unit.scheduler.objects import node, pod
from tests.unit.scheduler.test_scheduler import World


async def test_a_pod_with_claims_waits_for_devices() -> None:
    async with World().running() as world:
        await world.put(node("a"), pod("web", resourceClaims=[PodResourceClaim(name="gpu", resourceClaimName="gpu")]))
        assert world.where("web") == ""
        assert world.condition("web")[2] == (
            "0/1 nodes are available: 1 cannot allocate all claims. "
            "still not schedulable, preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling."
        )


async def test_nothing_is_said_where_preemption_makes_room() -> None:
    async with World().running() as world:
        held = pod("low", cpu="800m", priority=1)
        await world.put(node("a", cpu="1"), held)
        world.api.linger = True
        await world.put(pod("high", cpu="800m", priority=10))
        assert world.api.get(Pod, "high").status.nominatedNodeName == "a"
        told = [one.message for one in world.api.all(Event) if one.reason == "FailedScheduling" and one.involvedObject.name == "high"]
        assert told == ["0/1 nodes are available: 1 Insufficient cpu."]
