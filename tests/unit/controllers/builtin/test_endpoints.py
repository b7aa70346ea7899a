"""Endpoints and their slices: who is in them, in which state, and how they are cut."""

from __future__ import annotations

from typing import Any

import pytest

from pilothouse.api.types import core_v1
from pilothouse.api.types.core_v1 import Container, ContainerPort, Endpoints, Node, Pod, PodCondition, PodIP, PodSpec, Service
from pilothouse.api.types.discovery_v1 import EndpointSlice
from pilothouse.controllers.builtin.endpointslice import EndpointSliceController
from pilothouse.controllers.framework.actions import Create
from pilothouse.machinery.meta_v1 import ObjectMeta
from pilothouse.testing.cluster import Cluster
from pilothouse.testing.controllers import Bench, planned

pytestmark = pytest.mark.cluster(clock="still")

LABELS = {"app": "web"}


def service(**spec: Any) -> Service:
    settings: dict[str, Any] = {
        "clusterIP": "10.96.0.7",
        "selector": LABELS,
        "ports": [core_v1.ServicePort(name="http", port=80, targetPort="http", protocol="TCP")],
        **spec,
    }
    meta = ObjectMeta(name="web", namespace="default", uid="svc", labels={"team": "a"})
    return Service(metadata=meta, spec=core_v1.ServiceSpec(**settings))


def pod(number: int, *, ready: bool = True, port: int = 8080, node: str = "n1", phase: str = "Running", **meta: Any) -> Pod:
    container = Container(name="app", image="app", ports=[ContainerPort(name="http", containerPort=port, protocol="TCP")])
    one = Pod(metadata=ObjectMeta(name=f"p{number}", namespace="default", uid=f"p{number}", labels=dict(LABELS), **meta))
    one.spec = PodSpec(nodeName=node, containers=[container])
    address = f"10.0.{number // 250}.{number % 250 + 1}"
    one.status.phase, one.status.podIP, one.status.podIPs = phase, address, [PodIP(ip=address)]
    one.status.conditions = [PodCondition(type="Ready", status=str(ready))]
    return one


def node(name: str = "n1", zone: str = "z1") -> Node:
    return Node(metadata=ObjectMeta(name=name, labels={"topology.kubernetes.io/zone": zone}))


def states(one: EndpointSlice) -> list[tuple[bool | None, ...]]:
    return [(end.conditions.ready, end.conditions.serving, end.conditions.terminating) for end in one.endpoints or ()]


GOING = {"deletionTimestamp": "2025-01-01T00:00:00Z"}


@pytest.mark.parametrize(
    ("spec", "found", "expected"),
    [
        pytest.param({}, [pod(0)], [(True, True, False)], id="ready"),
        pytest.param({}, [pod(0, ready=False)], [(False, False, False)], id="not ready"),
        pytest.param({}, [pod(0, **GOING)], [(False, True, True)], id="terminating, still serving"),
        pytest.param({"publishNotReadyAddresses": True}, [pod(0, ready=False, **GOING)], [(True, False, True)], id="published anyway"),
        pytest.param({}, [pod(0, phase="Succeeded")], [], id="finished"),
        pytest.param({}, [pod(0, node="gone")], [], id="its node is gone"),
    ],
)
def test_states(spec: dict[str, Any], found: list[Pod], expected: list[tuple[bool, ...]]) -> None:
    [create] = planned(EndpointSliceController(), service(**spec), node(), *found)
    assert isinstance(create, Create)
    assert states(create.object) == expected


def test_a_slice_says_whose_and_where() -> None:
    [create] = planned(EndpointSliceController(), service(clusterIP="None", trafficDistribution="PreferClose"), node(), pod(0))
    assert isinstance(create, Create)
    one = create.object
    assert one.metadata.labels == {
        "team": "a",
        "kubernetes.io/service-name": "web",
        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
        "service.kubernetes.io/headless": "",
    }
    assert (one.metadata.generateName, one.addressType) == ("web-", "IPv4")
    assert [(port.name, port.port, port.protocol) for port in one.ports] == [("http", 8080, "TCP")]
    [endpoint] = one.endpoints
    assert (endpoint.addresses, endpoint.nodeName, endpoint.zone, endpoint.targetRef.name) == (["10.0.0.1"], "n1", "z1", "p0")
    assert [zone.name for zone in endpoint.hints.forZones] == ["z1"]


@pytest.mark.parametrize("spec", [{"selector": {}}, {"type": "ExternalName"}], ids=["no selector", "ExternalName"])
def test_services_of_others_are_left_alone(spec: dict[str, Any]) -> None:
    assert planned(EndpointSliceController(), service(**spec), node(), pod(0)) == []


def slices(bench: Bench) -> list[EndpointSlice]:
    found: list[EndpointSlice] = bench.transport.all(EndpointSlice)
    return found


async def test_slices_hold_a_hundred_and_change_little() -> None:
    async with Bench("endpointslice") as bench:
        bench.transport.add(node(), service())
        bench.transport.add(*(pod(number) for number in range(250)))
        await bench.advance(1)
        assert sorted(len(one.endpoints) for one in slices(bench)) == [50, 100, 100]
        before = {one.metadata.name: one.metadata.resourceVersion for one in slices(bench)}
        bench.transport.remove(bench.transport.all(Pod)[0])
        await bench.advance(1)
        changed = [one for one in slices(bench) if before[one.metadata.name] != one.metadata.resourceVersion]
        assert [len(one.endpoints) for one in changed] == [99]
        bench.transport.add(pod(300))
        await bench.advance(1)
        assert sorted(len(one.endpoints) for one in slices(bench)) in ([50, 100, 100], [51, 99, 100])
        for one in bench.transport.all(Pod):
            bench.transport.remove(one)
        await bench.advance(1)
        assert [(one.endpoints, one.ports) for one in slices(bench)] == [(None, None)]


async def test_pods_with_different_ports_of_one_name_are_in_different_slices() -> None:
    async with Bench("endpointslice") as bench:
        bench.transport.add(node(), service(), pod(0), pod(1, port=9090))
        await bench.advance(1)
        assert sorted((one.ports[0].port, len(one.endpoints)) for one in slices(bench)) == [(8080, 1), (9090, 1)]


async def test_what_changes_in_a_pod_shows_and_what_does_not_matter_writes_nothing() -> None:
    async with Bench("endpointslice", "endpoint") as bench:
        [_, _, one] = bench.transport.add(node(), service(), pod(0, ready=False))
        await bench.advance(1)
        assert states(slices(bench)[0]) == [(False, False, False)]
        bench.transport.change(one, lambda found: setattr(found.status.conditions[0], "status", "True"))
        await bench.advance(1)
        assert states(slices(bench)[0]) == [(True, True, False)]
        [ends] = bench.transport.all(Endpoints)
        assert [address.ip for address in ends.subsets[0].addresses] == ["10.0.0.1"]
        bench.transport.calls.clear()
        bench.transport.change(one, lambda found: setattr(found.status, "message", "hello"))
        await bench.advance(60)
        assert not bench.transport.calls


async def test_endpoints_group_addresses_by_ports_and_go_with_their_service() -> None:
    async with Bench("endpoint") as bench:
        [_, kept] = bench.transport.add(node(), service())
        bench.transport.add(pod(0), pod(1), pod(2, ready=False), pod(3, port=9090))
        await bench.advance(1)
        [ends] = bench.transport.all(Endpoints)
        found = [([one.ip for one in s.addresses], [one.ip for one in s.notReadyAddresses], s.ports[0].port) for s in ends.subsets]
        assert found == [(["10.0.0.1", "10.0.0.2"], ["10.0.0.3"], 8080), (["10.0.0.4"], [], 9090)]
        bench.transport.remove(kept)
        await bench.advance(1)
        assert bench.transport.all(Endpoints) == []


async def test_handwritten_endpoints_are_mirrored_until_the_service_selects_for_itself() -> None:
    async with Bench("endpointslicemirroring") as bench:
        subset = core_v1.EndpointSubset(
            addresses=[core_v1.EndpointAddress(ip="192.0.2.1"), core_v1.EndpointAddress(ip="2001:db8::1")],
            notReadyAddresses=[core_v1.EndpointAddress(ip="192.0.2.2")],
            ports=[core_v1.EndpointPort(name="dns", port=53, protocol="UDP")],
        )
        [mine, _] = bench.transport.add(
            service(selector={}), Endpoints(metadata=ObjectMeta(name="web", namespace="default", uid="e"), subsets=[subset])
        )
        await bench.advance(1)
        found = {one.addressType: [(end.addresses[0], end.conditions.ready) for end in one.endpoints] for one in slices(bench)}
        assert found == {"IPv4": [("192.0.2.1", True), ("192.0.2.2", False)], "IPv6": [("2001:db8::1", True)]}
        assert {one.metadata.labels["endpointslice.kubernetes.io/managed-by"] for one in slices(bench)} == {
            "endpointslicemirroring-controller.k8s.io"
        }
        bench.transport.change(mine, lambda one: one.spec.selector.update(LABELS))
        await bench.advance(1)
        assert slices(bench) == []


LEADER = """
apiVersion: v1
kind: Endpoints
metadata: {name: leader}
subsets: [{addresses: [{ip: 192.0.2.1}], ports: [{port: 80}]}]
"""
SERVICE = "{apiVersion: v1, kind: Service, metadata: {name: leader}, spec: {selector: {app: nobody}, ports: [{port: 80}]}}"


def names(cluster: Cluster) -> set[str]:
    return {one.metadata.name for one in cluster.list(Endpoints, "default")}


def test_endpoints_that_never_had_a_service_stay(cluster: Cluster) -> None:
    cluster.apply(LEADER)
    cluster.advance("1m")
    assert cluster.get(Endpoints, "leader").subsets[0].addresses[0].ip == "192.0.2.1"
    cluster.delete(Endpoints, "leader")
    cluster.apply(LEADER)
    cluster.advance("1m")
    assert "leader" in names(cluster)


@pytest.mark.parametrize("selector", ["{app: nobody}", "{}"], ids=["with a selector", "without"])
def test_endpoints_go_with_their_service(cluster: Cluster, selector: str) -> None:
    cluster.apply(SERVICE.replace("{app: nobody}", selector))
    cluster.advance("1s")
    if selector == "{}":
        cluster.apply(LEADER)
    cluster.advance("5s")
    assert "leader" in names(cluster)
    cluster.delete(Service, "leader")
    cluster.advance("5s")
    assert "leader" not in names(cluster)
