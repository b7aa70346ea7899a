"""TTL controller: annotates Nodes with how long kubelets may cache Secrets and ConfigMaps, by the size of the cluster."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from pilothouse.api.types.core_v1 import Node
from pilothouse.controllers.framework.actions import Action, Patch
from pilothouse.controllers.framework.controller import PATCH, READ, Controller, Rule
from pilothouse.controllers.framework.world import World

ANNOTATION = "node.alpha.kubernetes.io/ttl"


class Step(NamedTuple):
    """TTL for clusters of `least` to `most` nodes; the ranges overlap to avoid flapping."""

    least: int
    most: float
    seconds: int


STEPS = (
    Step(0, 100, 0),
    Step(90, 500, 15),
    Step(450, 1000, 30),
    Step(900, 2000, 60),
    Step(1800, 10000, 300),
    Step(9000, float("inf"), 600),
)


class TTLController(Controller):
    """Writes it on every node; nodes that are there learn of a change when something else of them changes, as upstream."""

    name = "ttl-controller"
    account = "ttl-controller"
    reconciles = Node
    workers = 1
    rules = (Rule("", ("nodes",), READ + PATCH),)

    def plan(self, node: Node, world: World) -> Iterator[Action]:
        """Patch the node's annotation when the size of the cluster asks for another time to live."""
        place = world.shared["place"] = next_place(world.shared.get("place", 0), len(world.list(Node)))
        wanted = str(STEPS[place].seconds)
        if node.metadata.annotations.get(ANNOTATION) != wanted:
            yield Patch(node, {"metadata": {"annotations": {ANNOTATION: wanted}}})


def next_place(place: int, nodes: int) -> int:
    """The step for so many nodes, coming from `place`."""
    while nodes > STEPS[place].most:
        place += 1
    while nodes < STEPS[place].least:
        place -= 1
    return place
