"""What admission does to pods: identity, priority, tolerations, limits."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from pilothouse.api.types.core_v1 import (
    EmptyDirVolumeSource,
    LimitRange,
    LimitRangeItem,
    LimitRangeSpec,
    LocalObjectReference,
    Namespace,
    Pod,
    ResourceRequirements,
    ServiceAccount,
    Toleration,
    Volume,
    VolumeMount,
)
from pilothouse.api.types.node_v1 import Overhead, RuntimeClass, Scheduling
from pilothouse.api.types.scheduling_v1 import PriorityClass
from pilothouse.apiserver.admission.plugins.serviceaccount import MOUNT_PATH
from pilothouse.machinery.codec import clone, to_dict
from pilothouse.machinery.meta_v1 import ObjectMeta
from tests.unit.apiserver.registry.house import House, pod, refused


async def test_a_pod_gets_an_identity_and_a_token(house: House) -> None:
    made = await house.client.create(pod("a"))
    spec = made.spec
    assert (spec.serviceAccountName, spec.serviceAccount) == ("default", "default")
    (volume,) = spec.volumes
    assert volume.name.startswith("kube-api-access-")
    assert to_dict(volume.projected) == {
        "defaultMode": 420,
        "sources": [
            {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
            {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}]}},
        ],
    }
    assert spec.containers[0].volumeMounts == [VolumeMount(name=volume.name, readOnly=True, mountPath=MOUNT_PATH)]
    assert (await house.client.create(pod("b"))).spec == spec, "pods of one template differ in their names alone"


@pytest.mark.parametrize(
    ("of_pod", "of_account", "mounted"),
    [
        pytest.param(None, None, True, id="nobody says"),
        pytest.param(False, None, False, id="the pod says no"),
        pytest.param(None, False, False, id="the account says no"),
        pytest.param(True, False, True, id="the pod goes before the account"),
    ],
)
async def test_the_token_can_be_turned_off(house: House, of_pod: bool | None, of_account: bool | None, mounted: bool) -> None:
    account = ServiceAccount(metadata=ObjectMeta(name="me", namespace="default"), automountServiceAccountToken=of_account)
    await house.client.create(account)
    wanted = pod("a")
    wanted.spec.serviceAccountName, wanted.spec.automountServiceAccountToken = "me", of_pod
    assert bool((await house.client.create(wanted)).spec.volumes) is mounted


async def test_what_is_mounted_in_its_place_stays(house: House) -> None:
    wanted = pod("a")
    wanted.spec.containers[0].volumeMounts = [VolumeMount(name="mine", mountPath=MOUNT_PATH)]
    wanted.spec.volumes = [Volume(name="mine", emptyDir=EmptyDirVolumeSource())]
    made = await house.client.create(wanted)
    assert [one.name for one in made.spec.volumes] == ["mine"]


async def test_pull_secrets_come_from_the_account(house: House) -> None:
    account = ServiceAccount(metadata=ObjectMeta(name="me", namespace="default"), imagePullSecrets=[LocalObjectReference(name="s")])
    await house.client.create(account)
    wanted = pod("a")
    wanted.spec.serviceAccountName = "me"
    assert (await house.client.create(wanted)).spec.imagePullSecrets == [LocalObjectReference(name="s")]


async def test_a_missing_account_refuses_the_pod(house: House) -> None:
    wanted = pod("a")
    wanted.spec.serviceAccountName = "nobody"
    message = 'pods "a" is forbidden: error looking up service account default/nobody: serviceaccount "nobody" not found'
    async with refused(403, message):
        await house.client.create(wanted)


async def test_a_first_pod_waits_for_the_account_of_its_namespace(house: House) -> None:
    await house.client.create(Namespace(metadata=ObjectMeta(name="new")))
    wanted = pod("a")
    wanted.metadata.namespace = "new"
    creating = asyncio.create_task(house.client.create(wanted))
    await asyncio.sleep(0.01)
    assert not creating.done()
    await house.client.create(ServiceAccount(metadata=ObjectMeta(name="default", namespace="new")))
    assert (await creating).spec.serviceAccountName == "default"


async def test_a_first_pod_does_not_wait_for_ever(house: House) -> None:
    await house.client.create(Namespace(metadata=ObjectMeta(name="new")))
    wanted = pod("a")
    wanted.metadata.namespace = "new"

    async def create() -> None:
        async with refused(403, 'serviceaccount "default" not found'):
            await house.client.create(wanted)

    creating = asyncio.create_task(create())
    await house.clock.advance(2)
    await creating


async def test_a_pod_stays_five_minutes_on_a_broken_node(house: House) -> None:
    wanted = pod("a")
    wanted.spec.tolerations = [Toleration(key="node.kubernetes.io/not-ready", operator="Exists", effect="NoExecute")]
    made = await house.client.create(wanted)
    assert [(one.key, one.tolerationSeconds) for one in made.spec.tolerations] == [
        ("node.kubernetes.io/not-ready", None),
        ("node.kubernetes.io/unreachable", 300),
    ]


def priority_class(name: str, value: int, **more: Any) -> PriorityClass:
    return PriorityClass(metadata=ObjectMeta(name=name), value=value, **more)


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        pytest.param("", ("", 0, "PreemptLowerPriority"), id="none"),
        pytest.param("gentle", ("gentle", 7, "Never"), id="by name"),
        pytest.param("system-node-critical", ("system-node-critical", 2000001000, "PreemptLowerPriority"), id="the system's"),
    ],
)
async def test_a_class_becomes_a_number(house: House, named: str, expected: tuple[str, int, str]) -> None:
    await house.client.create(priority_class("gentle", 7, preemptionPolicy="Never"))
    wanted = pod("a")
    wanted.spec.priorityClassName = named
    spec = (await house.client.create(wanted)).spec
    assert (spec.priorityClassName, spec.priority, spec.preemptionPolicy) == expected


async def test_the_default_class_is_for_those_who_name_none(house: House) -> None:
    await house.client.create(priority_class("usual", 5, globalDefault=True))
    spec = (await house.client.create(pod("a"))).spec
    assert (spec.priorityClassName, spec.priority) == ("usual", 5)
    async with refused(403, "PriorityClass usual is already marked as default. Only one default can exist"):
        await house.client.create(priority_class("other", 6, globalDefault=True))


async def test_the_systems_own_classes_stay(house: House) -> None:
    async with refused(403, 'priorityclasses.scheduling.k8s.io "system-node-critical" is forbidden: this is a system priority class'):
        await house.client.delete(PriorityClass, "system-node-critical")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        pytest.param("nobody", None, "no PriorityClass with name nobody was found", id="no such class"),
        pytest.param("", 9, "the integer value of priority (9) must not be provided in pod spec", id="a number of one's own"),
    ],
)
async def test_priorities_that_are_refused(house: House, name: str, value: int | None, message: str) -> None:
    wanted = pod("a")
    wanted.spec.priorityClassName, wanted.spec.priority = name, value
    async with refused(403, message):
        await house.client.create(wanted)


async def limit(house: House, type: str = "Container", **amounts: Any) -> None:
    spec = LimitRangeSpec(limits=[LimitRangeItem(type=type, **amounts)])
    await house.client.create(LimitRange(metadata=ObjectMeta(name="limits", namespace="default"), spec=spec))


async def test_limit_ranges_fill_in(house: House) -> None:
    await limit(house, default={"cpu": "500m", "memory": "1Gi"}, defaultRequest={"cpu": "100m"})
    made = await house.client.create(pod("a"))
    assert made.spec.containers[0].resources.requests["cpu"] == "100m"
    assert made.spec.containers[0].resources.limits == {"cpu": "500m", "memory": "1Gi"}
    assert made.metadata.annotations["kubernetes.io/limit-ranger"].startswith("LimitRanger plugin set: ")


@pytest.mark.parametrize(
    ("bound", "asked", "message"),
    [
        pytest.param(
            {"max": {"memory": "1Gi"}},
            {"limits": {"memory": "1536Mi"}},
            'pods "a" is forbidden: maximum memory usage per Container is 1Gi, but limit is 1536Mi',
            id="too much",
        ),
        pytest.param(
            {"min": {"cpu": "100m"}},
            {"requests": {"cpu": "50m"}},
            "minimum cpu usage per Container is 100m, but request is 50m",
            id="too little",
        ),
        pytest.param(
            {"maxLimitRequestRatio": {"cpu": "2"}},
            {},
            "cpu max limit to request ratio per Container is 2, but no request is specified or request is 0",
            id="nothing said",
        ),
        pytest.param(
            {"maxLimitRequestRatio": {"cpu": "2"}},
            {"requests": {"cpu": "1"}, "limits": {"cpu": "3"}},
            "cpu max limit to request ratio per Container is 2, but provided ratio is 3.000000",
            id="too wide",
        ),
    ],
)
async def test_limit_ranges_refuse(house: House, bound: dict[str, Any], asked: dict[str, Any], message: str) -> None:
    await limit(house, **bound)
    wanted = pod("a")
    wanted.spec.containers[0].resources = ResourceRequirements(**asked)
    async with refused(403, message):
        await house.client.create(wanted)


async def test_a_pod_is_bounded_as_a_whole(house: House) -> None:
    await limit(house, "Pod", max={"cpu": "1"})
    wanted = pod("a")
    more = clone(wanted.spec.containers[0])
    more.name = "more"
    wanted.spec.containers.append(more)
    for container in wanted.spec.containers:
        container.resources = ResourceRequirements(limits={"cpu": "600m"})
    async with refused(403, "maximum cpu usage per Pod is 1, but limit is 1200m"):
        await house.client.create(wanted)


async def test_an_update_keeps_what_admission_has_set(house: House) -> None:
    made = clone(await house.client.create(pod("a")))
    wanted = pod("a")
    wanted.spec.volumes = made.spec.volumes
    wanted.spec.containers[0].volumeMounts = made.spec.containers[0].volumeMounts
    wanted.spec.serviceAccountName = "default"
    wanted.metadata.labels = {"x": "y"}
    assert (await house.client.update(wanted)).spec == made.spec
    assert (await house.client.get(Pod, "a", "default")).metadata.labels == {"x": "y"}


async def runtime(house: House) -> None:
    made = RuntimeClass(
        metadata=ObjectMeta(name="heavy"),
        handler="heavy",
        overhead=Overhead(podFixed={"cpu": "100m"}),
        scheduling=Scheduling(nodeSelector={"heavy": "yes"}, tolerations=[Toleration(key="heavy", operator="Exists")]),
    )
    await house.client.create(made)


async def test_a_runtime_class_says_what_it_costs_and_where_it_runs(house: House) -> None:
    await runtime(house)
    wanted = pod("a")
    wanted.spec.runtimeClassName = "heavy"
    spec = (await house.client.create(wanted)).spec
    assert (spec.overhead, spec.nodeSelector) == ({"cpu": "100m"}, {"heavy": "yes"})
    assert "heavy" in [one.key for one in spec.tolerations]


@pytest.mark.parametrize(
    ("named", "selector", "overhead", "message"),
    [
        pytest.param("nobody", {}, {}, 'pod rejected: RuntimeClass "nobody" not found', id="no such class"),
        pytest.param("heavy", {"heavy": "no"}, {}, "conflict: runtimeClass.scheduling.nodeSelector[heavy] = yes", id="another node"),
        pytest.param("heavy", {}, {"cpu": "1"}, "Pod's Overhead doesn't match", id="another overhead"),
        pytest.param(None, {}, {"cpu": "1"}, "Overhead set without corresponding RuntimeClass", id="an overhead of one's own"),
    ],
)
async def test_runtime_classes_refuse(
    house: House, named: str | None, selector: dict[str, str], overhead: dict[str, Any], message: str
) -> None:
    await runtime(house)
    wanted = pod("a")
    wanted.spec.runtimeClassName, wanted.spec.nodeSelector, wanted.spec.overhead = named, selector, overhead
    async with refused(403, message):
        await house.client.create(wanted)
