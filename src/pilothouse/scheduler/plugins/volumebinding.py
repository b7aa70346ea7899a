"""VolumeBinding: filters nodes by the volumes of the Pod's claims, and binds claims that wait for their first consumer.

- A claim that is missing, going or unbound keeps the Pod waiting, in upstream's words; a bound one confines it to its volume's nodes.
- A claim that waits for its first consumer confines it to nodes from where a free volume would do, or where one can be provisioned.
- Before the Pod is bound each such claim is told the chosen node (`volume.kubernetes.io/selected-node`), and the Pod waits until it is
  bound: who binds and provisions is the volume controllers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import orjson

from pilothouse.api import wellknown
from pilothouse.api.types.core_v1 import PersistentVolume, PersistentVolumeClaim, Pod, TopologySelectorTerm
from pilothouse.api.types.storage_v1 import StorageClass
from pilothouse.client.client import Client
from pilothouse.scheduler.facts import PodFacts
from pilothouse.scheduler.framework.interfaces import PreFilterResult, Refused, Verdict, Wake
from pilothouse.scheduler.freevolumes import ClaimKey, Match, key_of, matches
from pilothouse.scheduler.nodeselector import selector_matches
from pilothouse.scheduler.snapshot import Mask, NodeColumns

NODE_CONFLICT = "node(s) had volume node affinity conflict"
NO_MATCH = "node(s) didn't find available persistent volumes to bind"
NO_VOLUME = "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)"
UNBOUND = "pod has unbound immediate PersistentVolumeClaims"
WAIT_FOR_FIRST_CONSUMER = "WaitForFirstConsumer"
NO_PROVISIONER = "kubernetes.io/no-provisioner"
MATCHES = "VolumeBinding/matches"

Claims = Callable[[str, str], PersistentVolumeClaim | None]
Classes = Callable[[str], StorageClass | None]


class Volumes:
    """Access to PersistentVolumes in a cache: `get(name)` and `list()`."""

    def __init__(self, get: Callable[[str], PersistentVolume | None], list: Callable[[], Sequence[PersistentVolume]]) -> None:
        self.get, self.list = get, list


class VolumeBinding:
    """The plugin VolumeBinding. `claims(namespace, name)` and `classes(name)` read caches; call `claims_changed` when a claim changed."""

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
        self._promised: dict[str, ClaimKey] = {}
        """Free volumes that claims of Pods which are being bound will get."""
        self._changed = asyncio.Event()

    def claims_changed(self) -> None:
        """Wake the Pods that wait for a claim to be bound."""
        told, self._changed = self._changed, asyncio.Event()
        told.set()

    def may_share(self, pod: PodFacts) -> bool:
        """Whether the Pod has no claims, so that equal Pods have the same result."""
        return not any(claim_names(pod.pod))

    def pre_filter(self, pod: PodFacts, nodes: NodeColumns) -> PreFilterResult | None:
        """Reject the Pod while a claim of its is missing, being deleted or waiting for immediate binding."""
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
        """Nodes from which bound volumes can be reached and on which unbound claims can be served."""
        near, free = np.ones_like(nodes.alive), np.ones_like(nodes.alive)
        unbound = []
        for claim in self._of(pod):
            if not is_bound(claim):
                unbound.append(claim)
                continue
            volume = self._volumes.get(claim.spec.volumeName)
            if volume is None:
                return Verdict(np.zeros_like(near), lambda _: (NO_VOLUME,), unresolvable=True)
            if volume.spec.nodeAffinity is not None and volume.spec.nodeAffinity.required is not None:
                near &= selector_matches(volume.spec.nodeAffinity.required, nodes)
        if unbound:
            free = self._served(pod, unbound, nodes)
        if (near & free).all():
            return None

        def reasons(row: int) -> list[str]:
            return [text for text, good in ((NODE_CONFLICT, near), (NO_MATCH, free)) if not good[row]]

        return Verdict(near & free, reasons, unresolvable=True)

    def _served(self, pod: PodFacts, unbound: Sequence[PersistentVolumeClaim], nodes: NodeColumns) -> Mask:
        """The rows on which every claim that waits for its consumer finds a volume, or can have one made."""
        matched = matches(unbound, self._volumes.list(), self._promised, nodes)
        if nodes.all_nodes is nodes:
            pod.scratch[MATCHES] = nodes, matched
        served = nodes.alive.copy()
        for claim in unbound:
            rows = self._provisionable(claim, nodes)
            for match in matched:
                if match.claim is claim:
                    rows |= match.rows
            served &= rows
        return served

    def _provisionable(self, claim: PersistentVolumeClaim, nodes: NodeColumns) -> Mask:
        """Where a provisioner may make a volume; one that was told a node already makes it there."""
        storage_class = self._classes(claim.spec.storageClassName or "")
        if storage_class is None or storage_class.provisioner == NO_PROVISIONER:
            return np.zeros_like(nodes.alive)
        rows = nodes.alive.copy()
        if storage_class.allowedTopologies:
            rows &= allowed(storage_class.allowedTopologies, nodes)
        chosen = claim.metadata.annotations.get(wellknown.SELECTED_NODE)
        if chosen is not None:
            rows &= np.array([name == chosen for name in nodes.names])
        return rows

    def reserve(self, pod: PodFacts, node_name: str) -> None:
        """Reserve matching available volumes on this node for the Pod's claims."""
        nodes, matched = pod.scratch.pop(MATCHES, (None, ()))
        given: Sequence[Match] = matched
        for match in given:
            if match.rows[nodes.rows[node_name]]:
                self._promised[match.volume.metadata.name] = key_of(match.claim)

    def unreserve(self, pod: PodFacts, node_name: str) -> None:
        """Release the volumes that were reserved for the Pod's claims."""
        own = {(pod.pod.metadata.namespace, name) for name, _ in claim_names(pod.pod)}
        self._promised = {name: claim for name, claim in self._promised.items() if claim not in own}

    def post_bind(self, pod: PodFacts, node_name: str) -> None:
        """Remove the reservations: the claims are bound now."""
        self.unreserve(pod, node_name)

    async def pre_bind(self, pod: PodFacts, node_name: str) -> None:
        """Annotate unbound claims with the selected node; `wait_pre_bound` waits until they are bound. StatusError when that fails."""
        for claim in self._of(pod):
            if not is_bound(claim) and claim.metadata.annotations.get(wellknown.SELECTED_NODE) != node_name:
                patch = orjson.dumps({"metadata": {"annotations": {wellknown.SELECTED_NODE: node_name}}})
                await self._client.patch(PersistentVolumeClaim, claim.metadata.name, claim.metadata.namespace, patch)

    def is_pre_bound(self, pod: PodFacts, node_name: str) -> bool:
        """Whether all of the Pod's claims are bound."""
        return all(map(is_bound, self._of(pod)))

    async def wait_pre_bound(self, pod: PodFacts, node_name: str) -> None:
        """Wait until all claims are bound. Raises Refused when a provisioner removed the selected node."""
        told: set[str] = set()
        while not self.is_pre_bound(pod, node_name):
            changed = self._changed
            for claim in self._of(pod):
                name = claim.metadata.name
                if claim.metadata.annotations.get(wellknown.SELECTED_NODE) == node_name:
                    told.add(name)
                elif name in told and not is_bound(claim):
                    raise Refused(f'binding volumes: provisioning failed for PVC "{name}"')
            await changed.wait()

    def _of(self, pod: PodFacts) -> Iterator[PersistentVolumeClaim]:
        for name, _ in claim_names(pod.pod):
            claim = self._claims(pod.pod.metadata.namespace, name)
            if claim is not None:
                yield claim

    def _waits(self, claim: PersistentVolumeClaim) -> bool:
        """Whether a claim is bound only when a Pod that uses it has a node."""
        storage_class = self._classes(claim.spec.storageClassName or "")
        return not claim.spec.volumeName and storage_class is not None and storage_class.volumeBindingMode == WAIT_FOR_FIRST_CONSUMER


def allowed(terms: Sequence[TopologySelectorTerm], nodes: NodeColumns) -> Mask:
    """Rows that any of the allowedTopologies terms admits."""
    rows = np.zeros_like(nodes.alive)
    for term in terms:
        fits = nodes.alive.copy()
        for requirement in term.matchLabelExpressions:
            fits &= nodes.label(requirement.key).where(set(requirement.values or ()).__contains__)
        rows |= fits
    return rows


def claim_names(pod: Pod) -> Iterator[tuple[str, bool]]:
    """(claim name, whether it belongs to an ephemeral volume) of each volume with a claim."""
    for volume in pod.spec.volumes:
        if volume.persistentVolumeClaim is not None:
            yield volume.persistentVolumeClaim.claimName, False
        elif volume.ephemeral is not None:
            yield f"{pod.metadata.name}-{volume.name}", True


def is_bound(claim: PersistentVolumeClaim) -> bool:
    """Whether the claim has a volume and its binding is complete."""
    return bool(claim.spec.volumeName) and wellknown.BIND_COMPLETED in claim.metadata.annotations
