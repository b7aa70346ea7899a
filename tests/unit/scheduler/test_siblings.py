"""Whom a Pod without constraints of its own is spread from."""

from __future__ import annotations

from typing import Any

import pytest

from pilothouse.api.types.apps_v1 import ReplicaSet, ReplicaSetSpec, StatefulSet, StatefulSetSpec
from pilothouse.api.types.core_v1 import Pod, ReplicationController, ReplicationControllerSpec, Service, ServiceSpec
from pilothouse.client.informers import Informers
from pilothouse.kit.entropy import Entropy
from pilothouse.kit.virtual_clock import VirtualClock
from pilothouse.machinery.meta_v1 import LabelSelector, ObjectMeta, OwnerReference
from pilothouse.scheduler.siblings import siblings
from tests.unit.scheduler.fake_api import FakeApi
from tests.unit.scheduler.objects import node, pod
from tests.unit.scheduler.test_scheduler import World

LABELS = {"app": "web", "tier": "front", "pod-template-hash": "1"}


def meta(name: str, namespace: str = "default") -> ObjectMeta:
    return ObjectMeta(name=name, namespace=namespace)


def service(selector: dict[str, str], namespace: str = "default") -> Service:
    return Service(metadata=meta("web", namespace), spec=ServiceSpec(selector=selector))


def owned(kind: str, version: str = "apps/v1", *, controller: bool = True) -> Pod:
    made = pod(labels=LABELS)
    made.metadata.ownerReferences = [OwnerReference(apiVersion=version, kind=kind, name="web", uid="u", controller=controller)]
    return made


REPLICASET = ReplicaSet(
    metadata=meta("web"), spec=ReplicaSetSpec(selector=LabelSelector(matchLabels={"app": "web", "pod-template-hash": "1"}))
)
STATEFULSET = StatefulSet(metadata=meta("web"), spec=StatefulSetSpec(selector=LabelSelector(matchLabels={"app": "web"})))
CONTROLLER = ReplicationController(metadata=meta("web"), spec=ReplicationControllerSpec(selector={"app": "web"}))


@pytest.mark.parametrize(
    ("objects", "one", "selector"),
    [
        pytest.param([], pod(labels=LABELS), "", id="nobody"),
        pytest.param([service({"app": "web"})], pod(labels=LABELS), "app=web", id="those of its Service"),
        pytest.param([service({"app": "web"}, "other")], pod(labels=LABELS), "", id="not of another namespace's"),
        pytest.param([service({"app": "db"})], pod(labels=LABELS), "", id="not of another Service"),
        pytest.param([service({})], pod(labels=LABELS), "", id="a Service without a selector has none"),
        pytest.param([REPLICASET], owned("ReplicaSet"), "app=web,pod-template-hash=1", id="those of its ReplicaSet"),
        pytest.param([STATEFULSET], owned("StatefulSet"), "app=web", id="those of its StatefulSet"),
        pytest.param([CONTROLLER], owned("ReplicationController", "v1"), "app=web", id="those of its ReplicationController"),
        pytest.param([REPLICASET], owned("ReplicaSet", "example.com/v1"), "", id="not of a kind of the same name"),
        pytest.param([REPLICASET], owned("ReplicaSet", controller=False), "", id="not of an owner that does not control"),
        pytest.param([], owned("Job", "batch/v1"), "", id="not of a Job"),
        pytest.param(
            [service({"tier": "front"}), REPLICASET], owned("ReplicaSet"), "tier=front,app=web,pod-template-hash=1", id="those of both"
        ),
    ],
)
async def test_siblings(objects: list[Any], one: Pod, selector: str) -> None:
    informers = Informers(FakeApi().client, VirtualClock(), Entropy(1))
    asked = siblings(informers)
    for obj in objects:
        informers.of(type(obj)).store.put(obj)
    assert str(asked(one)) == selector


async def test_pods_of_a_service_are_spread() -> None:
    async with World().running() as world:
        await world.put(node("a"), node("b"), service({"app": "web"}))
        for number in range(4):  # the roomier node would get the second as well
            await world.put(pod(f"web-{number}", labels=LABELS, cpu="10m"), pod(f"other-{number}", cpu="500m", nodeName="b"))
        assert sorted(world.where(f"web-{number}") for number in range(4)) == ["a", "a", "b", "b"]
