"""VolumeRestrictions: a claim with the access mode ReadWriteOncePod is for one Pod of the whole cluster.

What it says is of every node alike; evicting the Pod that has the claim may help, as upstream has it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pilothouse.api.types.core_v1 import PersistentVolumeClaim, Pod
from pilothouse.scheduler.facts import PodFacts
from pilothouse.scheduler.framework.interfaces import PreFilterResult, Reach, Verdict, Wake
from pilothouse.scheduler.snapshot import NodeColumns

REASON = ("node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode",)
ONE_POD = "ReadWriteOncePod"

Claims = Callable[[str, str], PersistentVolumeClaim | None]


def claimed(pod: Pod) -> set[str]:
    """The claims that a Pod names; those of its ephemeral volumes are its own."""
    return {one.persistentVolumeClaim.claimName for one in pod.spec.volumes if one.persistentVolumeClaim is not None}


def frees_a_claim(pod: PodFacts, gone: Pod, _: object) -> bool:
    return gone.metadata.namespace == pod.pod.metadata.namespace and bool(claimed(gone) & claimed(pod.pod))


class VolumeRestrictions:
    """`claims(namespace, name)` looks into a cache."""

    name = "VolumeRestrictions"
    woken_by = (Wake("Pod", "Delete", frees_a_claim), Wake("PersistentVolumeClaim", "Any"))

    def __init__(self, claims: Claims) -> None:
        self._claims = claims

    def reach(self, pod: PodFacts, nodes: NodeColumns) -> Reach:
        return Reach.FILTERS if claimed(pod.pod) else Reach.NODE

    def pre_filter(self, pod: PodFacts, nodes: NodeColumns) -> PreFilterResult | None:
        """Nothing can be said of a claim that is not there."""
        space = pod.pod.metadata.namespace
        missing = next((name for name in sorted(claimed(pod.pod)) if self._claims(space, name) is None), None)
        return None if missing is None else PreFilterResult(rejection=f'persistentvolumeclaim "{missing}" not found')

    def filter(self, pod: PodFacts, nodes: NodeColumns) -> Verdict | None:
        space = pod.pod.metadata.namespace
        for name in claimed(pod.pod):
            claim = self._claims(space, name)
            if claim is None or ONE_POD not in claim.spec.accessModes:
                continue

            def uses(other: Pod, name: str = name) -> bool:
                return other.metadata.namespace == space and name in claimed(other)

            if nodes.pods_matching(("claim", space, name), uses)[nodes.whole.alive].any():
                return Verdict(np.zeros_like(nodes.alive), lambda _: REASON)
        return None
