"""Matching of volumes and claims, with upstream's rules and messages. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pilothouse.api.core.storagecells import volume_class
from pilothouse.api.types.core_v1 import Node, PersistentVolume, PersistentVolumeClaim
from pilothouse.controllers.nodes import affinity
from pilothouse.machinery import labels, quantity

BOUND_BY_CONTROLLER = "pv.kubernetes.io/bound-by-controller"
PROVISIONED_BY = "pv.kubernetes.io/provisioned-by"
STORAGE = "storage"


def class_of(obj: PersistentVolume | PersistentVolumeClaim) -> str:
    """The storage class of a volume or claim; the beta annotation comes first."""
    return volume_class(obj, obj.spec.storageClassName)


def is_of(volume: PersistentVolume, claim: PersistentVolumeClaim) -> bool:
    """Whether the volume's claimRef names this claim: by uid, or by name alone when it was reserved in advance."""
    reference = volume.spec.claimRef
    meta = claim.metadata
    named = reference is not None and (reference.namespace, reference.name) == (meta.namespace, meta.name)
    return named and reference is not None and reference.uid in ("", meta.uid)


def mismatch(volume: PersistentVolume, claim: PersistentVolumeClaim) -> str:
    """Why the volume does not do for the claim; empty when it does."""
    if volume.metadata.deletionTimestamp:
        return f'the volume is marked for deletion "{volume.metadata.name}"'
    if quantity.compare(volume.spec.capacity.get(STORAGE, "0"), claim.spec.resources.requests.get(STORAGE, "0")) < 0:
        return "requested PV is too small"
    if class_of(volume) != class_of(claim):
        return "storageClassName does not match"
    if (volume.spec.volumeMode or "Filesystem") != (claim.spec.volumeMode or "Filesystem"):
        return "incompatible volumeMode"
    if not {*claim.spec.accessModes} <= {*volume.spec.accessModes}:
        return "incompatible accessMode"
    return ""


def best(
    claim: PersistentVolumeClaim, volumes: Iterable[PersistentVolume], node: Node | None = None, *, delayed: bool = False
) -> PersistentVolume | None:
    """The volume that is reserved for the claim, or the smallest free one that does. `node`: it must be reachable from there.
    `delayed`: only a reserved one, for the claim waits for its first consumer."""
    candidates = [volume for volume in volumes if not mismatch(volume, claim)]
    reserved = next((candidate for candidate in candidates if is_of(candidate, claim)), None)
    if reserved is not None or (delayed and node is None):
        return reserved
    return min(_free(claim, candidates, node), key=_size, default=None)


def _free(claim: PersistentVolumeClaim, candidates: Iterable[PersistentVolume], node: Node | None) -> Iterator[PersistentVolume]:
    selector = labels.from_label_selector(claim.spec.selector) if claim.spec.selector is not None else None
    for candidate in candidates:
        if candidate.spec.claimRef is not None or candidate.status.phase != "Available":
            continue
        if (selector is None or selector.matches(candidate.metadata.labels)) and (node is None or reachable(candidate, node)):
            yield candidate


def reachable(volume: PersistentVolume, node: Node) -> bool:
    """Whether the volume's node affinity, if it has one, admits the node."""
    required = volume.spec.nodeAffinity.required if volume.spec.nodeAffinity is not None else None
    return required is None or affinity.matches_any(required.nodeSelectorTerms or (), node)


def _size(volume: PersistentVolume) -> tuple[int, str]:
    return quantity.value(volume.spec.capacity.get(STORAGE, "0")), volume.metadata.name
