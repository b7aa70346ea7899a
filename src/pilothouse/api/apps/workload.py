"""Validation shared by Deployment, ReplicaSet, DaemonSet and StatefulSet: selector, template, rollout and status."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from pilothouse.api.core.validation.fields import NEGATIVE, nonnegative
from pilothouse.api.core.validation.podspec import validate_pod_template
from pilothouse.api.core.validation.selectors import is_empty, is_valid, validate_label_selector
from pilothouse.api.types.apps_v1 import ReplicaSetStatus
from pilothouse.api.types.core_v1 import PodTemplateSpec, ReplicationControllerStatus
from pilothouse.machinery import intorstring, labels, names
from pilothouse.machinery.meta_v1 import LabelSelector
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.struct import IntOrString

MISMATCH = "`selector` does not match template `labels`"
HUNDRED = "must not be greater than 100%"


def validate_selector(selector: LabelSelector | None, problems: Problems, kind: str) -> None:
    """A workload must say which Pods are its own. `kind`: how upstream calls it here."""
    if selector is None:
        problems.required()
        return
    validate_label_selector(selector, problems)
    if is_empty(selector):
        problems.invalid(selector, f"empty selector is invalid for {kind}")


def validate_match(template: PodTemplateSpec, selector: LabelSelector | None, problems: Problems) -> None:
    """The template makes Pods that the selector finds. A selector that is not there finds none, an empty one is reported elsewhere."""
    if selector is not None and is_empty(selector):
        return
    if selector is None or not labels.from_label_selector(selector).matches(template.metadata.labels):
        problems.at("metadata", "labels").invalid(template.metadata.labels or None, MISMATCH)


def validate_template(template: PodTemplateSpec, problems: Problems, kind: str) -> None:
    """The Pods of the template live as long as the workload. `kind` is who may not set a deadline."""
    validate_pod_template(template, problems)
    validate_long_lived(template, problems, kind)


def validate_long_lived(template: PodTemplateSpec, problems: Problems, kind: str) -> None:
    """Pods of this workload restart always and have no deadline. `kind` is named in the message."""
    if template.spec.restartPolicy != "Always":
        problems.at("spec", "restartPolicy").not_supported(template.spec.restartPolicy, ("Always",))
    if template.spec.activeDeadlineSeconds is not None:
        problems.at("spec", "activeDeadlineSeconds").forbidden(f"activeDeadlineSeconds in {kind} is not Supported")


def validate_replicated(template: PodTemplateSpec, selector: LabelSelector | None, problems: Problems) -> None:
    """Selector and template of a Deployment or ReplicaSet, at their spec: without a right selector the template is not looked at."""
    validate_selector(selector, problems.at("selector"), "deployment")
    if selector is not None and not is_valid(selector):
        problems.at("selector").invalid(selector, "invalid label selector")
        return
    validate_match(template, selector, problems.at("template"))
    validate_template(template, problems.at("template"), "ReplicaSet")


def validate_share(value: IntOrString | None, problems: Problems, limited: bool = False) -> None:
    """A number of Pods or a percentage; `limited` to 100%."""
    if isinstance(value, str):
        messages = names.percentage(value)
        for message in messages:
            problems.invalid(value, message)
        if limited and not messages and (intorstring.percents(value) or 0) > 100:
            problems.invalid(value, HUNDRED)
    elif value is not None and value < 0:
        problems.invalid(value, NEGATIVE)


def is_zero(value: IntOrString | None) -> bool:
    """Text that is neither a percentage nor a number counts as nothing, as upstream has it."""
    if isinstance(value, str) and names.percentage(value):
        return not re.fullmatch(r"[+-]?0*[1-9][0-9]*", value)
    if isinstance(value, str):
        return not intorstring.percents(value)
    return not value


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


def no_replicas(workload: Any) -> None:
    """An object without anything in it has no replicas, as upstream's conversion writes it."""
    workload.spec.replicas = 0
