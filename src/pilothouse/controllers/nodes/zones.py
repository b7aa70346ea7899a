"""Zone states by the number of unhealthy nodes, and the eviction rate of a zone.

Losing a node at a time is met by moving its Pods; losing most of a zone is likelier the network's fault, and moving everything
would make it worse. The thresholds and rates are upstream's.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from pilothouse.api import wellknown
from pilothouse.api.types.core_v1 import Node
from pilothouse.controllers.framework.settings import Settings
from pilothouse.controllers.nodes.taints import status_of

REGION = "topology.kubernetes.io/region"
NORMAL, PARTIAL, FULL = "Normal", "PartialDisruption", "FullDisruption"
PARTIAL_AT_LEAST = 2
"""More failed nodes than this are needed before a zone can be called partially disrupted."""

Zone = tuple[str, str]


def zone_of(node: Node) -> Zone:
    """Region and zone of a node, from its labels; empty where it has none."""
    return node.metadata.labels.get(REGION, ""), node.metadata.labels.get(wellknown.TOPOLOGY_ZONE, "")


@dataclass(frozen=True, slots=True)
class ZoneState:
    """State of a zone, and its number of nodes."""

    state: str
    size: int


def states(nodes: Iterable[Node], settings: Settings) -> dict[Zone, ZoneState]:
    """The state of every zone."""
    counts: dict[Zone, list[int]] = {}
    for node in nodes:
        ready_and_failed = counts.setdefault(zone_of(node), [0, 0])
        ready_and_failed[0 if status_of(node, "Ready") == "True" else 1] += 1
    return {zone: ZoneState(_state(ready, failed, settings), ready + failed) for zone, (ready, failed) in counts.items()}


def _state(ready: int, failed: int, settings: Settings) -> str:
    if ready == 0 and failed > 0:
        return FULL
    if failed > PARTIAL_AT_LEAST and failed / (ready + failed) >= settings.unhealthy_zone_threshold:
        return PARTIAL
    return NORMAL


def eviction_rate(zone: Zone, all_states: dict[Zone, ZoneState], settings: Settings) -> float:
    """Nodes a second whose Pods may be evicted; 0 for none."""
    if all(state.state == FULL for state in all_states.values()):
        return 0.0  # everything is silent: it is this process that cannot hear
    measured = all_states[zone]
    if measured.state == PARTIAL:
        return settings.secondary_node_eviction_rate if measured.size > settings.large_cluster_size_threshold else 0.0
    return settings.node_eviction_rate


@dataclass(slots=True)
class EvictionRateLimiter:
    """Token bucket of one token: one eviction at a time, at a rate."""

    next_at: dict[Zone, datetime] = field(default_factory=dict)

    def wait(self, zone: Zone, now: datetime) -> float:
        """Seconds until the next turn; 0 when it is now."""
        at = self.next_at.get(zone)
        return max(0.0, (at - now).total_seconds()) if at else 0.0
