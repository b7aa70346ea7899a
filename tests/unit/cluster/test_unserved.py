from __future__ import annotations

import asyncio

import pytest

from pilothouse.api.types.core_v1 import Event, LoadBalancerIngress, LoadBalancerStatus, Service, ServicePort, ServiceSpec, ServiceStatus
from pilothouse.api.types.networking_v1 import (
    Ingress,
    IngressBackend,
    IngressClass,
    IngressClassSpec,
    IngressLoadBalancerIngress,
    IngressLoadBalancerStatus,
    IngressServiceBackend,
    IngressSpec,
    IngressStatus,
    NetworkPolicy,
    NetworkPolicySpec,
    ServiceBackendPort,
)
from pilothouse.cluster import unserved
from pilothouse.machinery.meta_v1 import LabelSelector, ObjectMeta
from pilothouse.testing import Cluster

NGINX = IngressClass(metadata=ObjectMeta(name="nginx"), spec=IngressClassSpec(controller="example.com/nginx"))
DEFAULT = IngressClass(metadata=ObjectMeta(name="any", annotations={"ingressclass.kubernetes.io/is-default-class": "true"}))
BACKEND = IngressBackend(service=IngressServiceBackend(name="web", port=ServiceBackendPort(number=80)))


def ingress(name: str = "", address: str = "", **annotations: str) -> Ingress:
    balancer = IngressLoadBalancerStatus(ingress=[IngressLoadBalancerIngress(ip=address)] if address else [])
    return Ingress(
        metadata=ObjectMeta(name="web", namespace="default", annotations=annotations),
        spec=IngressSpec(ingressClassName=name or None, defaultBackend=BACKEND),
        status=IngressStatus(loadBalancer=balancer),
    )


@pytest.mark.parametrize(
    ("obj", "classes", "expected"),
    [
        pytest.param(ingress(), [], "no ingress controller", id="no class at all"),
        pytest.param(ingress("nginx"), [], "no IngressClass nginx", id="a class that is not there"),
        pytest.param(
            ingress("nginx"), [NGINX], "controller example.com/nginx of IngressClass nginx", id="a class whose controller is silent"
        ),
        pytest.param(ingress("nginx", "192.0.2.1"), [NGINX], "", id="a class whose controller gave an address"),
        pytest.param(ingress(), [NGINX], "no ingress controller", id="a class that is not the default"),
        pytest.param(ingress(), [DEFAULT], "of IngressClass any", id="the default class, whose controller is silent"),
        pytest.param(ingress(address="192.0.2.1"), [], "", id="somebody serves it"),
        pytest.param(ingress(**{"kubernetes.io/ingress.class": "old"}), [], "", id="the old annotation"),
    ],
)
def test_ingresses(obj: Ingress, classes: list[IngressClass], expected: str) -> None:
    message = unserved.of_ingress(obj, classes)
    assert (expected in message[1]) if message else not expected


def service(type: str, balancer: str = "", address: str = "") -> Service:
    status = ServiceStatus(loadBalancer=LoadBalancerStatus(ingress=[LoadBalancerIngress(ip=address)] if address else []))
    spec = ServiceSpec(type=type, loadBalancerClass=balancer or None, ports=[ServicePort(port=80, nodePort=30080)])
    return Service(metadata=ObjectMeta(name="web", namespace="default"), spec=spec, status=status)


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        pytest.param(service("LoadBalancer"), "node ports 30080", id="nobody gives it an address"),
        pytest.param(service("LoadBalancer", "metallb"), "", id="a class of the user's own"),
        pytest.param(service("LoadBalancer", address="192.0.2.1"), "", id="somebody did"),
        pytest.param(service("NodePort"), "", id="another type"),
    ],
)
def test_load_balancers(obj: Service, expected: str) -> None:
    message = unserved.of_service(obj)
    assert (expected in message[1]) if message else not expected


def test_each_object_is_told_of_once() -> None:
    with Cluster(nodes=0, clock="still") as cluster:

        async def told() -> list[tuple[str, str]]:
            async with asyncio.TaskGroup() as group:
                task = group.create_task(unserved.Unserved(cluster.client, cluster.clock, cluster._entropy).run())
                policy = NetworkPolicy(
                    metadata=ObjectMeta(name="deny", namespace="default"), spec=NetworkPolicySpec(podSelector=LabelSelector())
                )
                for obj in (policy, ingress(), service("LoadBalancer")):
                    await cluster.client.create(obj)
                await cluster._advance(30)
                await cluster.client.patch(NetworkPolicy, "deny", "default", b'{"spec":{"policyTypes":["Egress"]}}')
                await cluster._advance(30)
                task.cancel()
            events = (await cluster.client.list(Event)).items
            return sorted((event.involvedObject.kind, event.reason) for event in events if event.source.component == "pilothouse")

        assert cluster.run(told()) == [("Ingress", "NoController"), ("NetworkPolicy", "NotEnforced"), ("Service", "NoLoadBalancer")]
