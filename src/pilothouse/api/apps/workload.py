"""What Deployment, ReplicaSet, DaemonSet and StatefulSet ask alike of selector, template, rollout and status."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pilothouse.api.core.validation.fields import NEGATIVE, nonnegative
from pilothouse.api.core.validation.podspec import validate_pod_template
from pilothouse.api.core.validation.selectors import is_empty, validate_label_selector
from pilothouse.api.types.apps_v1 import ReplicaSetStatus
from pilothouse.api.types.core_v1 import PodTemplateSpec, ReplicationControllerStatus
from pilothouse.machinery import intorstring, labels, names
from pilothouse.machinery.meta_v1 import LabelSelector
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.struct import IntOrString

MISMATCH = "`selector` does not match template `labels`"
HUNDRED = "must not be greater than 100%"


def validate_selector(selector: LabelSelector | None, problems: Problems, kind: str = "deployment") -> None:
    """A workload must say which Pods are its own. `kind` is what upstream calls it: a ReplicaSet, too, is a "deployment"."""
    if selector is None:
        problems.required()
        return
    validate_label_selector(selector, problems)
    if is_empty(selector):
        problems.invalid(selector, f"empty selector is invalid for {kind}")


def validate_template(template: PodTemplateSpec, selector: LabelSelector | None, problems: Problems, kind: str = "ReplicaSet") -> None:
    """The template makes Pods that the selector finds, and that live as long as the workload. `kind` is who may not set a deadline."""
    try:
        matched = selector is not None and not is_empty(selector) and labels.from_label_selector(selector).matches(template.metadata.labels)
    except ValueError:
        matched = True  # the selector itself is wrong, and reported
    if not matched:
        problems.at("metadata", "labels").invalid(template.metadata.labels, MISMATCH)
    validate_pod_template(template, problems)
    if template.spec.restartPolicy != "Always":
        problems.at("spec", "restartPolicy").not_supported(template.spec.restartPolicy, ("Always",))
    if template.spec.activeDeadlineSeconds is not None:
        problems.at("spec", "activeDeadlineSeconds").forbidden(f"activeDeadlineSeconds in {kind} is not Supported")


def validate_share(value: IntOrString | None, problems: Problems, limited: bool = False) -> None:
    """A number of Pods or a percentage; `limited` to 100%."""
    if isinstance(value, str):
        found = names.percentage(value)
        for message in found:
            problems.invalid(value, message)
        if limited and not found and (intorstring.percents(value) or 0) > 100:
            problems.invalid(value, HUNDRED)
    elif value is not None and value < 0:
        problems.invalid(value, NEGATIVE)


def is_zero(value: IntOrString | None) -> bool:
    if value is None:
        return True
    try:
        return intorstring.scaled(value, 100, True) == 0
    except ValueError:
        return False


def validate_counts(status: Any, fields: Sequence[str], problems: Problems) -> None:
    """Numbers of a status that cannot be less than nothing."""
    for field in fields:
        nonnegative(getattr(status, field), problems, field)


def validate_within(status: Any, fields: Sequence[str], problems: Problems, ready: str = "readyReplicas") -> None:
    """No more of a sort than there are, and no more available than ready. `ready` is how upstream calls those."""
    for field in fields:
        if getattr(status, field) > status.replicas:
            problems.at(field).invalid(getattr(status, field), "cannot be greater than status.replicas")
    if status.availableReplicas > status.readyReplicas:
        problems.at("availableReplicas").invalid(status.availableReplicas, f"cannot be greater than {ready}")


def validate_collisions(old: Any, new: Any, problems: Problems) -> None:
    """The count of names that were taken makes new names: it never goes back."""
    if (new.collisionCount or 0) < (old.collisionCount or 0):
        problems.at("collisionCount").invalid(new.collisionCount or 0, "cannot be decremented")


def validate_replica_counts(status: ReplicaSetStatus | ReplicationControllerStatus, problems: Problems) -> None:
    """The status of a ReplicaSet or a ReplicationController."""
    counted = ("fullyLabeledReplicas", "readyReplicas", "availableReplicas")
    validate_counts(status, ("replicas", *counted, "observedGeneration"), problems)
    validate_within(status, counted, problems)
