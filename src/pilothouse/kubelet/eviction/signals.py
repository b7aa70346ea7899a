"""What the node has left, and whether that is too little. Pure.

Signals and thresholds bear upstream's names: `memory.available`, `nodefs.available`, `nodefs.inodesFree`, `imagefs.*`, `pid.available`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pilothouse.kubelet.host.port import DiskUsage, Load
from pilothouse.machinery import quantity, strconv

CONDITIONS = {
    "memory.available": "MemoryPressure",
    "nodefs.available": "DiskPressure",
    "nodefs.inodesFree": "DiskPressure",
    "imagefs.available": "DiskPressure",
    "imagefs.inodesFree": "DiskPressure",
    "pid.available": "PIDPressure",
}
RESOURCES = {
    "memory.available": "memory",
    "nodefs.available": "ephemeral-storage",
    "nodefs.inodesFree": "inodes",
    "imagefs.available": "ephemeral-storage",
    "imagefs.inodesFree": "inodes",
    "pid.available": "pids",
}


@dataclass(slots=True, frozen=True)
class Signal:
    available: int
    capacity: int


@dataclass(slots=True, frozen=True)
class Shortage:
    """A signal that is below its threshold (`wanted`, in the signal's unit)."""

    name: str
    available: int
    wanted: int

    @property
    def condition(self) -> str:
        return CONDITIONS[self.name]

    @property
    def resource(self) -> str:
        return RESOURCES[self.name]


def signals(load: Load, memory: int, node: DiskUsage, images: DiskUsage) -> dict[str, Signal]:
    found = {
        "memory.available": Signal(load.memory_available, memory),
        "nodefs.available": Signal(node.available, node.capacity),
        "nodefs.inodesFree": Signal(node.inodes_free, node.inodes),
        "imagefs.available": Signal(images.available, images.capacity),
        "imagefs.inodesFree": Signal(images.inodes_free, images.inodes),
        "pid.available": Signal(load.processes_limit - load.processes, load.processes_limit),
    }
    return {name: one for name, one in found.items() if one.capacity > 0}


def shortages(found: Mapping[str, Signal], thresholds: Mapping[str, str]) -> list[Shortage]:
    """Memory first, as upstream: it is what kills."""
    short = []
    for name, text in thresholds.items():
        signal = found.get(name)
        if signal is None:
            continue
        wanted = int(signal.capacity * strconv.parse_float(text[:-1]) / 100) if text.endswith("%") else quantity.whole(text)
        if signal.available < wanted:
            short.append(Shortage(name, signal.available, wanted))
    return sorted(short, key=lambda one: (one.resource != "memory", one.name))
