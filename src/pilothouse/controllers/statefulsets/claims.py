"""Claims of a StatefulSet's Pods: their names and owners. Pure.

Claims outlive Pods and set, unless persistentVolumeClaimRetentionPolicy says otherwise: then they are owned by what they are to go with,
and the garbage collector does the rest. whenDeleted: by the set. whenScaled: by the Pod, from when it is about to be scaled away.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pilothouse.api.types.apps_v1 import StatefulSet
from pilothouse.api.types.core_v1 import PersistentVolumeClaim, PersistentVolumeClaimVolumeSource, Pod, Volume
from pilothouse.controllers.framework.owners import controller_of, controller_reference
from pilothouse.controllers.framework.world import World
from pilothouse.machinery import codec
from pilothouse.machinery.meta_v1 import ObjectMeta, OwnerReference


def claim_name(statefulset: StatefulSet, template: PersistentVolumeClaim, number: int) -> str:
    """The name of the claim that a template gives to the Pod of this ordinal."""
    return f"{template.metadata.name}-{statefulset.metadata.name}-{number}"


def volumes(statefulset: StatefulSet, number: int) -> list[Volume]:
    """The volumes that stand for the claims of a Pod."""
    return [
        Volume(
            name=template.metadata.name,
            persistentVolumeClaim=PersistentVolumeClaimVolumeSource(claimName=claim_name(statefulset, template, number)),
        )
        for template in statefulset.spec.volumeClaimTemplates
    ]


def present(statefulset: StatefulSet, number: int, world: World) -> list[PersistentVolumeClaim]:
    """Existing claims of a Pod."""
    names = (claim_name(statefulset, template, number) for template in statefulset.spec.volumeClaimTemplates)
    claims = (world.get(PersistentVolumeClaim, statefulset.metadata.namespace, name) for name in names)
    return [claim for claim in claims if claim is not None]


def missing(statefulset: StatefulSet, number: int, world: World) -> Iterator[PersistentVolumeClaim]:
    """Claims that a Pod needs and that do not exist."""
    for template in statefulset.spec.volumeClaimTemplates:
        name = claim_name(statefulset, template, number)
        if world.get(PersistentVolumeClaim, statefulset.metadata.namespace, name) is None:
            made = codec.clone(template)
            made.metadata = ObjectMeta(
                name=name,
                namespace=statefulset.metadata.namespace,
                labels=dict(template.metadata.labels) | dict(statefulset.spec.selector.matchLabels if statefulset.spec.selector else {}),
                annotations=dict(template.metadata.annotations),
                ownerReferences=[controller_reference(statefulset)] if _when(statefulset, "whenDeleted") else [],
            )
            yield made


def is_stale(claim: PersistentVolumeClaim, pod_name: str) -> bool:
    """It is to go with an earlier Pod of that name: the next one must wait until it is gone."""
    return any(ref.kind == "Pod" and ref.name == pod_name for ref in claim.metadata.ownerReferences)


def reowned(statefulset: StatefulSet, claim: PersistentVolumeClaim, pod: Pod, *, condemned: bool) -> PersistentVolumeClaim | None:
    """The claim with the owners that the policy asks for; None when it has them. `condemned`: the Pod is to be scaled away."""
    own = {statefulset.metadata.uid, pod.metadata.uid}
    others = [ref for ref in claim.metadata.ownerReferences if ref.uid not in own]
    foreign = controller_of(claim)
    wanted = [] if foreign is not None and foreign.uid not in own else _owners(statefulset, pod, condemned)
    if [ref for ref in claim.metadata.ownerReferences if ref.uid in own] == wanted:
        return None
    changed = codec.clone(claim)
    changed.metadata.ownerReferences = [*others, *wanted]
    return changed


def _owners(statefulset: StatefulSet, pod: Pod, condemned: bool) -> list[OwnerReference]:
    if condemned and _when(statefulset, "whenScaled"):
        return [controller_reference(pod)]
    return [controller_reference(statefulset)] if _when(statefulset, "whenDeleted") else []


def _when(statefulset: StatefulSet, case: str) -> bool:
    """Whether the policy says Delete in this case."""
    policy: Any = statefulset.spec.persistentVolumeClaimRetentionPolicy
    return policy is not None and getattr(policy, case) == "Delete"
