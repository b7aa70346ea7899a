"""QoS cgroups: `kubepods`, and in it one for each of burstable and besteffort.

- `kubepods` may use what the node's allocatable says of memory, cpu and processes, plus what only evictions keep free
  (upstream's enforceNodeAllocatable=pods).
- Burstable pods together weigh as much as they request together; best-effort ones weigh as little as can be.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping

from pilothouse.api.types.core_v1 import Pod
from pilothouse.kubelet.cgroups import Cgroups
from pilothouse.kubelet.launch.resources import MINIMUM_SHARES, ROOT, milli_value_of, shares, value_of
from pilothouse.kubelet.pods.amounts import pod_requests
from pilothouse.kubelet.pods.qos import BURSTABLE, qos_class
from pilothouse.node.cgroups import Limits

log = logging.getLogger(__name__)


def pods_limits(allocatable: Mapping[str, str | int | float], pids: int = 0) -> Limits:
    """Limits of the cgroup of all Pods. `allocatable` does not subtract eviction thresholds here, as upstream does. Pure."""
    return Limits(shares(milli_value_of(allocatable, "cpu")), memory=value_of(allocatable, "memory"), pids=pids)


class QosGroups:
    """Keeps the QoS cgroups up to date, in a task of its own. Without cgroups on the machine that is logged once."""

    def __init__(self, cgroups: Cgroups, root: str, pods: Callable[[], Iterable[Pod]]) -> None:
        """`pods` are those that live on the node."""
        self._cgroups = cgroups
        self._root = root
        self._pods = pods
        self._wanted: dict[str, Limits] = {}
        self._written: dict[str, Limits] = {}
        self._changed = asyncio.Event()

    def pods_changed(self) -> None:
        """Pods changed: weights are computed again, once for all changes meanwhile."""
        self._changed.set()

    def limit(self, limits: Limits) -> None:
        """Set the limits of all Pods together."""
        self._want("", limits)

    async def run(self) -> None:
        """Apply changes until cancelled, or until the machine turns out to have no cgroups."""
        while True:
            await self._changed.wait()
            self._balance()
            self._changed.clear()
            for name, limits in sorted(self._wanted.items()):
                if self._written.get(name) != limits and not await self._write(name, limits):
                    return

    def _balance(self) -> None:
        burstable = sum(pod_requests(pod).get("cpu", 0) for pod in self._pods() if (pod.status.qosClass or qos_class(pod)) == BURSTABLE)
        self._want("/besteffort", Limits(MINIMUM_SHARES))
        self._want("/burstable", Limits(shares(burstable)))

    def _want(self, name: str, limits: Limits) -> None:
        if self._wanted.get(name) != limits:
            self._wanted[name] = limits
            self._changed.set()

    async def _write(self, name: str, limits: Limits) -> bool:
        try:
            path = f"{self._root}/{ROOT}{name}"
            await self._cgroups.ensure(path, limits)
        except OSError as error:
            log.warning("control groups cannot be written", extra={"error": str(error)})
            return False
        self._written[name] = limits
        return True
