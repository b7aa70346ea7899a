"""Claims to storage: each gets a volume that does for it."""

from __future__ import annotations

from collections.abc import Iterator

from pilothouse.api import wellknown
from pilothouse.api.types.core_v1 import Node, PersistentVolume, PersistentVolumeClaim
from pilothouse.api.types.storage_v1 import StorageClass
from pilothouse.client.events import NORMAL, WARNING, reference_to
from pilothouse.client.store import Key, key_of
from pilothouse.controllers.framework.actions import Action, Emit, Update, UpdateStatus
from pilothouse.controllers.framework.controller import CREATE, PATCH, READ, UPDATE, Controller, Reads, Related, Rule
from pilothouse.controllers.framework.world import World
from pilothouse.controllers.volumes import matching
from pilothouse.machinery import codec

NO_VOLUME = "no persistent volumes available for this claim and no storage class is set"
WAITS = "waiting for first consumer to be created before binding"
EXTERNAL = (
    "Waiting for a volume to be created either by the external provisioner '{0}' or manually by the system administrator. If volume "
    "creation is delayed, please verify that the provisioner is running and correctly registered."
)
INTREE = "kubernetes.io/"
PROVISIONERS = ("volume.beta.kubernetes.io/storage-provisioner", "volume.kubernetes.io/storage-provisioner")
"""Annotations by which an external provisioner knows that a claim is for it."""


def _by_volume(claim: PersistentVolumeClaim) -> tuple[str, ...]:
    """Index: claims by the volume that they name."""
    return (claim.spec.volumeName,) if claim.spec.volumeName else ()


def _waiting(claim: PersistentVolumeClaim) -> tuple[str, ...]:
    """Index: claims that name no volume, by their class."""
    return () if claim.spec.volumeName else (matching.class_of(claim),)


def _claims_for(volume: PersistentVolume, world: World) -> Iterator[Key]:
    """The claims that name it, or that it names; all that wait for one of its class, when it is free."""
    reference = volume.spec.claimRef
    if reference is not None:
        yield reference.namespace, reference.name
    else:
        yield from map(key_of, world.indexed(PersistentVolumeClaim, _waiting, matching.class_of(volume)))
    yield from map(key_of, world.indexed(PersistentVolumeClaim, _by_volume, volume.metadata.name))


def _claims_of_class(storage_class: StorageClass, world: World) -> Iterator[Key]:
    yield from map(key_of, world.indexed(PersistentVolumeClaim, _waiting, storage_class.metadata.name))


class PersistentVolumeBinder(Controller):
    """Binds claims to the volumes that administrators or provisioners have made.

    - In steps, each of which can be seen before the next: the volume names the claim, the claim names the volume, its status tells.
    - The smallest volume that does; one that is reserved for the claim, or that the claim asks for, goes before.
    - A claim of a class with WaitForFirstConsumer waits until the scheduler has chosen a node.
    - Volumes themselves: see persistentvolume.py.
    """

    name = "persistentvolume-binder"
    account = "persistent-volume-binder"
    source = "persistentvolume-controller"
    reconciles = PersistentVolumeClaim
    watches = (Related(PersistentVolume, _claims_for), Related(StorageClass, _claims_of_class), Reads(Node))
    rules = (
        Rule("", ("persistentvolumes", "persistentvolumeclaims"), READ + UPDATE),
        Rule("", ("persistentvolumeclaims/status",), UPDATE),
        Rule("", ("nodes",), READ),
        Rule("storage.k8s.io", ("storageclasses",), READ),
        Rule("", ("events",), CREATE + PATCH),
    )

    def plan(self, claim: PersistentVolumeClaim, world: World) -> Iterator[Action]:
        """Bind the claim to its volume, choose a volume for it, or have one provisioned."""
        if wellknown.BIND_COMPLETED in claim.metadata.annotations:
            yield from _keep(claim, world)
        elif claim.spec.volumeName:
            yield from _bind_to_named_volume(claim, world)
        elif not claim.metadata.deletionTimestamp:
            yield from _find(claim, world)


def _find(claim: PersistentVolumeClaim, world: World) -> Iterator[Action]:
    kind = world.get(StorageClass, "", matching.class_of(claim)) if matching.class_of(claim) else None
    delayed = kind is not None and kind.volumeBindingMode == "WaitForFirstConsumer"
    chosen = claim.metadata.annotations.get(wellknown.SELECTED_NODE, "") if delayed else ""
    node = world.get(Node, "", chosen) if chosen else None
    volume = matching.best(claim, world.list(PersistentVolume), node, delayed=delayed)
    if volume is not None:
        yield from _bind(claim, volume)
    elif delayed and node is None:
        yield from _once(claim, world, NORMAL, "WaitForFirstConsumer", WAITS)
    elif not matching.class_of(claim):
        yield from _once(claim, world, NORMAL, "FailedBinding", NO_VOLUME)
    elif kind is None:
        text = f'storageclass.storage.k8s.io "{matching.class_of(claim)}" not found'
        yield from _once(claim, world, WARNING, "ProvisioningFailed", text)
    else:
        yield from _provision(claim, kind, world)


def _provision(claim: PersistentVolumeClaim, kind: StorageClass, world: World) -> Iterator[Action]:
    """Nothing is provisioned here: whoever does is told, by annotations, that the claim is for him."""
    if kind.provisioner.startswith(INTREE):
        text = f"no volume plugin matched name: {kind.provisioner}"
        yield from _once(claim, world, WARNING, "ProvisioningFailed", text)
        return
    if any(claim.metadata.annotations.get(annotation) != kind.provisioner for annotation in PROVISIONERS):
        changed = codec.clone(claim)
        changed.metadata.annotations |= dict.fromkeys(PROVISIONERS, kind.provisioner)
        yield Update(changed)
    yield from _once(claim, world, NORMAL, "ExternalProvisioning", EXTERNAL.format(kind.provisioner))


def _bind_to_named_volume(claim: PersistentVolumeClaim, world: World) -> Iterator[Action]:
    """It names the volume that it is to have."""
    volume = world.get(PersistentVolume, "", claim.spec.volumeName)
    if volume is None:
        return
    if matching.is_of(volume, claim):
        yield from _bind(claim, volume)
    elif volume.spec.claimRef is not None:
        text = f'volume "{volume.metadata.name}" already bound to a different claim.'
        yield from _once(claim, world, WARNING, "FailedBinding", text)
    elif problem := matching.mismatch(volume, claim):
        text = f'Cannot bind to requested volume "{volume.metadata.name}": {problem}'
        yield from _once(claim, world, WARNING, "VolumeMismatch", text)
    else:
        yield from _bind(claim, volume)


def _keep(claim: PersistentVolumeClaim, world: World) -> Iterator[Action]:
    """It was bound: is it still?"""
    volume = world.get(PersistentVolume, "", claim.spec.volumeName) if claim.spec.volumeName else None
    if volume is not None and (volume.spec.claimRef is None or matching.is_of(volume, claim)):
        yield from _bind(claim, volume)
        return
    lost = codec.clone(claim)
    lost.status.phase, lost.status.accessModes, lost.status.capacity = "Lost", [], {}
    if volume is not None:
        reason, text = "ClaimMisbound", "Two claims are bound to the same volume, this one is bound incorrectly"
    elif claim.spec.volumeName:
        reason, text = "ClaimLost", "Bound claim has lost its PersistentVolume. Data on the volume is lost!"
    else:
        reason, text = "ClaimLost", "Bound claim has lost reference to PersistentVolume. Data on the volume is lost!"
    if claim.status.phase != "Lost":
        yield UpdateStatus(lost)
        yield Emit(claim, WARNING, reason, text)


def _bind(claim: PersistentVolumeClaim, volume: PersistentVolume) -> Iterator[Action]:
    """The next step of the binding."""
    reference = volume.spec.claimRef
    if reference is None or not reference.uid:
        taken = codec.clone(volume)
        taken.spec.claimRef = reference_to(claim)
        if reference is None:
            taken.metadata.annotations[matching.BOUND_BY_CONTROLLER] = "yes"
        yield Update(taken)
        return
    if wellknown.BIND_COMPLETED not in claim.metadata.annotations or not claim.spec.volumeName:
        bound = codec.clone(claim)
        if not claim.spec.volumeName:
            bound.metadata.annotations[matching.BOUND_BY_CONTROLLER] = "yes"
        bound.spec.volumeName = volume.metadata.name
        bound.metadata.annotations[wellknown.BIND_COMPLETED] = "yes"
        yield Update(bound)
        return
    told = codec.clone(claim)
    told.status.phase, told.status.accessModes = "Bound", [*volume.spec.accessModes]
    told.status.capacity = told.status.capacity if claim.status.phase == "Bound" and claim.status.capacity else dict(volume.spec.capacity)
    yield UpdateStatus(told)


def _once(claim: PersistentVolumeClaim, world: World, type: str, reason: str, message: str) -> Iterator[Action]:
    """Tell it when it is news."""
    if world.memory.get("told") != message:
        world.memory["told"] = message
        yield Emit(claim, type, reason, message)
