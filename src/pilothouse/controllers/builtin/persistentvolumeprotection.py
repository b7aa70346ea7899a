"""Volumes that are bound do not go before their claims."""

from __future__ import annotations

from collections.abc import Iterator

from pilothouse.api.types.core_v1 import PersistentVolume
from pilothouse.controllers.framework.actions import Action, Update
from pilothouse.controllers.framework.controller import READ, UPDATE, Controller, Rule
from pilothouse.controllers.framework.world import World
from pilothouse.machinery import codec

FINALIZER = "kubernetes.io/pv-protection"


class PersistentVolumeProtectionController(Controller):
    """Puts a finalizer on every volume, and takes it off one that is deleted when it is not bound."""

    name = "persistentvolume-protection-controller"
    account = "pv-protection-controller"
    reconciles = PersistentVolume
    workers = 1
    rules = (Rule("", ("persistentvolumes",), READ + UPDATE),)

    def plan(self, volume: PersistentVolume, world: World) -> Iterator[Action]:
        """Add the protection finalizer, or remove it from a deleted volume that is not bound."""
        meta = volume.metadata
        if not meta.deletionTimestamp and FINALIZER not in meta.finalizers:
            yield _with(volume, [*meta.finalizers, FINALIZER])
        elif meta.deletionTimestamp and FINALIZER in meta.finalizers and volume.status.phase != "Bound":
            yield _with(volume, [finalizer for finalizer in meta.finalizers if finalizer != FINALIZER])


def _with(volume: PersistentVolume, finalizers: list[str]) -> Update:
    changed = codec.clone(volume)
    changed.metadata.finalizers = finalizers
    return Update(changed)
