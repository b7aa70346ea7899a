"""ReplicaSet: as many Pods of one template as asked for."""

from __future__ import annotations

from collections.abc import Iterator

from pilothouse.api.types.apps_v1 import ReplicaSet
from pilothouse.api.types.core_v1 import Pod
from pilothouse.controllers.framework.actions import Action
from pilothouse.controllers.framework.controller import CREATE, DELETE, GET, PATCH, READ, UPDATE, Controller, Owned, OwnStatus, Rule
from pilothouse.controllers.framework.owners import controller_of
from pilothouse.controllers.framework.world import World
from pilothouse.controllers.replicas import manage_replicas
from pilothouse.machinery import labels


class ReplicaSetController(Controller):
    """Keeps as many Pods running as each ReplicaSet asks for.

    - Counts its own creations until the cache shows them: never more Pods than asked for.
    - Removes first what costs least: see ranking.py.
    - Adopts what matches and has no owner; releases what no longer matches.
    """

    name = "replicaset"
    account = "replicaset-controller"
    reconciles = ReplicaSet
    own_status = OwnStatus.REPAIR
    watches = (Owned(Pod, selector=lambda rs: labels.from_label_selector(rs.spec.selector)),)
    rules = (
        Rule("apps", ("replicasets",), READ + GET),
        Rule("apps", ("replicasets/status", "replicasets/finalizers"), UPDATE),
        Rule("", ("pods",), READ + CREATE + DELETE + PATCH),
        Rule("", ("events",), CREATE + PATCH),
    )

    def plan(self, rs: ReplicaSet, world: World) -> Iterator[Action]:
        """Create or delete Pods until there are as many as asked for, then write the status."""
        yield from manage_replicas(rs, labels.from_label_selector(rs.spec.selector), lambda: _related(rs, world), world)


def _related(rs: ReplicaSet, world: World) -> list[Pod]:
    """The Pods of all ReplicaSets that the same controller has: of all revisions of a Deployment."""
    controller = controller_of(rs)
    if controller is None:
        return [*world.owned(rs, Pod)]
    siblings = [
        sibling for sibling in world.list(ReplicaSet, rs.metadata.namespace) if (up := controller_of(sibling)) and up.uid == controller.uid
    ]
    return [pod for sibling in siblings for pod in world.owned(sibling, Pod)]
