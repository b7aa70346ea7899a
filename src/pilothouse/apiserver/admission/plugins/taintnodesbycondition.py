"""TaintNodesByCondition: a new Node takes no pods until it has said that it is ready.

The taint is taken by controllers/builtin/nodelifecycle.py.
"""

from __future__ import annotations

from pilothouse.api import wellknown
from pilothouse.api.types.core_v1 import Node, Taint
from pilothouse.apiserver.admission.plugin import CREATE, AdmissionRequest, Plugin, World

NODES = ("", "nodes")


class TaintNodesByCondition(Plugin):
    """See the module docstring."""

    name = "TaintNodesByCondition"
    kinds = frozenset({NODES})

    async def mutate(self, request: AdmissionRequest, world: World) -> None:
        if request.operation != CREATE or request.subresource:
            return
        node: Node = request.object
        if not any(one.key == wellknown.NODE_NOT_READY and one.effect == "NoSchedule" for one in node.spec.taints):
            node.spec.taints = [*node.spec.taints, Taint(key=wellknown.NODE_NOT_READY, effect="NoSchedule")]
