"""Claims that Pods use do not go before these Pods."""

from __future__ import annotations

from collections.abc import Iterator

from pilothouse.api.types.core_v1 import PersistentVolumeClaim, Pod
from pilothouse.client.store import Key
from pilothouse.controllers.framework.actions import Action, Update
from pilothouse.controllers.framework.controller import READ, UPDATE, Controller, Related, Rule
from pilothouse.controllers.framework.world import World
from pilothouse.machinery import codec

FINALIZER = "kubernetes.io/pvc-protection"


def used_by(pod: Pod) -> tuple[str, ...]:
    """Index: Pods that have a node, by the claims that they use."""
    if not pod.spec.nodeName:
        return ()
    meta = pod.metadata
    named = [volume.persistentVolumeClaim.claimName for volume in pod.spec.volumes if volume.persistentVolumeClaim is not None]
    own = [f"{meta.name}-{volume.name}" for volume in pod.spec.volumes if volume.ephemeral is not None]
    return tuple(f"{meta.namespace}/{name}" for name in (*named, *own))


def _claims_of(pod: Pod, world: World) -> Iterator[Key]:
    for key in used_by(pod):
        namespace, _, name = key.partition("/")
        yield namespace, name


class PersistentVolumeClaimProtectionController(Controller):
    """Puts a finalizer on every claim, and takes it off one that is deleted when no Pod with a node names it any more."""

    name = "persistentvolumeclaim-protection-controller"
    account = "pvc-protection-controller"
    reconciles = PersistentVolumeClaim
    workers = 1
    watches = (Related(Pod, _claims_of, lambda old, new: False),)
    rules = (Rule("", ("persistentvolumeclaims",), READ + UPDATE), Rule("", ("pods",), READ))

    def plan(self, claim: PersistentVolumeClaim, world: World) -> Iterator[Action]:
        """Add the protection finalizer, or remove it from a deleted claim that no Pod uses."""
        meta = claim.metadata
        if not meta.deletionTimestamp:
            if FINALIZER not in meta.finalizers:
                yield with_finalizers(claim, [*meta.finalizers, FINALIZER])
        elif FINALIZER in meta.finalizers and not world.indexed(Pod, used_by, f"{meta.namespace}/{meta.name}"):
            yield with_finalizers(claim, [finalizer for finalizer in meta.finalizers if finalizer != FINALIZER])


def with_finalizers(claim: PersistentVolumeClaim, finalizers: list[str]) -> Update:
    """The update that gives the claim these finalizers; it fails with a conflict when the claim has changed."""
    changed = codec.clone(claim)
    changed.metadata.finalizers = finalizers
    return Update(changed)
