"""Which available volumes can serve claims that wait for their first consumer, and on which nodes. Pure.

The rules are those of upstream's binder: class, mode, access modes, size and selector must fit, the smallest goes first, and of one
Pod's claims the smallest is served first, no two by the same volume.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pilothouse.api.core.storagecells import volume_class
from pilothouse.api.types.core_v1 import PersistentVolume, PersistentVolumeClaim
from pilothouse.machinery import quantity
from pilothouse.machinery.labels import from_label_selector
from pilothouse.scheduler.nodeselector import selector_matches
from pilothouse.scheduler.snapshot import Mask, NodeColumns

STORAGE = "storage"
FILESYSTEM = "Filesystem"


ClaimKey = tuple[str, str]
"""Namespace and name."""


@dataclass(frozen=True, slots=True)
class Match:
    """A volume for a claim, and the rows of nodes on which it can serve it."""

    claim: PersistentVolumeClaim
    volume: PersistentVolume
    rows: Mask


def matches(
    claims: Iterable[PersistentVolumeClaim], volumes: Sequence[PersistentVolume], promised: Mapping[str, ClaimKey], nodes: NodeColumns
) -> list[Match]:
    """Volumes that can serve each claim on some rows. `promised` maps volumes to the claims that they are reserved for."""
    assigned: list[Match] = []
    used: dict[str, Mask] = {}
    for claim in sorted(claims, key=wanted_bytes):
        served = np.zeros_like(nodes.alive)
        free = (volume for volume in volumes if promised.get(volume.metadata.name, key_of(claim)) == key_of(claim))
        fitting = (volume for volume in free if suits(volume, claim))
        for volume in sorted(fitting, key=size_and_name):
            before = used.setdefault(volume.metadata.name, np.zeros_like(served))
            rows = reachable(volume, nodes) & ~served & ~before
            if rows.any():
                assigned.append(Match(claim, volume, rows))
                served |= rows
                before |= rows
    return assigned


def key_of(claim: PersistentVolumeClaim) -> ClaimKey:
    """Namespace and name of a claim."""
    return claim.metadata.namespace, claim.metadata.name


def suits(volume: PersistentVolume, claim: PersistentVolumeClaim) -> bool:
    """Whether a volume can serve a claim, wherever the volume is."""
    spec, wanted, reference = volume.spec, claim.spec, volume.spec.claimRef
    if reference is not None:  # reserved for one claim
        meta = claim.metadata
        if (reference.namespace, reference.name) != (meta.namespace, meta.name) or reference.uid not in ("", meta.uid):
            return False
    elif volume.status.phase != "Available":
        return False
    if volume.metadata.deletionTimestamp or not {*wanted.accessModes} <= {*spec.accessModes}:
        return False
    if volume_class(volume, spec.storageClassName) != volume_class(claim, wanted.storageClassName):
        return False
    if (spec.volumeMode or FILESYSTEM) != (wanted.volumeMode or FILESYSTEM):
        return False
    if wanted.selector is not None and reference is None and not from_label_selector(wanted.selector).matches(volume.metadata.labels):
        return False
    return size_and_name(volume)[0] >= wanted_bytes(claim)


def reachable(volume: PersistentVolume, nodes: NodeColumns) -> Mask:
    """Rows of the nodes that the volume's node affinity admits."""
    required = volume.spec.nodeAffinity.required if volume.spec.nodeAffinity is not None else None
    return nodes.alive.copy() if required is None else selector_matches(required, nodes)


def size_and_name(volume: PersistentVolume) -> tuple[int, str]:
    """Sort key: the smallest volume first, then by name."""
    return quantity.value(volume.spec.capacity.get(STORAGE, "0")), volume.metadata.name


def wanted_bytes(claim: PersistentVolumeClaim) -> int:
    """The storage that a claim requests, in bytes."""
    return quantity.value(claim.spec.resources.requests.get(STORAGE, "0"))
