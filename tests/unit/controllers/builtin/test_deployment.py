"""Deployments rolled out in virtual time: sizes within their bounds, revisions, pause, rollback, deadlines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pilothouse.api.types.apps_v1 import Deployment, DeploymentSpec, DeploymentStrategy, ReplicaSet, ReplicaSetSpec, RollingUpdateDeployment
from pilothouse.api.types.core_v1 import Container, Event, Pod, PodCondition, PodSpec, PodTemplateSpec
from pilothouse.controllers.deployments import revisions, status
from pilothouse.machinery import errors
from pilothouse.machinery.meta_v1 import LabelSelector, ObjectMeta
from pilothouse.testing.controllers import Bench

LABELS = {"app": "web"}


def deployment(replicas: int = 3, *, surge: Any = "25%", unavailable: Any = "25%", recreate: bool = False, **spec: Any) -> Deployment:
    template = PodTemplateSpec(metadata=ObjectMeta(labels=dict(LABELS)), spec=PodSpec(containers=[Container(name="app", image="app:1")]))
    rolling = RollingUpdateDeployment(maxSurge=surge, maxUnavailable=unavailable)
    strategy = DeploymentStrategy(type="Recreate") if recreate else DeploymentStrategy(type="RollingUpdate", rollingUpdate=rolling)
    settings: dict[str, Any] = {"progressDeadlineSeconds": 600, "revisionHistoryLimit": 10, **spec}
    return Deployment(
        metadata=ObjectMeta(name="web", namespace="default", annotations={"team": "a"}),
        spec=DeploymentSpec(
            replicas=replicas, selector=LabelSelector(matchLabels=LABELS), template=template, strategy=strategy, **settings
        ),
    )


class Rolling(Bench):
    """Deployments and ReplicaSets, with Pods that become ready when a test says so."""

    def __init__(self) -> None:
        super().__init__("deployment", "replicaset")
        self.most = 0
        self.least_ready = 10**9

    async def apply(self, one: Deployment) -> None:
        self.transport.add(one)
        await self.advance(0)

    async def edit(self, change: Callable[[Deployment], None]) -> None:
        self.transport.change(self.deployment, change)
        await self.advance(0)

    async def image(self, name: str) -> None:
        await self.edit(lambda one: setattr(one.spec.template.spec.containers[0], "image", name))

    async def ready(self, *, bad: str = "bad", rounds: int = 60) -> None:
        """Let Pods become ready one after the other, but those of the image `bad`."""
        for _ in range(rounds):
            self.measure()
            waiting = [one for one in self.pods if not one.status.conditions and one.spec.containers[0].image != bad]
            if not waiting:
                return
            self.transport.change(waiting[0], self._become_ready)
            await self.advance(1)
        raise AssertionError("the rollout does not end")

    def measure(self) -> None:
        self.most = max(self.most, len(self.pods))
        self.least_ready = min(self.least_ready, sum(bool(one.status.conditions) for one in self.pods))

    def _become_ready(self, pod: Pod) -> None:
        from pilothouse.machinery import time

        pod.status.phase = "Running"
        pod.status.conditions = [PodCondition(type="Ready", status="True", lastTransitionTime=time.now_text(self.clock))]

    @property
    def deployment(self) -> Deployment:
        [one] = self.transport.all(Deployment)
        found: Deployment = one
        return found

    @property
    def pods(self) -> list[Pod]:
        return self.transport.all(Pod)

    @property
    def sizes(self) -> dict[str, tuple[int | None, str]]:
        """Image -> (replicas, revision)."""
        return {
            one.spec.template.spec.containers[0].image: (one.spec.replicas, one.metadata.annotations.get(revisions.REVISION, ""))
            for one in self.transport.all(ReplicaSet)
        }

    def condition(self, type: str) -> tuple[str, str] | None:
        return next(((one.status, one.reason) for one in self.deployment.status.conditions if one.type == type), None)

    @property
    def told(self) -> list[str]:
        return [one.message for one in self.transport.all(Event) if one.reason == "ScalingReplicaSet"]


async def test_a_new_deployment_makes_its_pods_and_says_when_they_are_available() -> None:
    async with Rolling() as bench:
        await bench.apply(deployment(3))
        assert bench.sizes == {"app:1": (3, "1")}
        assert bench.condition("Available") == ("False", "MinimumReplicasUnavailable")
        await bench.ready()
        [replicaset] = bench.transport.all(ReplicaSet)
        digest = replicaset.metadata.labels["pod-template-hash"]
        assert replicaset.metadata.name == f"web-{digest}"
        assert replicaset.metadata.annotations == {
            "team": "a",
            "deployment.kubernetes.io/revision": "1",
            "deployment.kubernetes.io/desired-replicas": "3",
            "deployment.kubernetes.io/max-replicas": "4",
        }
        assert replicaset.spec.selector.matchLabels == {"app": "web", "pod-template-hash": digest}
        status = bench.deployment.status
        assert (status.replicas, status.updatedReplicas, status.readyReplicas, status.availableReplicas) == (3, 3, 3, 3)
        assert (status.unavailableReplicas, status.observedGeneration) == (0, 1)
        assert bench.condition("Available") == ("True", "MinimumReplicasAvailable")
        assert bench.condition("Progressing") == ("True", "NewReplicaSetAvailable")
        assert bench.deployment.metadata.annotations[revisions.REVISION] == "1"
        assert bench.told == [f"Scaled up replica set web-{digest} from 0 to 3"]


@pytest.mark.parametrize(
    ("replicas", "surge", "unavailable", "most", "least"),
    [
        pytest.param(4, "25%", "25%", 5, 3, id="defaults"),
        pytest.param(4, 0, 1, 4, 3, id="no surge"),
        pytest.param(4, 2, 0, 6, 4, id="none unavailable"),
        pytest.param(3, 0, 0, 3, 2, id="both zero: one may be unavailable"),
        pytest.param(4, "100%", "100%", 8, 0, id="all at once"),
        pytest.param(1, "25%", "25%", 2, 1, id="one replica surges"),
    ],
)
async def test_a_rolling_update_keeps_within_its_bounds(replicas: int, surge: Any, unavailable: Any, most: int, least: int) -> None:
    async with Rolling() as bench:
        await bench.apply(deployment(replicas, surge=surge, unavailable=unavailable))
        await bench.ready()
        bench.most, bench.least_ready = 0, replicas
        await bench.image("app:2")
        await bench.ready()
        assert bench.sizes == {"app:1": (0, "1"), "app:2": (replicas, "2")}
        assert bench.most <= most
        assert bench.least_ready >= least
        assert bench.condition("Progressing") == ("True", "NewReplicaSetAvailable")


async def test_recreate_waits_for_the_last_old_pod() -> None:
    async with Rolling() as bench:
        await bench.apply(deployment(2, recreate=True))
        await bench.ready()
        for pod in bench.pods:
            bench.transport.change(pod, lambda one: one.metadata.finalizers.append("test/slow"))
        await bench.image("app:2")
        await bench.advance(5)
        assert {one.spec.containers[0].image for one in bench.pods} == {"app:1"}
        for pod in bench.pods:
            bench.transport.remove(pod)
        await bench.advance(5)
        await bench.ready()
        assert bench.sizes == {"app:1": (0, "1"), "app:2": (2, "2")}


async def test_a_bad_image_leaves_the_old_pods_serving_until_it_is_undone() -> None:
    async with Rolling() as bench:
        await bench.apply(deployment(4))
        await bench.ready()
        await bench.image("bad")
        await bench.ready()
        await bench.advance(120)
        assert sum(bool(one.status.conditions) for one in bench.pods) == 3
        assert bench.condition("Progressing") == ("True", "ReplicaSetUpdated")
        await bench.advance(600)
        assert bench.condition("Progressing") == ("False", "ProgressDeadlineExceeded")
        assert bench.condition("Available") == ("True", "MinimumReplicasAvailable")
        await bench.image("app:1")  # what kubectl rollout undo does: the old template again
        await bench.ready()
        assert bench.sizes == {"app:1": (4, "3"), "bad": (0, "2")}
        [old] = [one for one in bench.transport.all(ReplicaSet) if one.spec.replicas]
        assert old.metadata.annotations["deployment.kubernetes.io/revision-history"] == "1"
        assert bench.condition("Progressing") == ("True", "NewReplicaSetAvailable")


async def test_paused_scales_but_does_not_roll() -> None:
    async with Rolling() as bench:
        await bench.apply(deployment(3))
        await bench.ready()
        await bench.edit(lambda one: setattr(one.spec, "paused", True))
        await bench.image("app:2")
        await bench.edit(lambda one: setattr(one.spec, "replicas", 5))
        await bench.ready()
        assert bench.sizes == {"app:1": (5, "1")}
        assert bench.condition("Progressing") == ("Unknown", "DeploymentPaused")
        await bench.edit(lambda one: setattr(one.spec, "paused", False))
        await bench.ready()
        assert bench.sizes == {"app:1": (0, "1"), "app:2": (5, "2")}


async def test_scaling_in_the_midst_of_a_rollout_keeps_the_shares() -> None:
    async with Rolling() as bench:
        await bench.apply(deployment(10, surge=3, unavailable=2))
        await bench.ready()
        await bench.image("bad")
        await bench.ready()
        assert bench.sizes == {"app:1": (8, "1"), "bad": (5, "2")}  # the example of Kubernetes' own documents
        await bench.edit(lambda one: setattr(one.spec, "replicas", 15))
        assert bench.sizes == {"app:1": (11, "1"), "bad": (7, "2")}


async def test_keeps_as_many_old_revisions_as_it_is_told() -> None:
    async with Rolling() as bench:
        await bench.apply(deployment(1, revisionHistoryLimit=2))
        for number in range(1, 6):
            await bench.image(f"app:{number}")
            await bench.ready()
        assert set(bench.sizes) == {"app:3", "app:4", "app:5"}


async def test_scaling_down_to_nothing_and_up_again() -> None:
    async with Rolling() as bench:
        await bench.apply(deployment(3))
        await bench.ready()
        await bench.edit(lambda one: setattr(one.spec, "replicas", 0))
        assert bench.pods == []
        assert bench.told[-1].endswith("from 3 to 0")
        await bench.edit(lambda one: setattr(one.spec, "replicas", 2))
        await bench.ready()
        assert len(bench.pods) == 2
        assert bench.condition("Available") == ("True", "MinimumReplicasAvailable")


async def test_a_replicaset_that_cannot_be_made_is_told() -> None:
    async with Rolling() as bench:
        refused = errors.forbidden("replicasets", "apps", "web-x", "no")
        bench.transport.fail(*[refused] * 8, when=lambda call: call.verb == "create" and call.resource.kind == "ReplicaSet")
        bench.transport.add(deployment(1))
        await bench.advance(0.1)
        assert bench.condition("Progressing") == ("False", "ReplicaSetCreateError")
        await bench.advance(10)
        assert bench.sizes == {"app:1": (1, "1")}
        assert bench.condition("Progressing") == ("True", "ReplicaSetUpdated")


async def test_a_name_that_another_template_has_is_passed_over() -> None:
    async with Rolling() as bench:
        wanted = deployment(1)
        name = f"web-{revisions.template_hash(wanted.spec.template, 0)}"
        bench.transport.add(ReplicaSet(metadata=ObjectMeta(name=name, namespace="default"), spec=ReplicaSetSpec(replicas=0)))
        await bench.apply(wanted)
        await bench.advance(1)
        assert bench.deployment.status.collisionCount == 1
        assert len(bench.pods) == 1


async def test_the_failure_of_a_replicaset_shows_on_the_deployment() -> None:
    async with Rolling() as bench:
        refused = errors.forbidden("pods", "", "web-x", "exceeded quota")
        bench.transport.fail(*[refused] * 50, when=lambda call: call.verb == "create" and call.resource.kind == "Pod")
        await bench.apply(deployment(2))
        await bench.advance(1)
        assert bench.condition("ReplicaFailure") == ("True", "FailedCreate")


@pytest.mark.parametrize(
    ("asked", "made", "available", "expected"),
    [
        pytest.param(3, 3, 1, 2, id="not ready"),
        pytest.param(3, 1, 1, 2, id="asked for and not made"),
        pytest.param(1, 3, 3, 0, id="more than asked for"),
    ],
)
def test_unavailable_is_what_is_asked_for_and_not_there(asked: int, made: int, available: int, expected: int) -> None:
    one = ReplicaSet(spec=ReplicaSetSpec(replicas=asked))
    one.status.replicas, one.status.availableReplicas = made, available
    found = status.counted(deployment(asked), [one], one, "2025-01-01T00:00:00Z")
    assert (found.replicas, found.unavailableReplicas) == (made, expected)
