"""Usage that follows what happens in the namespace."""

from __future__ import annotations

from pilothouse.api.types.core_v1 import ConfigMap, Namespace, Pod, ResourceQuota, Service
from pilothouse.machinery import codec
from pilothouse.machinery.meta_v1 import ObjectMeta
from pilothouse.testing.controllers import Bench

HARD = {"pods": "5", "requests.cpu": "2", "count/configmaps": "3", "services.nodeports": "1", "example.com/unknown": "1"}


def pod(name: str, cpu: str = "250m") -> Pod:
    container = {"name": "app", "resources": {"requests": {"cpu": cpu}}}
    return codec.from_dict({"metadata": {"name": name, "namespace": "team"}, "spec": {"containers": [container]}}, Pod)


async def used(bench: Bench) -> dict[str, str]:
    await bench.advance(1)
    [one] = bench.transport.all(ResourceQuota)
    assert one.status.hard == one.spec.hard
    return dict(one.status.used)


async def test_usage_follows_what_changes_ends_and_goes() -> None:
    async with Bench("resourcequota-controller") as bench:
        meta = ObjectMeta(name="limits", namespace="team")
        bench.transport.add(Namespace(metadata=ObjectMeta(name="team")))
        bench.transport.add(codec.from_dict({"metadata": codec.to_dict(meta), "spec": {"hard": HARD}}, ResourceQuota))
        nothing = {"pods": "0", "requests.cpu": "0", "count/configmaps": "0", "services.nodeports": "0"}
        assert await used(bench) == nothing
        [first, second] = bench.transport.add(pod("a"), pod("b", "1"))
        bench.transport.add(ConfigMap(metadata=ObjectMeta(name="c", namespace="team")))
        bench.transport.add(ConfigMap(metadata=ObjectMeta(name="c", namespace="elsewhere")))
        service = codec.from_dict({"metadata": {"name": "s", "namespace": "team"}, "spec": {"ports": [{"port": 80}]}}, Service)
        [service] = bench.transport.add(service)
        assert await used(bench) == nothing, "what is new has been charged by admission"
        bench.transport.change(first, lambda one: setattr(one.status, "phase", "Running"))
        bench.transport.change(first, lambda one: setattr(one.spec, "nodeName", "node-1"))
        assert await used(bench) == nothing, "a Pod that is bound and runs counts for what it counted for"
        bench.transport.change(first, lambda one: setattr(one.spec, "activeDeadlineSeconds", 60))
        assert await used(bench) == nothing | {"pods": "2", "requests.cpu": "1250m", "count/configmaps": "1"}
        bench.transport.change(service, lambda one: setattr(one.spec, "type", "NodePort"))
        bench.transport.change(second, lambda one: setattr(one.status, "phase", "Failed"))
        assert await used(bench) == {"pods": "1", "requests.cpu": "250m", "count/configmaps": "1", "services.nodeports": "1"}
        bench.transport.remove(first)
        assert await used(bench) == {"pods": "0", "requests.cpu": "0", "count/configmaps": "1", "services.nodeports": "1"}


async def test_a_charge_of_what_is_not_committed_yet_stands_until_something_happens() -> None:
    async with Bench("resourcequota-controller") as bench:
        hard = codec.from_dict({"metadata": {"name": "limits", "namespace": "team"}, "spec": {"hard": {"pods": "5"}}}, ResourceQuota)
        [one] = bench.transport.add(hard)
        assert await used(bench) == {"pods": "0"}
        bench.transport.change(one, lambda it: it.status.used.update(pods="1"))
        assert await used(bench) == {"pods": "1"}
        [first, _] = bench.transport.add(pod("a"), pod("b"))
        assert await used(bench) == {"pods": "1"}, "who counts between a charge and its commit would take the charge off"
        bench.transport.change(first, lambda it: setattr(it.status, "phase", "Failed"))
        assert await used(bench) == {"pods": "1"}


async def test_a_pod_that_a_lost_node_holds_stops_counting_after_its_grace_period() -> None:
    async with Bench("resourcequota-controller") as bench:
        hard = codec.from_dict({"metadata": {"name": "limits", "namespace": "team"}, "spec": {"hard": {"pods": "1"}}}, ResourceQuota)
        bench.transport.add(hard)
        held = pod("a")
        held.metadata.deletionTimestamp, held.metadata.deletionGracePeriodSeconds = "2100-01-01T00:00:00Z", 30
        [held] = bench.transport.add(held)
        assert await used(bench) == {"pods": "1"}
        bench.transport.change(held, lambda one: setattr(one.metadata, "deletionTimestamp", held.metadata.creationTimestamp))
        assert await used(bench) == {"pods": "1"}
        await bench.advance(301)
        assert await used(bench) == {"pods": "0"}
