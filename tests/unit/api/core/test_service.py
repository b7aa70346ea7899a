"""Services: what follows from what, what an update keeps, what may not be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pilothouse.api.types.core_v1 import LoadBalancerIngress, Service
from pilothouse.machinery.codec import clone
from tests.unit.api.objects import created, wrong_with, wrong_with_change, wrong_with_status

PORT = {"port": 80}


def service(**spec: Any) -> dict[str, Any]:
    spec.setdefault("ports", [PORT])
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s", "namespace": "n"}, "spec": spec}


def made(**spec: Any) -> Service:
    found = created(service(**spec))
    assert isinstance(found, Service)
    return found


def test_the_smallest_service_gets_all_that_upstream_gives_it() -> None:
    spec = made(selector={"a": "b"}).spec
    assert (spec.type, spec.sessionAffinity, spec.internalTrafficPolicy, spec.externalTrafficPolicy) == ("ClusterIP", "None", "Cluster", "")
    assert (spec.ipFamilyPolicy, spec.ipFamilies) == ("SingleStack", ["IPv4"])
    assert (spec.ports[0].protocol, spec.ports[0].targetPort) == ("TCP", 80)


@pytest.mark.parametrize(
    ("spec", "field", "expected"),
    [
        pytest.param({"type": "NodePort"}, "externalTrafficPolicy", "Cluster", id="node port"),
        pytest.param({"externalIPs": ["1.2.3.4"]}, "externalTrafficPolicy", "Cluster", id="external addresses"),
        pytest.param({"type": "LoadBalancer"}, "allocateLoadBalancerNodePorts", True, id="load balancer"),
        pytest.param({"clusterIP": "None"}, "clusterIPs", ["None"], id="headless"),
        pytest.param({"clusterIP": "None"}, "ipFamilyPolicy", "RequireDualStack", id="headless without selector"),
        pytest.param({"type": "ExternalName", "externalName": "a.b"}, "ipFamilies", [], id="external name"),
    ],
)
def test_defaults_follow_from_the_type(spec: dict[str, Any], field: str, expected: Any) -> None:
    assert getattr(made(**spec).spec, field) == expected


def test_client_affinity_lasts_three_hours() -> None:
    config = made(sessionAffinity="ClientIP").spec.sessionAffinityConfig
    assert config is not None
    assert config.clientIP is not None
    assert config.clientIP.timeoutSeconds == 10800


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        pytest.param(service(), [], id="the smallest"),
        pytest.param(service(ports=[]), ["spec.ports: Required value"], id="no ports"),
        pytest.param(service(ports=[], clusterIP="None"), [], id="headless needs none"),
        pytest.param(
            service(ports=[PORT, {"port": 81}]),
            ["spec.ports[0].name: Required value", "spec.ports[1].name: Required value"],
            id="several ports without names",
        ),
        pytest.param(
            service(ports=[{"name": "a", "port": 80}, {"name": "b", "port": 80}]),
            [
                'spec.ports[1]: Duplicate value: {"Name":"","Protocol":"TCP","AppProtocol":null,"Port":80,"TargetPort":0,"NodePort":0}',
            ],
            id="one port twice",
        ),
        pytest.param(
            service(ports=[{"port": 80, "nodePort": 30000}]),
            ["spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"],
            id="a node port of a ClusterIP",
        ),
        pytest.param(
            service(type="Magic"),
            [
                'spec.type: Unsupported value: "Magic": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"',
            ],
            id="an unknown type",
        ),
        pytest.param(
            service(clusterIP="None", type="NodePort"),
            ["spec.clusterIPs[0]: Invalid value: \"None\": may not be set to 'None' for NodePort services"],
            id="headless node port",
        ),
        pytest.param(
            service(clusterIP="10.0.0.300"),
            ['spec.clusterIPs[0]: Invalid value: "10.0.0.300": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'],
            id="no address",
        ),
        pytest.param(
            service(type="ExternalName", ports=[]),
            ["spec.externalName: Required value"],
            id="an external name without a name",
        ),
        pytest.param(
            service(externalIPs=["127.0.0.1"]),
            ['spec.externalIPs[0]: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)'],
            id="loopback from outside",
        ),
        pytest.param(
            service(externalTrafficPolicy="Local"),
            ['spec.externalTrafficPolicy: Invalid value: "Local": may only be set for externally-accessible services'],
            id="external traffic of an internal service",
        ),
        pytest.param(
            service(sessionAffinity="ClientIP", sessionAffinityConfig={"clientIP": {"timeoutSeconds": 86401}}),
            ["spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 86401: must be greater than 0 and less than 86400"],
            id="affinity of more than a day",
        ),
        pytest.param(
            service(ports=[{"port": 80, "targetPort": "a_b"}]),
            ['spec.ports[0].targetPort: Invalid value: "a_b": must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)'],
            id="no port name",
        ),
    ],
)
def test_everything_wrong_is_reported_in_upstreams_words(document: dict[str, Any], expected: list[str]) -> None:
    assert wrong_with(document) == expected


def allocated(**spec: Any) -> Service:
    """As stored after the registry gave it an address and ports."""
    one = made(**spec)
    if one.spec.type != "ExternalName" and not one.spec.clusterIP:
        one.spec.clusterIP, one.spec.clusterIPs = "10.0.0.1", ["10.0.0.1"]
    if one.spec.type in ("NodePort", "LoadBalancer"):
        for index, port in enumerate(one.spec.ports):
            port.nodePort = port.nodePort or 30000 + index
    return one


def change(new: Service, **spec: Any) -> Service:
    for field, value in spec.items():
        setattr(new.spec, field, value)
    return new


def test_a_client_that_leaves_out_what_was_allocated_keeps_it() -> None:
    old = allocated(type="NodePort", selector={"a": "b"})
    new = made(type="NodePort", selector={"a": "c"})
    new.spec.ipFamilies, new.spec.ipFamilyPolicy = [], None
    assert wrong_with_change(old, new) == []
    assert (new.spec.clusterIP, new.spec.clusterIPs, new.spec.ports[0].nodePort) == ("10.0.0.1", ["10.0.0.1"], 30000)


def test_the_cluster_address_is_set_once() -> None:
    old = allocated(selector={"a": "b"})
    new = change(clone(old), clusterIP="10.0.0.2")
    assert wrong_with_change(old, new) == ['spec.clusterIPs[0]: Invalid value: ["10.0.0.2"]: may not change once set']


@pytest.mark.parametrize(
    ("spec", "turn", "left"),
    [
        pytest.param(
            {"type": "NodePort"},
            lambda one: change(one, type="ClusterIP", ports=one.spec.ports),
            lambda one: (one.spec.ports[0].nodePort, one.spec.externalTrafficPolicy) == (0, ""),
            id="node port to ClusterIP",
        ),
        pytest.param(
            {"selector": {"a": "b"}},
            lambda one: change(one, type="ExternalName", externalName="a.b"),
            lambda one: (one.spec.clusterIP, one.spec.clusterIPs, one.spec.ipFamilies, one.spec.ipFamilyPolicy) == ("", [], [], None),
            id="ClusterIP to external name",
        ),
        pytest.param(
            {"type": "NodePort"},
            lambda one: change(one, type="ExternalName", externalName="a.b", clusterIP="", ports=[]),
            lambda one: (one.spec.clusterIPs, one.spec.ipFamilies, one.spec.ipFamilyPolicy) == ([], [], None),
            id="to external name by a client that takes the address away itself",
        ),
        pytest.param(
            {"type": "LoadBalancer", "allocateLoadBalancerNodePorts": False, "ports": [PORT | {"nodePort": 30080}]},
            lambda one: change(one, type="ClusterIP", ports=one.spec.ports),
            lambda one: one.spec.ports[0].nodePort == 0,
            id="a node port that was named where none is allocated",
        ),
        pytest.param(
            {"type": "LoadBalancer"},
            lambda one: change(one, type="ClusterIP"),
            lambda one: one.spec.allocateLoadBalancerNodePorts is None and one.spec.ports[0].nodePort == 0,
            id="load balancer to ClusterIP",
        ),
    ],
)
def test_what_the_old_type_needed_goes_with_it(
    spec: dict[str, Any], turn: Callable[[Service], Service], left: Callable[[Service], bool]
) -> None:
    old = allocated(**spec)
    new = turn(clone(old))
    assert wrong_with_change(old, new) == []
    assert left(new)


def test_what_is_no_load_balancer_any_more_has_lost_its_outer_address() -> None:
    old = allocated(type="LoadBalancer")
    old.status.loadBalancer.ingress = [LoadBalancerIngress(ip="1.2.3.4", ipMode="VIP")]
    new = change(clone(old), type="ClusterIP")
    assert wrong_with_change(old, new) == []
    assert new.status.loadBalancer.ingress == []


def test_only_a_load_balancer_has_an_outer_address() -> None:
    old = allocated()
    new = clone(old)
    new.status.loadBalancer.ingress = [LoadBalancerIngress(ip="1.2.3.4", ipMode="VIP")]
    assert wrong_with_status(old, new) == ["status.loadBalancer.ingress: Forbidden: may only be used when `spec.type` is 'LoadBalancer'"]
