"""The control groups above the pods: `kubepods`, and in it one for each class of service that shares what is left.

Burstable pods together weigh as much as they request together; best-effort ones weigh as little as can be.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from pilothouse.api.types.core_v1 import Pod
from pilothouse.kubelet.cgroups import Cgroups
from pilothouse.kubelet.launch.resources import MINIMUM_SHARES, ROOT, shares
from pilothouse.kubelet.pods.amounts import pod_requests
from pilothouse.kubelet.pods.qos import BURSTABLE, qos_class

log = logging.getLogger(__name__)


class QosGroups:
    """Writes only what changed. A machine without control groups is told of once, and then left alone."""

    def __init__(self, cgroups: Cgroups, root: str) -> None:
        self._cgroups = cgroups
        self._root = root
        self._written: dict[str, int] = {}
        self._broken = False

    def balance(self, pods: Iterable[Pod]) -> None:
        """Set the weights for these pods, which are all that live on the node."""
        burstable = sum(pod_requests(pod).get("cpu", 0) for pod in pods if (pod.status.qosClass or qos_class(pod)) == BURSTABLE)
        self._write("besteffort", MINIMUM_SHARES)
        self._write("burstable", shares(burstable))

    def _write(self, name: str, weight: int) -> None:
        if self._broken or self._written.get(name) == weight:
            return
        try:
            self._cgroups.ensure(f"{self._root}/{ROOT}/{name}", cpu_shares=weight)
        except OSError as error:
            self._broken = True
            log.warning("control groups cannot be written", extra={"error": str(error)})
            return
        self._written[name] = weight
