"""Statistics of the node for the kubelet's server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pilothouse.kubelet.host.port import DiskUsage, Load, Machine


@dataclass(slots=True, frozen=True, order=True)
class ProbeCount:
    """Labels of the probe counter."""

    pod_uid: str
    namespace: str
    pod: str
    container: str
    probe_type: str
    result: str


@dataclass(slots=True, frozen=True)
class NodeStats:
    """Statistics of the node at one moment. `disk` is the kubelet's filesystem; `probes` counts since the start."""

    machine: Machine
    load: Load
    disk: DiskUsage
    probes: Mapping[ProbeCount, int] = field(default_factory=dict)


NOTHING = NodeStats(Machine(0, 0), Load(0), DiskUsage(0, 0))
