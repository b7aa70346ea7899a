"""VolumeBinding: a Pod goes only where its claimed volumes can be reached.

- A claim that is missing, going or unbound keeps the Pod waiting, in upstream's words; a bound one confines it to its volume's nodes.
- Claims that wait for their first consumer do not confine the Pod; before it is bound each is told the chosen node
  (`volume.kubernetes.io/selected-node`), for whoever provisions it. Matching unbound volumes and waiting for them belong to the volume
  controllers, which are another part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import orjson

from pilothouse.api.types.core_v1 import PersistentVolume, PersistentVolumeClaim, Pod
from pilothouse.api.types.storage_v1 import StorageClass
from pilothouse.client.client import Client
from pilothouse.scheduler.facts import PodFacts
from pilothouse.scheduler.framework.interfaces import PreFilterResult, Reach, Verdict, Wake
from pilothouse.scheduler.nodeselector import selector_matches
from pilothouse.scheduler.snapshot import NodeColumns

NODE_CONFLICT = "node(s) had volume node affinity conflict"
NO_VOLUME = "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)"
UNBOUND = "pod has unbound immediate PersistentVolumeClaims"
SELECTED_NODE = "volume.kubernetes.io/selected-node"
BIND_COMPLETED = "pv.kubernetes.io/bind-completed"
WAIT_FOR_FIRST_CONSUMER = "WaitForFirstConsumer"

Claims = Callable[[str, str], PersistentVolumeClaim | None]
Volumes = Callable[[str], PersistentVolume | None]
Classes = Callable[[str], StorageClass | None]


class VolumeBinding:
    """`claims(namespace, name)`, `volumes(name)` and `classes(name)` look into caches."""

    name = "VolumeBinding"
    woken_by = (
        Wake("PersistentVolumeClaim", "Any"),
        Wake("PersistentVolume", "Any"),
        Wake("StorageClass", "Any"),
        Wake("Node", "Add"),
        Wake("Node", "Labels"),
    )

    def __init__(self, client: Client, claims: Claims, volumes: Volumes, classes: Classes) -> None:
        self._client = client
        self._claims = claims
        self._volumes = volumes
        self._classes = classes

    def reach(self, pod: PodFacts, nodes: NodeColumns) -> Reach:
        """Claims change without any node changing: nothing that was worked out for a Pod with claims is used again."""
        return Reach.FILTERS if any(claim_names(pod.pod)) else Reach.NODE

    def pre_filter(self, pod: PodFacts, nodes: NodeColumns) -> PreFilterResult | None:
        for name, ephemeral in claim_names(pod.pod):
            claim = self._claims(pod.pod.metadata.namespace, name)
            problem = self._problem(claim, name, ephemeral)
            if problem:
                return PreFilterResult(rejection=problem)
        if any(not is_bound(claim) and not self._waits(claim) for claim in self._of(pod)):
            return PreFilterResult(rejection=UNBOUND)
        return None

    @staticmethod
    def _problem(claim: PersistentVolumeClaim | None, name: str, ephemeral: bool) -> str:
        if claim is None and ephemeral:
            return f'waiting for ephemeral volume controller to create the persistentvolumeclaim "{name}"'
        if claim is None:
            return f'persistentvolumeclaim "{name}" not found'
        if claim.status.phase == "Lost":
            return f'persistentvolumeclaim "{name}" bound to non-existent persistentvolume "{claim.spec.volumeName}"'
        return f'persistentvolumeclaim "{name}" is being deleted' if claim.metadata.deletionTimestamp else ""

    def filter(self, pod: PodFacts, nodes: NodeColumns) -> Verdict | None:
        passes = np.ones_like(nodes.alive)
        for claim in self._of(pod):
            if not is_bound(claim):
                continue
            volume = self._volumes(claim.spec.volumeName)
            if volume is None:
                return Verdict(np.zeros_like(passes), lambda _: (NO_VOLUME,), unresolvable=True)
            if volume.spec.nodeAffinity is not None and volume.spec.nodeAffinity.required is not None:
                passes &= selector_matches(volume.spec.nodeAffinity.required, nodes)
        return None if passes.all() else Verdict(passes, lambda _: (NODE_CONFLICT,), unresolvable=True)

    async def pre_bind(self, pod: PodFacts, node_name: str) -> None:
        for claim in self._of(pod):
            if not is_bound(claim) and claim.metadata.annotations.get(SELECTED_NODE) != node_name:
                patch = orjson.dumps({"metadata": {"annotations": {SELECTED_NODE: node_name}}})
                await self._client.patch(PersistentVolumeClaim, claim.metadata.name, claim.metadata.namespace, patch)

    def _of(self, pod: PodFacts) -> Iterator[PersistentVolumeClaim]:
        for name, _ in claim_names(pod.pod):
            claim = self._claims(pod.pod.metadata.namespace, name)
            if claim is not None:
                yield claim

    def _waits(self, claim: PersistentVolumeClaim) -> bool:
        """Whether a claim is bound only when a Pod that uses it has a node."""
        found = self._classes(claim.spec.storageClassName or "")
        return not claim.spec.volumeName and found is not None and found.volumeBindingMode == WAIT_FOR_FIRST_CONSUMER


def claim_names(pod: Pod) -> Iterator[tuple[str, bool]]:
    """(claim, whether it is the Pod's own ephemeral one) for each volume that is claimed."""
    for volume in pod.spec.volumes:
        if volume.persistentVolumeClaim is not None:
            yield volume.persistentVolumeClaim.claimName, False
        elif volume.ephemeral is not None:
            yield f"{pod.metadata.name}-{volume.name}", True


def is_bound(claim: PersistentVolumeClaim) -> bool:
    return bool(claim.spec.volumeName) and BIND_COMPLETED in claim.metadata.annotations
