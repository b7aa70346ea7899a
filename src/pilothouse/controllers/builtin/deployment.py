"""Deployment: ReplicaSets that follow one another, one for each revision of a template."""

from __future__ import annotations

from collections.abc import Iterator

from pilothouse.api.types.apps_v1 import Deployment, ReplicaSet
from pilothouse.api.types.core_v1 import Pod
from pilothouse.client.events import WARNING
from pilothouse.client.store import Key
from pilothouse.controllers.deployments.rollout import Rollout
from pilothouse.controllers.framework.actions import Action, Emit, UpdateStatus
from pilothouse.controllers.framework.controller import CREATE, DELETE, GET, PATCH, READ, UPDATE, Controller, Owned, Related, Rule
from pilothouse.controllers.framework.owners import claim, controller_of
from pilothouse.controllers.framework.world import World
from pilothouse.machinery import codec, labels


def _recreating(pod: Pod, world: World) -> Iterator[Key]:
    """The Deployment that waits for this Pod's end before it makes new ones."""
    up = controller_of(pod)
    replicaset = world.get(ReplicaSet, pod.metadata.namespace, up.name) if up and up.kind == "ReplicaSet" else None
    top = controller_of(replicaset) if replicaset else None
    deployment = world.get(Deployment, pod.metadata.namespace, top.name) if top else None
    if deployment is not None and deployment.spec.strategy.type == "Recreate":
        yield deployment.metadata.namespace, deployment.metadata.name


class DeploymentController(Controller):
    """Rolls a template out, step by step within maxSurge and maxUnavailable, or by Recreate.

    - Each plan takes one step: what the ReplicaSets' own status shows next decides the one after.
    - The arithmetic is in controllers/deployments/.
    """

    name = "deployment"
    account = "deployment-controller"
    reconciles = Deployment
    watches = (
        Owned(ReplicaSet, selector=lambda deployment: labels.from_label_selector(deployment.spec.selector)),
        Related(Pod, _recreating),
    )
    rules = (
        Rule("apps", ("deployments",), READ + GET),
        Rule("apps", ("deployments/status", "deployments/finalizers"), UPDATE),
        Rule("apps", ("replicasets",), READ + CREATE + UPDATE + PATCH + DELETE),
        Rule("", ("pods",), READ),
        Rule("", ("events",), CREATE + PATCH),
    )

    def plan(self, deployment: Deployment, world: World) -> Iterator[Action]:
        """The next step of the rollout: create, resize or delete ReplicaSets, then write the status."""
        selector = labels.from_label_selector(deployment.spec.selector)
        if selector.everything:
            yield from _selects_all(deployment)
            return
        claimed = claim(deployment, world.claimable(deployment, ReplicaSet, selector), selector)
        yield from claimed.actions
        if claimed.actions:
            return  # they change the ReplicaSets: the rest of the plan is for when the cache shows it
        yield from Rollout(deployment, claimed.members, world).plan()


def _selects_all(deployment: Deployment) -> Iterator[Action]:
    yield Emit(deployment, WARNING, "SelectingAll", "This deployment is selecting all pods. A non-empty selector is required.")
    if deployment.status.observedGeneration < deployment.metadata.generation:
        changed = codec.clone(deployment)
        changed.status.observedGeneration = deployment.metadata.generation
        yield UpdateStatus(changed)
