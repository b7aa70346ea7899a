"""A status is its controller's: what somebody else writes into it is put right, by every controller that owns one."""

from __future__ import annotations

from typing import Any

import pytest

from pilothouse.api.types.apps_v1 import DaemonSet, Deployment, ReplicaSet, StatefulSet
from pilothouse.api.types.batch_v1 import CronJob, Job
from pilothouse.api.types.core_v1 import ObjectReference, ReplicationController
from pilothouse.api.types.policy_v1 import PodDisruptionBudget
from pilothouse.machinery import codec
from pilothouse.testing.controllers import RegistryBench

TEMPLATE: dict[str, Any] = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "app", "image": "app:1"}]}}
JOB: dict[str, Any] = {"template": {"spec": {**TEMPLATE["spec"], "restartPolicy": "Never"}}}
SELECTOR = {"matchLabels": {"app": "web"}}


def of(kind: type[Any], spec: dict[str, Any]) -> Any:
    return codec.from_dict({"metadata": {"name": "web", "namespace": "default"}, "spec": spec}, kind)


@pytest.mark.parametrize(
    ("kind", "spec", "wrong"),
    [
        pytest.param(ReplicationController, {"replicas": 2, "selector": {"app": "web"}, "template": TEMPLATE}, {"replicas": 7}),
        pytest.param(ReplicaSet, {"replicas": 2, "selector": SELECTOR, "template": TEMPLATE}, {"replicas": 7}),
        pytest.param(Deployment, {"replicas": 2, "selector": SELECTOR, "template": TEMPLATE}, {"replicas": 7, "updatedReplicas": 7}),
        pytest.param(StatefulSet, {"replicas": 2, "serviceName": "web", "selector": SELECTOR, "template": TEMPLATE}, {"replicas": 7}),
        pytest.param(DaemonSet, {"selector": SELECTOR, "template": TEMPLATE}, {"desiredNumberScheduled": 7, "numberMisscheduled": 7}),
        pytest.param(Job, JOB, {"active": 7}),
        pytest.param(
            CronJob, {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": JOB}}, {"active": [ObjectReference(name="none", uid="none")]}
        ),
        pytest.param(PodDisruptionBudget, {"minAvailable": 1, "selector": SELECTOR}, {"expectedPods": 7, "desiredHealthy": 7}),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
async def test_a_status_that_somebody_else_wrote_is_put_right(kind: type[Any], spec: dict[str, Any], wrong: dict[str, Any]) -> None:
    async with RegistryBench() as bench:
        await bench.client.create(of(kind, spec))
        await bench.advance(30)
        right = {name: getattr((await bench.client.get(kind, "web", "default")).status, name) for name in wrong}

        def spoil(obj: Any) -> None:
            for name, value in wrong.items():
                setattr(obj.status, name, value)

        spoilt = await bench.edit(kind, "web", spoil, "default", subresource="status")
        assert {name: getattr(spoilt.status, name) for name in wrong} == wrong
        await bench.advance(30)
        assert {name: getattr((await bench.client.get(kind, "web", "default")).status, name) for name in wrong} == right
