"""What is to be done with packets, for each kind of Service and endpoint."""

from __future__ import annotations

from typing import Any

import pytest

from pilothouse.api.types.core_v1 import (
    LoadBalancerIngress,
    LoadBalancerStatus,
    Service,
    ServicePort,
    ServiceSpec,
    ServiceStatus,
)
from pilothouse.api.types.discovery_v1 import Endpoint, EndpointConditions, EndpointPort, EndpointSlice
from pilothouse.machinery.meta_v1 import ObjectMeta
from pilothouse.proxy import conntrack
from pilothouse.proxy.planner import PortPlan, Target, health_check_of, plan_service

VIP = "10.96.0.10"
READY = EndpointConditions(ready=True, serving=True, terminating=False)
ENDING = EndpointConditions(ready=False, serving=True, terminating=True)
DEAD = EndpointConditions(ready=False, serving=False, terminating=True)
GOING = EndpointConditions(ready=False, terminating=True)
STARTING = EndpointConditions(ready=False, serving=False)
UNKNOWN = EndpointConditions()


def service(**spec: Any) -> Service:
    spec.setdefault("clusterIP", VIP)
    spec.setdefault("ports", [ServicePort(name="http", port=80, protocol="TCP", nodePort=spec.pop("nodePort", None))])
    labels = spec.pop("labels", {})
    return Service(metadata=ObjectMeta(name="web", namespace="default", labels=labels), spec=ServiceSpec(**spec))


def slice_of(*endpoints: tuple[str, EndpointConditions | None, str], port: str = "http", family: str = "IPv4") -> EndpointSlice:
    """`endpoints` are (address, conditions, node)."""
    return EndpointSlice(
        metadata=ObjectMeta(name="web-a", namespace="default"),
        addressType=family,
        ports=[EndpointPort(name=port, port=8080, protocol="TCP")],
        endpoints=[
            Endpoint(addresses=[address], conditions=conditions or EndpointConditions(), nodeName=node)
            for address, conditions, node in endpoints
        ],
    )


def plan(one: Service, *slices: EndpointSlice) -> PortPlan:
    (only,) = plan_service(one, slices, "here").values()
    return only


def addresses(targets: tuple[Target, ...]) -> str:
    return " ".join(one.address for one in targets)


@pytest.mark.parametrize(
    ("endpoints", "everywhere", "here"),
    [
        pytest.param([("1.1.1.1", READY, "here"), ("1.1.1.2", READY, "there")], "1.1.1.1 1.1.1.2", "1.1.1.1", id="ready ones"),
        pytest.param([("1.1.1.1", READY, ""), ("1.1.1.2", DEAD, "")], "1.1.1.1", "", id="not those that are not ready"),
        pytest.param([("1.1.1.1", UNKNOWN, ""), ("1.1.1.2", None, "")], "1.1.1.1 1.1.1.2", "", id="unknown counts as ready"),
        pytest.param(
            [("1.1.1.1", READY, ""), ("1.1.1.2", ENDING, "")], "1.1.1.1", "", id="not those that end, as long as others are ready"
        ),
        pytest.param([("1.1.1.1", ENDING, ""), ("1.1.1.2", DEAD, "")], "1.1.1.1", "", id="those that end, when none is ready"),
        pytest.param(
            [("1.1.1.1", ENDING, "here"), ("1.1.1.2", READY, "there")],
            "1.1.1.2",
            "1.1.1.1",
            id="those that end here, when none is ready here",
        ),
        pytest.param([("1.1.1.1", GOING, "")], "1.1.1.1", "", id="of those that end, who does not say whether he serves does"),
        pytest.param([], "", "", id="none"),
    ],
)
def test_targets(endpoints: list[Any], everywhere: str, here: str) -> None:
    found = plan(service(), slice_of(*endpoints))
    assert (addresses(found.everywhere), addresses(found.here)) == (everywhere, here)


@pytest.mark.parametrize(
    ("conditions", "stay"),
    [
        pytest.param(READY, True, id="ready"),
        pytest.param(UNKNOWN, True, id="unknown"),
        pytest.param(None, True, id="not told"),
        pytest.param(ENDING, True, id="ends, and serves"),
        pytest.param(DEAD, False, id="ends, and serves no more"),
        pytest.param(STARTING, False, id="does not serve yet"),
    ],
)
def test_udp_clients_stay_with_whoever_serves(conditions: EndpointConditions | None, stay: bool) -> None:
    """Whatever the policies say and whether others are ready: as the connections of TCP do."""
    one = slice_of(("1.1.1.1", conditions, "there"), ("1.1.1.2", READY, "here"))
    one.ports[0].protocol = "UDP"
    ports = [ServicePort(name="http", port=80, protocol="UDP", nodePort=30080)]
    udp = plan(service(type="NodePort", ports=ports, externalTrafficPolicy="Local", internalTrafficPolicy="Local"), one)
    node_ips = ["9.9.9.9"]
    for front in (Target(VIP, 80), Target("9.9.9.9", 30080)):
        assert (Target("1.1.1.1", 8080) in conntrack.frontends([udp], node_ips)[front]) is stay


def test_clients_of_a_service_that_lost_all_endpoints_are_left_where_they_are() -> None:
    gone = slice_of(("1.1.1.1", DEAD, "here"))
    gone.ports[0].protocol = "UDP"
    udp = plan(service(ports=[ServicePort(name="http", port=80, protocol="UDP")]), gone)
    assert conntrack.frontends([udp], ["9.9.9.9"]) == {}


def test_slices_are_merged_and_other_ports_and_families_left_out() -> None:
    found = plan(
        service(),
        slice_of(("1.1.1.1", READY, "")),
        slice_of(("1.1.1.2", READY, ""), ("1.1.1.1", READY, "")),
        slice_of(("1.1.1.3", READY, ""), port="admin"),
        slice_of(("fd00::1", READY, ""), family="IPv6"),
    )
    assert found.everywhere == (Target("1.1.1.1", 8080), Target("1.1.1.2", 8080))


@pytest.mark.parametrize(
    "one",
    [
        pytest.param(service(clusterIP="None"), id="headless"),
        pytest.param(service(clusterIP="", type="ExternalName"), id="a name outside"),
        pytest.param(service(clusterIP=""), id="one without an address yet"),
        pytest.param(service(labels={"service.kubernetes.io/service-proxy-name": "other"}), id="another proxy's"),
    ],
)
def test_has_no_plan(one: Service) -> None:
    assert plan_service(one, [], "here") == {}


@pytest.mark.parametrize(
    ("spec", "field", "expected"),
    [
        pytest.param({"type": "NodePort", "nodePort": 30080}, "node_port", 30080, id="a node port"),
        pytest.param({"type": "ClusterIP", "nodePort": 30080}, "node_port", 0, id="none of a ClusterIP"),
        pytest.param({"externalIPs": ["2.2.2.2", "fd00::2"]}, "external_ips", ("2.2.2.2",), id="external addresses"),
        pytest.param({"clusterIPs": [VIP, "fd00::3"]}, "cluster_ips", (VIP,), id="of two families this one"),
        pytest.param({"internalTrafficPolicy": "Local"}, "internal_local", True, id="internalTrafficPolicy"),
        pytest.param({"externalTrafficPolicy": "Local"}, "external_local", True, id="externalTrafficPolicy"),
        pytest.param({"sessionAffinity": "ClientIP"}, "affinity_seconds", 10800, id="three hours of affinity"),
        pytest.param({"sessionAffinity": "None"}, "affinity_seconds", 0, id="no affinity"),
    ],
)
def test_fields(spec: dict[str, Any], field: str, expected: object) -> None:
    assert getattr(plan(service(**spec)), field) == expected


def test_load_balancer_addresses_that_a_proxy_serves_itself_are_left_to_it() -> None:
    one = service(type="LoadBalancer", loadBalancerSourceRanges=["10.0.0.0/8"])
    ingress = [LoadBalancerIngress(ip="3.3.3.3"), LoadBalancerIngress(ip="3.3.3.4", ipMode="Proxy"), LoadBalancerIngress(hostname="x")]
    one.status = ServiceStatus(loadBalancer=LoadBalancerStatus(ingress=ingress))
    found = plan(one)
    assert (found.load_balancer_ips, found.source_ranges) == (("3.3.3.3",), ("10.0.0.0/8",))


def test_health_check_counts_the_ready_endpoints_of_this_node() -> None:
    one = service(type="LoadBalancer", externalTrafficPolicy="Local", healthCheckNodePort=30999)
    slices = [slice_of(("1.1.1.1", READY, "here"), ("1.1.1.2", ENDING, "here"), ("1.1.1.3", READY, "there"))]
    assert health_check_of(one, slices, "here") == (30999, 1)
    assert health_check_of(service(), slices, "here") is None
