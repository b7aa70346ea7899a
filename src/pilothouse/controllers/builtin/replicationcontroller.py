"""ReplicationController: the older form of ReplicaSet."""

from __future__ import annotations

from collections.abc import Iterator

from pilothouse.api.types.core_v1 import Pod, ReplicationController
from pilothouse.controllers.framework.actions import Action
from pilothouse.controllers.framework.controller import CREATE, DELETE, GET, PATCH, READ, UPDATE, Controller, Owned, OwnStatus, Rule
from pilothouse.controllers.framework.world import World
from pilothouse.controllers.replicas import manage_replicas
from pilothouse.machinery import labels


class ReplicationControllerController(Controller):
    """Keeps as many Pods running as each ReplicationController asks for: see controllers/replicas.py."""

    name = "replicationcontroller"
    account = "replication-controller"
    source = "replication-controller"
    reconciles = ReplicationController
    own_status = OwnStatus.REPAIR
    watches = (
        Owned(
            Pod, selector=lambda controller: labels.match_labels(controller.spec.selector) if controller.spec.selector else labels.NOTHING
        ),
    )
    rules = (
        Rule("", ("replicationcontrollers",), READ + GET),
        Rule("", ("replicationcontrollers/status", "replicationcontrollers/finalizers"), UPDATE),
        Rule("", ("pods",), READ + CREATE + DELETE + PATCH),
        Rule("", ("events",), CREATE + PATCH),
    )

    def plan(self, controller: ReplicationController, world: World) -> Iterator[Action]:
        """Create or delete Pods until there are as many as asked for, then write the status."""
        if controller.spec.selector and controller.spec.template is not None:
            yield from manage_replicas(
                controller, labels.match_labels(controller.spec.selector), lambda: world.owned(controller, Pod), world
            )
