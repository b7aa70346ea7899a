"""Claims of Pods' own: volumes of the kind `ephemeral` live as long as their Pod."""

from __future__ import annotations

from collections.abc import Iterator

from pilothouse.api.types.core_v1 import PersistentVolumeClaim, Pod, Volume
from pilothouse.client.events import WARNING
from pilothouse.client.store import Key
from pilothouse.controllers import pods
from pilothouse.controllers.framework.actions import Action, Create, Emit
from pilothouse.controllers.framework.controller import CREATE, PATCH, READ, UPDATE, Controller, Related, Rule
from pilothouse.controllers.framework.owners import controlled_by, controller_of
from pilothouse.controllers.framework.world import World
from pilothouse.machinery import codec
from pilothouse.machinery.meta_v1 import ObjectMeta


def _pod_of(claim: PersistentVolumeClaim, world: World) -> Iterator[Key]:
    owner = controller_of(claim)
    if owner is not None and owner.kind == "Pod":
        yield claim.metadata.namespace, owner.name


class EphemeralVolumeController(Controller):
    """Makes the claim of each such volume, owned by the Pod, so that the garbage collector removes it with the Pod.

    A claim of that name that is another's is not used: the Pod is told, and waits.
    """

    name = "ephemeral-volume-controller"
    account = "ephemeral-volume-controller"
    source = "ephemeral_volume"
    reconciles = Pod
    watches = (Related(PersistentVolumeClaim, _pod_of, lambda old, new: False),)
    rules = (
        Rule("", ("pods",), READ),
        Rule("", ("pods/finalizers",), UPDATE),
        Rule("", ("persistentvolumeclaims",), READ + CREATE),
        Rule("", ("events",), CREATE + PATCH),
    )

    def plan(self, pod: Pod, world: World) -> Iterator[Action]:
        """Create the missing claims of the Pod's ephemeral volumes."""
        if pod.metadata.deletionTimestamp or pods.is_finished(pod):
            return
        for volume in pod.spec.volumes:
            if volume.ephemeral is not None:
                yield from _have(pod, volume, world)


def _have(pod: Pod, volume: Volume, world: World) -> Iterator[Action]:
    namespace, name = pod.metadata.namespace, f"{pod.metadata.name}-{volume.name}"
    known = world.get(PersistentVolumeClaim, namespace, name)
    if known is None:
        yield Create(_made(volume, namespace, name), owner=pod)
    elif not controlled_by(known, pod):
        why = f"PVC {namespace}/{name} was not created for pod {namespace}/{pod.metadata.name} (pod is not owner)"
        yield Emit(pod, WARNING, "FailedBinding", f"ephemeral volume {volume.name}: {why}")


def _made(volume: Volume, namespace: str, name: str) -> PersistentVolumeClaim:
    assert volume.ephemeral is not None
    assert volume.ephemeral.volumeClaimTemplate is not None
    template = codec.clone(volume.ephemeral.volumeClaimTemplate)
    source = template.metadata
    meta = ObjectMeta(name=name, namespace=namespace, labels=source.labels, annotations=source.annotations)
    return PersistentVolumeClaim(metadata=meta, spec=template.spec)
