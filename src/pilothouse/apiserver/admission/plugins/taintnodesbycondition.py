"""TaintNodesByCondition: a new Node takes no pods until it has said that it is ready.

The taint is taken by controllers/builtin/nodelifecycle.py.
"""

from __future__ import annotations

from pilothouse.api import wellknown
from pilothouse.api.types.core_v1 import Node, Taint
from pilothouse.apiserver.admission.plugin import CREATE, AdmissionRequest, Plugin, World

NODES = ("", "nodes")


class TaintNodesByCondition(Plugin):
    """Taints a new Node as not ready."""

    name = "TaintNodesByCondition"
    kinds = frozenset({NODES})

    async def mutate(self, request: AdmissionRequest, world: World) -> None:
        """Add the taint `node.kubernetes.io/not-ready:NoSchedule` to a new Node."""
        if request.operation != CREATE or request.subresource:
            return
        node: Node = request.object
        if not any(taint.key == wellknown.NODE_NOT_READY and taint.effect == "NoSchedule" for taint in node.spec.taints):
            node.spec.taints = [*node.spec.taints, Taint(key=wellknown.NODE_NOT_READY, effect="NoSchedule")]
