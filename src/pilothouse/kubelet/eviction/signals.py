"""Eviction signals, and the thresholds that they cross. Pure.

Signals and thresholds bear upstream's names: `memory.available`, `nodefs.available`, `nodefs.inodesFree`, `imagefs.*`, `pid.available`.
Each signal is in its own unit: bytes, inodes or processes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pilothouse.kubelet.config import KubeletConfig
from pilothouse.kubelet.host.port import DiskUsage, Load
from pilothouse.machinery import quantity, strconv

MEMORY, STORAGE, INODES, PIDS = "memory", "ephemeral-storage", "inodes", "pids"
MEMORY_PRESSURE, DISK_PRESSURE, PID_PRESSURE = "MemoryPressure", "DiskPressure", "PIDPressure"
SIGNALS = {
    "memory.available": (MEMORY_PRESSURE, MEMORY),
    "nodefs.available": (DISK_PRESSURE, STORAGE),
    "nodefs.inodesFree": (DISK_PRESSURE, INODES),
    "imagefs.available": (DISK_PRESSURE, STORAGE),
    "imagefs.inodesFree": (DISK_PRESSURE, INODES),
    "containerfs.available": (DISK_PRESSURE, STORAGE),
    "containerfs.inodesFree": (DISK_PRESSURE, INODES),
    "pid.available": (PID_PRESSURE, PIDS),
}
"""The node's condition and the resource of each signal."""


@dataclass(slots=True, frozen=True)
class Signal:
    """Observation of one eviction signal, in bytes, inodes or processes."""

    available: int
    capacity: int


Signals = Mapping[str, Signal]


@dataclass(slots=True, frozen=True)
class Threshold:
    """Eviction threshold: crossed while less than `value` (an amount, or a percentage of the capacity) is available.

    A soft threshold evicts only after its grace period; a crossed one stays so until `minimum_reclaim` more is available.
    """

    signal: str
    value: str
    hard: bool = True
    grace_seconds: float = 0.0
    minimum_reclaim: str = ""

    @property
    def condition(self) -> str:
        """The node's condition while the threshold is crossed: MemoryPressure, DiskPressure or PIDPressure."""
        return SIGNALS[self.signal][0]

    @property
    def resource(self) -> str:
        """The resource that evictions reclaim: memory, ephemeral-storage, inodes or pids."""
        return SIGNALS[self.signal][1]

    def amount(self, capacity: int) -> int:
        """The threshold in the signal's unit; a percentage is of `capacity`."""
        return _amount(self.value, capacity)

    def is_met(self, signals: Signals, *, reclaim: bool = False) -> bool:
        """Whether the threshold is crossed; with `reclaim`, counting minimum_reclaim."""
        signal = signals.get(self.signal)
        if signal is None:
            return False
        more = _amount(self.minimum_reclaim, signal.capacity) if reclaim and self.minimum_reclaim else 0
        return signal.available < self.amount(signal.capacity) + more


def _amount(text: str, capacity: int) -> int:
    return int(capacity * strconv.parse_float(text[:-1]) / 100) if text.endswith("%") else quantity.value(text)


def thresholds(config: KubeletConfig) -> list[Threshold]:
    """Thresholds of the configuration, hard ones first. Unknown signals are left out."""
    reclaim = config.eviction_minimum_reclaim
    configured = [
        Threshold(name, value, minimum_reclaim=reclaim.get(name, "")) for name, value in config.eviction_hard.items() if name in SIGNALS
    ]
    for name, value in config.eviction_soft.items():
        if name in SIGNALS:
            grace = config.eviction_soft_grace_seconds.get(name, 0.0)
            configured.append(Threshold(name, value, hard=False, grace_seconds=grace, minimum_reclaim=reclaim.get(name, "")))
    return configured


def signals(load: Load, memory: int, node: DiskUsage, images: DiskUsage) -> dict[str, Signal]:
    """`node` is the filesystem of the kubelet's files, `images` that of images and containers' writable layers."""
    by_name = {
        "memory.available": Signal(load.memory_available, memory),
        "nodefs.available": Signal(node.available, node.capacity),
        "nodefs.inodesFree": Signal(node.inodes_free, node.inodes),
        "imagefs.available": Signal(images.available, images.capacity),
        "imagefs.inodesFree": Signal(images.inodes_free, images.inodes),
        "containerfs.available": Signal(images.available, images.capacity),
        "containerfs.inodesFree": Signal(images.inodes_free, images.inodes),
        "pid.available": Signal(load.processes_limit - load.processes, load.processes_limit),
    }
    return {name: signal for name, signal in by_name.items() if signal.capacity > 0}


@dataclass(slots=True)
class Pressure:
    """Which thresholds have been crossed, and since when. Times are seconds of a monotonic clock."""

    transition_seconds: float
    """A condition stays so long after its cause, so that the scheduler is not played with."""
    _first_seen: dict[Threshold, float] = field(default_factory=dict)
    _acting: list[Threshold] = field(default_factory=list)
    """Those that asked for evictions at the last look."""
    _condition_seen: dict[str, float] = field(default_factory=dict)
    _quiet: tuple[Sequence[Threshold], Signals] | None = None
    """Thresholds and signals of the last look, which crossed none of them."""

    def observe(self, all_thresholds: Sequence[Threshold], observations: Signals, now: float) -> list[Threshold]:
        """Note an observation. Returns the thresholds that require eviction now, memory first."""
        if self._quiet is not None and self._quiet[0] is all_thresholds and self._quiet[1] is observations:
            return []
        met = [threshold for threshold in all_thresholds if threshold.is_met(observations)]
        met += [threshold for threshold in self._acting if threshold not in met and threshold.is_met(observations, reclaim=True)]
        self._first_seen = {threshold: self._first_seen.get(threshold, now) for threshold in met}
        self._condition_seen.update({threshold.condition: now for threshold in met})
        self._acting = [threshold for threshold, since in self._first_seen.items() if now - since >= threshold.grace_seconds]
        self._quiet = None if met else (all_thresholds, observations)
        return sorted(self._acting, key=lambda threshold: threshold.resource != MEMORY)

    def conditions(self, now: float) -> set[str]:
        """Pressure conditions that are True now."""
        return {name for name, seen in self._condition_seen.items() if seen == now or now - seen < self.transition_seconds}


def unresolved(all_thresholds: Iterable[Threshold], observations: Signals) -> bool:
    """Whether any threshold is still crossed, counting minimum_reclaim."""
    return any(threshold.is_met(observations, reclaim=True) for threshold in all_thresholds)
