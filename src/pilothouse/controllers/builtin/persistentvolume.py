"""Volumes: their phase, and what becomes of them when their claim is gone."""

from __future__ import annotations

from collections.abc import Iterator

from pilothouse.api.types.core_v1 import PersistentVolume, PersistentVolumeClaim
from pilothouse.client.events import WARNING
from pilothouse.client.store import Key
from pilothouse.controllers.framework.actions import Action, Emit, Update, UpdateStatus
from pilothouse.controllers.framework.controller import CREATE, PATCH, READ, UPDATE, Controller, Related, Rule
from pilothouse.controllers.framework.world import World
from pilothouse.controllers.volumes import matching
from pilothouse.machinery import codec

UNDELETABLE = 'error getting deleter volume plugin for volume "{name}": no deletable volume plugin matched'
UNRECYCLABLE = "no recyclable volume plugin matched"


def _claim_of(volume: PersistentVolume) -> tuple[str, ...]:
    """Index: volumes by the claim that they name."""
    reference = volume.spec.claimRef
    return (f"{reference.namespace}/{reference.name}",) if reference is not None else ()


def _volumes_of(claim: PersistentVolumeClaim, world: World) -> Iterator[Key]:
    meta = claim.metadata
    for volume in world.indexed(PersistentVolume, _claim_of, f"{meta.namespace}/{meta.name}"):
        yield "", volume.metadata.name
    if claim.spec.volumeName:
        yield "", claim.spec.volumeName


class PersistentVolumeController(Controller):
    """Tells whether each volume is free, bound or left by its claim.

    - Retain: what was left stays for an administrator. Delete and Recycle need somebody who knows the storage: where a provisioner made
      the volume it is its affair, else the volume is told to have failed.
    - A volume whose claim was bound elsewhere is free again.
    """

    name = "persistentvolume"
    account = "persistent-volume-binder"
    source = "persistentvolume-controller"
    reconciles = PersistentVolume
    watches = (Related(PersistentVolumeClaim, _volumes_of),)
    rules = (
        Rule("", ("persistentvolumes",), READ + UPDATE),
        Rule("", ("persistentvolumes/status",), UPDATE),
        Rule("", ("persistentvolumeclaims",), READ),
        Rule("", ("events",), CREATE + PATCH),
    )

    def plan(self, volume: PersistentVolume, world: World) -> Iterator[Action]:
        """Write the volume's phase; release, reclaim or delete it when its claim is gone."""
        reference = volume.spec.claimRef
        if reference is None or not reference.uid:
            yield _in_phase(volume, "Available", world)
            return
        claim = world.get(PersistentVolumeClaim, reference.namespace, reference.name)
        if claim is None or claim.metadata.uid != reference.uid:
            yield from _left(volume, world)
        elif claim.spec.volumeName in ("", volume.metadata.name):
            yield _in_phase(volume, "Bound", world)
        else:
            yield Update(_freed(volume))


def _left(volume: PersistentVolume, world: World) -> Iterator[Action]:
    if volume.status.phase == "Failed":
        return
    policy = volume.spec.persistentVolumeReclaimPolicy
    if volume.status.phase != "Released":
        yield _in_phase(volume, "Released", world)
    elif policy in ("Delete", "Recycle") and matching.PROVISIONED_BY not in volume.metadata.annotations:
        name = volume.metadata.name
        text, reason = (
            (UNDELETABLE.format(name=name), "VolumeFailedDelete") if policy == "Delete" else (UNRECYCLABLE, "VolumeFailedRecycle")
        )
        yield _in_phase(volume, "Failed", world, text)
        yield Emit(volume, WARNING, reason, text)


def _freed(volume: PersistentVolume) -> PersistentVolume:
    """As it was before it was bound: reserved for a claim of that name, where it was so by an administrator."""
    changed = codec.clone(volume)
    if changed.metadata.annotations.pop(matching.BOUND_BY_CONTROLLER, None) is not None or changed.spec.claimRef is None:
        changed.spec.claimRef = None
    else:
        changed.spec.claimRef.uid = changed.spec.claimRef.resourceVersion = ""
    return changed


def _in_phase(volume: PersistentVolume, phase: str, world: World, message: str = "") -> UpdateStatus:
    changed = codec.clone(volume)
    if changed.status.phase != phase:
        changed.status.lastPhaseTransitionTime = world.now_text
    changed.status.phase, changed.status.message = phase, message
    return UpdateStatus(changed)
