"""VolumeRestrictions: only one Pod of the cluster may use a claim with access mode ReadWriteOncePod.

What it says is of every node alike; evicting the Pod that has the claim may help, as upstream has it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pilothouse.api.types.core_v1 import PersistentVolumeClaim, Pod
from pilothouse.scheduler.facts import PodFacts, claims_of
from pilothouse.scheduler.framework.interfaces import PreFilterResult, Verdict, Wake
from pilothouse.scheduler.snapshot import NodeColumns

REASON = ("node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode",)
ONE_POD = "ReadWriteOncePod"

Claims = Callable[[str, str], PersistentVolumeClaim | None]


def frees_a_claim(pod: PodFacts, gone: Pod, _: object) -> bool:
    """Whether a deleted Pod used a claim that this Pod uses."""
    return not set(pod.claims).isdisjoint(claims_of(gone))


class VolumeRestrictions:
    """The plugin VolumeRestrictions. `claims(namespace, name)` looks into a cache."""

    name = "VolumeRestrictions"
    woken_by = (Wake("Pod", "Delete", frees_a_claim), Wake("PersistentVolumeClaim", "Any"))

    def __init__(self, claims: Claims) -> None:
        self._claims = claims

    def may_share(self, pod: PodFacts) -> bool:
        """Whether the Pod has no claims, so that equal Pods have the same result."""
        return not pod.claims

    def pre_filter(self, pod: PodFacts, nodes: NodeColumns) -> PreFilterResult | None:
        """Reject the Pod while one of its claims is missing."""
        missing = next((name for space, name in sorted(pod.claims) if self._claims(space, name) is None), None)
        return None if missing is None else PreFilterResult(rejection=f'persistentvolumeclaim "{missing}" not found')

    def filter(self, pod: PodFacts, nodes: NodeColumns) -> Verdict | None:
        """No node passes while another Pod uses a ReadWriteOncePod claim of this Pod."""
        for key in pod.claims:
            claim = self._claims(*key)
            if claim is not None and ONE_POD in claim.spec.accessModes and nodes.users_of_claim(key):
                return Verdict(np.zeros_like(nodes.alive), lambda _: REASON)
        return None
