"""A framework with the default plugins over columns, without API or loop: for tests of decisions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pilothouse.api.types.core_v1 import Node, Pod
from pilothouse.kit.entropy import Entropy
from pilothouse.machinery.labels import match_labels
from pilothouse.scheduler.facts import facts_of
from pilothouse.scheduler.framework.diagnosis import Diagnosis
from pilothouse.scheduler.framework.runtime import Choice, Framework
from pilothouse.scheduler.plugins.imagelocality import ImageLocality
from pilothouse.scheduler.plugins.interpodaffinity import InterPodAffinity
from pilothouse.scheduler.plugins.nodeaffinity import NodeAffinity
from pilothouse.scheduler.plugins.nodename import NodeName
from pilothouse.scheduler.plugins.nodeports import NodePorts
from pilothouse.scheduler.plugins.noderesourcesbalancedallocation import NodeResourcesBalancedAllocation
from pilothouse.scheduler.plugins.noderesourcesfit import NodeResourcesFit
from pilothouse.scheduler.plugins.nodeunschedulable import NodeUnschedulable
from pilothouse.scheduler.plugins.podtopologyspread import PodTopologySpread
from pilothouse.scheduler.plugins.prioritysort import PrioritySort
from pilothouse.scheduler.plugins.tainttoleration import TaintToleration
from tests.unit.scheduler.objects import columns

NAMESPACES: Mapping[str, Mapping[str, str]] = {"default": {"team": "a"}, "other": {"team": "b"}}


def plugins() -> list[tuple[Any, int]]:
    return [
        (PrioritySort(), 0),
        (NodeUnschedulable(), 0),
        (NodeName(), 0),
        (TaintToleration(), 3),
        (NodeAffinity(), 2),
        (NodePorts(), 0),
        (NodeResourcesFit(), 1),
        (PodTopologySpread(lambda pod: match_labels(pod.metadata.labels)), 2),
        (InterPodAffinity(lambda name: NAMESPACES.get(name, {})), 2),
        (NodeResourcesBalancedAllocation(), 1),
        (ImageLocality(), 1),
    ]


class Board:
    """Nodes, placed Pods, and what the framework makes of another Pod."""

    def __init__(self, *nodes: Node, seed: int = 1) -> None:
        self.nodes = columns(*nodes)
        self.framework = Framework(plugins(), Entropy(seed))

    def place(self, pod: Pod, node: str) -> None:
        self.nodes.add_pod(node, facts_of(pod))

    def feasible(self, pod: Pod) -> tuple[set[str], Diagnosis]:
        diagnosis = Diagnosis(self.nodes.total)
        mask = self.framework.feasible(facts_of(pod), self.nodes, diagnosis)
        rows = [] if mask is None else np.flatnonzero(mask)
        return {self.nodes.names[row] for row in rows}, diagnosis

    def choose(self, pod: Pod) -> Choice:
        return self.framework.choose(facts_of(pod), self.nodes)
