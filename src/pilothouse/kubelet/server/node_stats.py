"""How the node is doing, as the kubelet's server tells it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pilothouse.kubelet.host.port import DiskUsage, Load, Machine


@dataclass(slots=True, frozen=True, order=True)
class ProbeCount:
    """What is counted apart: one kind of result of one probe."""

    pod_uid: str
    namespace: str
    pod: str
    container: str
    probe_type: str
    result: str


@dataclass(slots=True, frozen=True)
class NodeStats:
    """At one moment. `disk` is the filesystem that holds the kubelet's files; `probes` counts since the kubelet began."""

    machine: Machine
    load: Load
    disk: DiskUsage
    probes: Mapping[ProbeCount, int] = field(default_factory=dict)


NOTHING = NodeStats(Machine(0, 0), Load(0), DiskUsage(0, 0))
