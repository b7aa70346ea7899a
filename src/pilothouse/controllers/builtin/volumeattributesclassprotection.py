"""VolumeAttributesClasses that claims or volumes name do not go before these."""

from __future__ import annotations

from collections.abc import Iterator

from pilothouse.api.types.core_v1 import PersistentVolume, PersistentVolumeClaim
from pilothouse.api.types.storage_v1 import VolumeAttributesClass
from pilothouse.client.store import Key
from pilothouse.controllers.framework.actions import Action, Update
from pilothouse.controllers.framework.controller import READ, UPDATE, Controller, Related, Rule
from pilothouse.controllers.framework.world import World
from pilothouse.machinery import codec

FINALIZER = "kubernetes.io/vac-protection"


def named_by_claim(claim: PersistentVolumeClaim) -> tuple[str, ...]:
    """Index: the classes that a claim asks for, has, or is changing to."""
    change = claim.status.modifyVolumeStatus
    target = change.targetVolumeAttributesClassName if change is not None else ""
    names = (claim.spec.volumeAttributesClassName, claim.status.currentVolumeAttributesClassName, target)
    return tuple({name: None for name in names if name})


def named_by_volume(volume: PersistentVolume) -> tuple[str, ...]:
    """Index: the class of a volume."""
    name = volume.spec.volumeAttributesClassName
    return (name,) if name else ()


def _classes_of_claim(claim: PersistentVolumeClaim, world: World) -> Iterator[Key]:
    yield from (("", name) for name in named_by_claim(claim))


def _classes_of_volume(volume: PersistentVolume, world: World) -> Iterator[Key]:
    yield from (("", name) for name in named_by_volume(volume))


class VolumeAttributesClassProtectionController(Controller):
    """Puts a finalizer on every class, and takes it off one that is deleted when no claim and no volume names it any more."""

    name = "volumeattributesclass-protection-controller"
    account = "volumeattributesclass-protection-controller"
    reconciles = VolumeAttributesClass
    workers = 1
    watches = (
        Related(PersistentVolumeClaim, _classes_of_claim, lambda old, new: named_by_claim(old) != named_by_claim(new)),
        Related(PersistentVolume, _classes_of_volume, lambda old, new: named_by_volume(old) != named_by_volume(new)),
    )
    rules = (
        Rule("storage.k8s.io", ("volumeattributesclasses",), READ + UPDATE),
        Rule("", ("persistentvolumeclaims", "persistentvolumes"), READ),
    )

    def plan(self, attributes: VolumeAttributesClass, world: World) -> Iterator[Action]:
        """Add the protection finalizer, or remove it from a deleted class that no claim or volume names."""
        meta = attributes.metadata
        if not meta.deletionTimestamp:
            if FINALIZER not in meta.finalizers:
                yield _with(attributes, [*meta.finalizers, FINALIZER])
        elif FINALIZER in meta.finalizers and not _is_used(meta.name, world):
            yield _with(attributes, [name for name in meta.finalizers if name != FINALIZER])


def _is_used(name: str, world: World) -> bool:
    return bool(world.indexed(PersistentVolume, named_by_volume, name) or world.indexed(PersistentVolumeClaim, named_by_claim, name))


def _with(attributes: VolumeAttributesClass, finalizers: list[str]) -> Update:
    changed = codec.clone(attributes)
    changed.metadata.finalizers = finalizers
    return Update(changed)
