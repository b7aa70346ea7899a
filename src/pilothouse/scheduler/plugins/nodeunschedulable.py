"""NodeUnschedulable: cordoned nodes take only Pods that tolerate `node.kubernetes.io/unschedulable:NoSchedule`."""

from __future__ import annotations

from pilothouse.api.core.tolerations import tolerations_tolerate_taint
from pilothouse.api.types.core_v1 import Node, Taint
from pilothouse.scheduler.facts import PodFacts
from pilothouse.scheduler.framework.interfaces import Verdict, Wake
from pilothouse.scheduler.snapshot import NodeColumns

UNSCHEDULABLE = Taint(key="node.kubernetes.io/unschedulable", effect="NoSchedule")
REASON = ("node(s) were unschedulable",)


def is_open(pod: PodFacts, _: Node | None, node: Node) -> bool:
    """Whether a changed node can be scheduled to."""
    return not node.spec.unschedulable


class NodeUnschedulable:
    """Filters by `spec.unschedulable`."""

    name = "NodeUnschedulable"
    woken_by = (Wake("Node", "Add", is_open), Wake("Node", "Unschedulable", is_open))

    def filter(self, pod: PodFacts, nodes: NodeColumns) -> Verdict | None:
        """Nodes that are not cordoned; None when none is, or the Pod tolerates the taint."""
        if not nodes.unschedulable.any() or tolerations_tolerate_taint(pod.pod.spec.tolerations, UNSCHEDULABLE):
            return None
        return Verdict(~nodes.unschedulable, lambda _: REASON, unresolvable=True)
