"""The conditions of a CustomResourceDefinition, and whether the API of a protected group is approved.

Upstream: apiextensions-apiserver/pkg/apihelpers.
"""

from __future__ import annotations

from urllib.parse import urlsplit

import msgspec

from pilothouse.api.types.apiextensions_v1 import CustomResourceDefinition, CustomResourceDefinitionCondition
from pilothouse.machinery.conditions import find_condition
from pilothouse.machinery.quoting import go_quoted

ESTABLISHED, NAMES_ACCEPTED, TERMINATING = "Established", "NamesAccepted", "Terminating"
NON_STRUCTURAL, APPROVAL = "NonStructuralSchema", "KubernetesAPIApprovalPolicyConformant"
TRUE, FALSE = "True", "False"
CLEANUP_FINALIZER = "customresourcecleanup.apiextensions.k8s.io"
APPROVED_ANNOTATION = "api-approved.kubernetes.io"
PROTECTED = ("k8s.io", "kubernetes.io")
SEE = "see https://github.com/kubernetes/enhancements/pull/1111"

Condition = CustomResourceDefinitionCondition


def condition(type: str, status: str, reason: str, message: str) -> Condition:
    """A condition whose time is set when it is written."""
    return Condition(type=type, status=status, reason=reason, message=message)


def find(definition: CustomResourceDefinition, type: str) -> Condition | None:
    """The condition of a type; None where it is not set."""
    return find_condition(definition.status.conditions, type)


def is_true(definition: CustomResourceDefinition, type: str) -> bool:
    """Whether the condition `type` is there with status True."""
    known = find(definition, type)
    return known is not None and known.status == TRUE


def is_served(definition: CustomResourceDefinition) -> bool:
    """Whether requests for the kind are answered: its names are accepted, or were once."""
    return is_true(definition, NAMES_ACCEPTED) or is_true(definition, ESTABLISHED)


def with_condition(conditions: list[Condition] | None, wanted: Condition, now: str) -> list[Condition]:
    """The conditions with one of them set; its time moves only with its status."""
    made = msgspec.structs.replace(wanted, lastTransitionTime=now)
    others = list(conditions or ())
    for index, known in enumerate(others):
        if known.type == wanted.type:
            if known.status == wanted.status and known.lastTransitionTime:
                made.lastTransitionTime = known.lastTransitionTime
            others[index] = made
            return others
    return [*others, made]


def equal_ignoring_times(condition: Condition | None, other: Condition | None) -> bool:
    """Whether two conditions say the same, whenever they began."""
    if condition is None or other is None:
        return condition is other
    return (condition.type, condition.status, condition.reason, condition.message) == (
        other.type,
        other.status,
        other.reason,
        other.message,
    )


def is_protected(group: str) -> bool:
    """Whether a group belongs to the Kubernetes project, whose APIs need an approval."""
    return group.endswith(tuple(f".{domain}" for domain in PROTECTED)) or group in PROTECTED


def approval(definition: CustomResourceDefinition) -> Condition | None:
    """The condition of the approval policy; None for a group that is not protected."""
    if not is_protected(definition.spec.group):
        return None
    said = definition.metadata.annotations.get(APPROVED_ANNOTATION, "")
    name = go_quoted(APPROVED_ANNOTATION)
    if not said:
        return condition(APPROVAL, FALSE, "MissingAnnotation", f"protected groups must have approval annotation {name}, {SEE}")
    if said.startswith("unapproved"):
        return condition(APPROVAL, FALSE, "UnapprovedAnnotation", f"not approved: {go_quoted(said)}")
    if _is_url(said):
        return condition(APPROVAL, TRUE, "ApprovedAnnotation", f"approved in {said}")
    told = f'protected groups must have approval annotation {name} with either a URL or a reason starting with "unapproved", {SEE}'
    return condition(APPROVAL, FALSE, "InvalidAnnotation", told)


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return bool(parts.scheme and parts.netloc)
