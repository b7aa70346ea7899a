"""Quotas are charged before an object is made, and nothing is made that does not fit."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from pilothouse.api.types.core_v1 import (
    ConfigMap,
    Container,
    LimitRange,
    LimitRangeItem,
    LimitRangeSpec,
    Pod,
    PodSpec,
    ResourceQuota,
    ResourceQuotaSpec,
    ResourceRequirements,
    Service,
    ServicePort,
    ServiceSpec,
)
from pilothouse.client.call import Options
from pilothouse.machinery.codec import clone
from pilothouse.machinery.errors import StatusError
from pilothouse.machinery.meta_v1 import ObjectMeta
from tests.unit.apiserver.registry.house import House, config, pod, refused


async def allow(house: House, name: str = "q", scopes: tuple[str, ...] = (), **hard: str) -> None:
    spec = ResourceQuotaSpec(hard={key.replace("_", ".").replace("ANY.", "count/"): one for key, one in hard.items()}, scopes=list(scopes))
    await house.client.create(ResourceQuota(metadata=ObjectMeta(name=name, namespace="default"), spec=spec))


async def used(house: House, name: str = "q") -> dict[str, Any]:
    found: dict[str, Any] = (await house.client.get(ResourceQuota, name, "default")).status.used
    return found


def asking(name: str, **requests: str) -> Pod:
    container = Container(name="main", image="image:1", resources=ResourceRequirements(requests=dict(requests)))
    return Pod(metadata=ObjectMeta(name=name, namespace="default"), spec=PodSpec(containers=[container]))


def service(type: str) -> Service:
    return Service(metadata=ObjectMeta(name="s", namespace="default"), spec=ServiceSpec(type=type, ports=[ServicePort(port=80)]))


async def test_what_does_not_fit_is_refused(house: House) -> None:
    await allow(house, pods="1")
    await house.client.create(pod("a"))
    text = 'pods "b" is forbidden: exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1'
    async with refused(403, text):
        await house.client.create(pod("b"))
    assert await used(house) == {"pods": "1"}


async def test_every_name_that_is_exceeded_is_told(house: House) -> None:
    await allow(house, requests_cpu="1", requests_memory="1Gi", pods="5")
    await house.client.create(asking("a", cpu="600m", memory="600Mi"))
    text = (
        "exceeded quota: q, requested: requests.cpu=500m,requests.memory=500Mi, used: requests.cpu=600m,requests.memory=600Mi, "
        "limited: requests.cpu=1,requests.memory=1Gi"
    )
    async with refused(403, text):
        await house.client.create(asking("b", cpu="500m", memory="500Mi"))
    assert await used(house) == {"pods": "1", "requests.cpu": "600m", "requests.memory": "600Mi"}


async def test_a_pod_must_say_what_a_quota_counts(house: House) -> None:
    await allow(house, requests_cpu="1")
    async with refused(403, 'pods "a" is forbidden: failed quota: q: must specify requests.cpu for: main'):
        await house.client.create(pod("a"))


async def test_a_dry_run_is_judged_but_not_charged(house: House) -> None:
    await allow(house, configmaps="1")
    await house.client.create(config("a"), options=Options(dry_run=True))
    assert await used(house) == {}
    await house.client.create(config("a"))
    async with refused(403, "exceeded quota"):
        await house.client.create(config("b"), options=Options(dry_run=True))


async def test_what_was_there_before_the_quota_counts(house: House) -> None:
    await house.client.create(config("a"))
    await allow(house, ANY_configmaps="1")
    async with refused(403, "requested: count/configmaps=1, used: count/configmaps=1, limited: count/configmaps=1"):
        await house.client.create(config("b"))


async def test_other_kinds_and_scopes_are_not_charged(house: House) -> None:
    await allow(house, pods="0", scopes=("Terminating",))
    await house.client.create(pod("a"))
    await house.client.create(config("a"))
    assert await used(house) == {}


async def test_a_service_is_charged_for_what_it_becomes(house: House) -> None:
    await allow(house, services_nodeports="0", services="2")  # one is the API's own
    made = await house.client.create(service("ClusterIP"))
    grown = clone(made)
    grown.spec.type = "NodePort"
    async with refused(403, "requested: services.nodeports=1, used: services.nodeports=0, limited: services.nodeports=0"):
        await house.client.update(grown)
    grown.spec.type, grown.metadata.labels = "ClusterIP", {"a": "b"}
    await house.client.update(grown)
    assert (await used(house))["services"] == "2"


async def test_of_many_at_once_only_so_many_pass(house: House) -> None:
    await allow(house, configmaps="7")
    results = await asyncio.gather(*(house.client.create(config(f"c{one}")) for one in range(20)), return_exceptions=True)
    made = [one for one in results if isinstance(one, ConfigMap)]
    assert (len(made), await used(house)) == (7, {"configmaps": "7"})
    assert all(isinstance(one, StatusError) and one.code == 403 for one in results if one not in made)


async def test_subresources_are_not_charged(house: House) -> None:
    await house.client.create(pod("a"))
    await allow(house, pods="0")
    await house.client.patch(Pod, "a", "default", b'{"status":{"phase":"Running"}}', subresource="status")


async def test_quota_is_not_charged_when_another_quota_refuses(house: House) -> None:
    await allow(house, "a", pods="5")
    await allow(house, "z", pods="0")
    async with refused(403, "exceeded quota: z, requested: pods=1, used: pods=0, limited: pods=0"):
        await house.client.create(pod("a"))
    assert await used(house, "a") == {}


async def test_a_pod_that_gets_a_deadline_is_charged_to_the_quota_of_terminating_pods(house: House) -> None:
    await allow(house, "ending", scopes=("Terminating",), pods="1")
    for name in ("a", "b"):
        await house.client.create(pod(name))
    assert await used(house, "ending") == {}
    deadline = b'{"spec":{"activeDeadlineSeconds":9}}'
    await house.client.patch(Pod, "a", "default", deadline)
    assert await used(house, "ending") == {"pods": "1"}
    async with refused(403, "exceeded quota: ending, requested: pods=1, used: pods=1, limited: pods=1"):
        await house.client.patch(Pod, "b", "default", deadline)
    await house.client.patch(Pod, "a", "default", b'{"metadata":{"labels":{"x":"y"}}}')
    assert await used(house, "ending") == {"pods": "1"}


def container(name: str, cpu: str, *, sidecar: bool = False) -> Container:
    resources = ResourceRequirements(requests={"cpu": cpu}, limits={"cpu": cpu})
    return Container(name=name, image="image:1", resources=resources, restartPolicy="Always" if sidecar else None)


@pytest.mark.parametrize(
    ("spec", "asked"),
    [
        pytest.param(PodSpec(containers=[container("a", "300m"), container("b", "300m")]), "600m", id="containers add up"),
        pytest.param(PodSpec(containers=[container("a", "300m")], initContainers=[container("i", "900m")]), "900m", id="the largest init"),
        pytest.param(
            PodSpec(containers=[container("a", "300m")], initContainers=[container("s", "400m", sidecar=True)]), "700m", id="a sidecar"
        ),
        pytest.param(
            PodSpec(
                containers=[container("a", "300m")],
                resources=ResourceRequirements(requests={"cpu": "800m"}, limits={"cpu": "800m"}),
            ),
            "800m",
            id="what is said for the pod",
        ),
    ],
)
async def test_a_limit_range_bounds_the_pod_as_a_whole(house: House, spec: PodSpec, asked: str) -> None:
    item = LimitRangeItem(type="Pod", max={"cpu": "500m"})
    limits = LimitRange(metadata=ObjectMeta(name="l", namespace="default"), spec=LimitRangeSpec(limits=[item]))
    await house.client.create(limits)
    async with refused(403, f'pods "a" is forbidden: maximum cpu usage per Pod is 500m, but limit is {asked}'):
        await house.client.create(Pod(metadata=ObjectMeta(name="a", namespace="default"), spec=spec))
