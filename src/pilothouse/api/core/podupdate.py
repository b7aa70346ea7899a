"""Validation of Pod updates: images, added tolerations, shorter deadlines, removed scheduling gates.

`validate_ephemeral_update` and `validate_resize` are for the subresources of those names.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from pilothouse.api import wellknown
from pilothouse.api.core.validation.annotations import validate_annotations_kept
from pilothouse.api.core.validation.containers import PADDED
from pilothouse.api.core.validation.fields import INT32, report
from pilothouse.api.internal import difference
from pilothouse.api.types.core_v1 import (
    Affinity,
    Container,
    NodeAffinity,
    Pod,
    PodSpec,
    Toleration,
)
from pilothouse.machinery import names
from pilothouse.machinery.problems import Problems

UPDATABLE = ",".join(
    (
        "`spec.containers[*].image`",
        "`spec.initContainers[*].image`",
        "`spec.activeDeadlineSeconds`",
        "`spec.tolerations` (only additions to existing tolerations)",
        "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
    )
)
replace = msgspec.structs.replace


def validate_pod_update(old: Pod, new: Pod, problems: Problems) -> None:
    """Only images, tolerations (added), deadline (shorter), scheduling gates (removed) may change. Upstream: ValidatePodUpdate."""
    validate_annotations_kept(old.metadata.annotations, new.metadata.annotations, problems.at("metadata", "annotations"))
    spec = problems.at("spec")
    for field in ("containers", "initContainers"):
        if not _validate_images(getattr(old.spec, field), getattr(new.spec, field), spec.at(field)):
            return
    if not _validate_deadline(old.spec, new.spec, spec.at("activeDeadlineSeconds")):
        return
    _validate_tolerations(old.spec.tolerations, new.spec.tolerations, spec.at("tolerations"))
    before = {gate.name for gate in old.spec.schedulingGates}
    for index, gate in enumerate(new.spec.schedulingGates):
        if gate.name not in before:
            message = f"only deletion is allowed, but found new scheduling gate '{gate.name}'"
            spec.at("schedulingGates", index, "name").forbidden(message)
    if old.spec == new.spec:
        return
    rest = _without_updatable(old.spec, new.spec)
    if old.spec.schedulingGates:
        rest = _without_gated(old.spec, rest, spec)
    if rest != old.spec:
        shown = difference(old.spec, rest, "core.PodSpec")
        spec.forbidden(f"pod updates may not change fields other than {UPDATABLE}\n{shown}")


def _validate_images(old: Sequence[Container], new: Sequence[Container], problems: Problems) -> bool:
    if len(old) != len(new):
        problems.forbidden("pod updates may not add or remove containers")
        return False
    for index, container in enumerate(new):
        here = problems.at(index, "image")
        if not container.image:
            here.required()
        if container.image.strip() != container.image:
            here.invalid(container.image, PADDED)
    return True


def _validate_deadline(old: PodSpec, new: PodSpec, problems: Problems) -> bool:
    before, after = old.activeDeadlineSeconds, new.activeDeadlineSeconds
    if after is None:
        if before is not None:
            problems.invalid(None, "must not update from a positive integer to nil value")
        return True
    messages = names.in_range(after, 0, INT32)
    report(messages, after, problems)
    if not messages and before is not None and before < after:
        problems.invalid(after, "must be less than or equal to previous value")
        return False
    return not messages


def _validate_tolerations(old: list[Toleration], new: list[Toleration], problems: Problems) -> None:
    kept = [replace(toleration, tolerationSeconds=None) for toleration in new]
    if any(replace(toleration, tolerationSeconds=None) not in kept for toleration in old):
        problems.forbidden("existing toleration can not be modified except its tolerationSeconds")


def _without_updatable(old: PodSpec, new: PodSpec) -> PodSpec:
    """The new spec with every field that may change put back."""
    grace = new.terminationGracePeriodSeconds
    if (old.terminationGracePeriodSeconds or 0) < 0 and grace == 1:
        grace = old.terminationGracePeriodSeconds
    return replace(
        new,
        containers=[replace(after, image=before.image) for before, after in zip(old.containers, new.containers, strict=True)],
        initContainers=[replace(after, image=before.image) for before, after in zip(old.initContainers, new.initContainers, strict=True)],
        activeDeadlineSeconds=old.activeDeadlineSeconds,
        schedulingGates=old.schedulingGates,
        tolerations=old.tolerations,
        terminationGracePeriodSeconds=grace,
    )


def _without_gated(old: PodSpec, new: PodSpec, problems: Problems) -> PodSpec:
    """As long as a Pod is gated, where it may run can still be narrowed."""
    for key, value in old.nodeSelector.items():
        if new.nodeSelector.get(key) != value:
            message = "only additions to spec.nodeSelector are allowed (no mutations or deletions)"
            problems.at("nodeSelector").invalid(new.nodeSelector, message)
            break
    before = old.affinity.nodeAffinity if old.affinity else None
    after = new.affinity.nodeAffinity if new.affinity else None
    affinity = new.affinity
    if before != after:
        _validate_narrowed(before, after, problems.at("affinity", "nodeAffinity"))
        affinity = replace(new.affinity or Affinity(), nodeAffinity=before)
        if affinity == Affinity() and old.affinity is None:
            affinity = None
    return replace(new, nodeSelector=old.nodeSelector, affinity=affinity)


def _validate_narrowed(old: NodeAffinity | None, new: NodeAffinity | None, problems: Problems) -> None:
    before = old.requiredDuringSchedulingIgnoredDuringExecution if old else None
    if before is None:
        return
    here = problems.at("requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms")
    after = new.requiredDuringSchedulingIgnoredDuringExecution if new else None
    terms = (after.nodeSelectorTerms or []) if after else []
    if len(terms) != len(before.nodeSelectorTerms or ()):
        here.invalid(terms, "no additions/deletions to non-empty NodeSelectorTerms list are allowed")
        return
    for index, (first, second) in enumerate(zip(before.nodeSelectorTerms or (), terms, strict=True)):
        for field in ("matchExpressions", "matchFields"):
            kept = getattr(second, field)[: len(getattr(first, field))]
            if kept != getattr(first, field):
                here.at(index).invalid(second, "only additions are allowed (no mutations or deletions)")


def validate_ephemeral_update(old: Pod, new: Pod, problems: Problems) -> None:
    """Validate that ephemeral containers are only added."""
    if wellknown.CONFIG_MIRROR in old.metadata.annotations:
        problems.forbidden("static pods do not support ephemeral containers")
        return
    here = problems.at("spec", "ephemeralContainers")
    after = {container.name: container for container in new.spec.ephemeralContainers}
    for container in old.spec.ephemeralContainers:
        if container.name not in after:
            here.forbidden(f'existing ephemeral containers "{container.name}" may not be removed\n')
        elif after[container.name] != container:
            shown = difference(container, after[container.name], "core.EphemeralContainer")
            here.forbidden(f'existing ephemeral containers "{container.name}" may not be changed\n{shown}')
