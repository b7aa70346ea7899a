"""Rules of affinity and topology spreading."""

from __future__ import annotations

from pilothouse.api.core.validation.fields import NOT_POSITIVE, optional_one_of, report
from pilothouse.api.core.validation.selectors import validate_label_selector, validate_node_selector, validate_node_selector_term
from pilothouse.api.types.core_v1 import (
    Affinity,
    NodeAffinity,
    PodAffinity,
    PodAffinityTerm,
    PodAntiAffinity,
    TopologySpreadConstraint,
)
from pilothouse.machinery import names
from pilothouse.machinery.meta_v1 import LabelSelector
from pilothouse.machinery.problems import Problems

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
WEIGHT = "must be in the range 1-100"
IN_BOTH = "exists in both matchLabelKeys and labelSelector"
NO_SELECTOR = "must not be specified when labelSelector is not set"


def validate_affinity(affinity: Affinity | None, problems: Problems) -> None:
    """Rules of node affinity, pod affinity and anti-affinity. Upstream: validateAffinity."""
    if affinity is None:
        return
    if affinity.nodeAffinity:
        validate_node_affinity(affinity.nodeAffinity, problems.at("nodeAffinity"))
    for field in ("podAffinity", "podAntiAffinity"):
        kind: PodAffinity | PodAntiAffinity | None = getattr(affinity, field)
        if kind:
            _validate_pod_affinity(kind, problems.at(field))


def validate_node_affinity(affinity: NodeAffinity, problems: Problems) -> None:
    """Required terms, and preferred terms with weights from 1 to 100. Upstream: validateNodeAffinity."""
    if affinity.requiredDuringSchedulingIgnoredDuringExecution:
        validate_node_selector(affinity.requiredDuringSchedulingIgnoredDuringExecution, problems.at(REQUIRED))
    for index, term in enumerate(affinity.preferredDuringSchedulingIgnoredDuringExecution):
        here = problems.at(PREFERRED, index)
        if not 1 <= term.weight <= 100:
            here.at("weight").invalid(term.weight, WEIGHT)
        validate_node_selector_term(term.preference, here.at("preference"), values=False)


def _validate_pod_affinity(kind: PodAffinity | PodAntiAffinity, problems: Problems) -> None:
    for index, term in enumerate(kind.requiredDuringSchedulingIgnoredDuringExecution):
        _validate_term(term, problems.at(REQUIRED, index))
    for index, weighted in enumerate(kind.preferredDuringSchedulingIgnoredDuringExecution):
        here = problems.at(PREFERRED, index)
        if not 1 <= weighted.weight <= 100:
            here.at("weight").invalid(weighted.weight, WEIGHT)
        _validate_term(weighted.podAffinityTerm, here.at("podAffinityTerm"))


def _validate_term(term: PodAffinityTerm, problems: Problems) -> None:
    validate_label_selector(term.labelSelector, problems.at("labelSelector"))
    validate_label_selector(term.namespaceSelector, problems.at("namespaceSelector"))
    for name in term.namespaces:
        report(names.dns_label(name), name, problems, "namespace")
    for field in ("matchLabelKeys", "mismatchLabelKeys"):
        keys = getattr(term, field)
        if keys and term.labelSelector is None:
            problems.at(field).forbidden(NO_SELECTOR)
            continue
        for index, key in enumerate(keys):
            report(names.qualified_name(key), key, problems, field, index)
    for index, key in enumerate(term.matchLabelKeys):
        if _doubled(key, term.labelSelector):
            problems.at(index).invalid(key, IN_BOTH)
        if key in term.mismatchLabelKeys:
            problems.at("matchLabelKeys", index).invalid(key, "exists in both matchLabelKeys and mismatchLabelKeys")
    if not term.topologyKey:
        problems.at("topologyKey").required("can not be empty")
    report(names.qualified_name(term.topologyKey), term.topologyKey, problems, "topologyKey")


def _doubled(key: str, selector: LabelSelector | None) -> bool:
    """The Pod's own value has been added to the selector already: a second mention is the client's."""
    if selector is None:
        return False
    return (key in selector.matchLabels) + sum(expression.key == key for expression in selector.matchExpressions) > 1


def validate_spreading(constraints: list[TopologySpreadConstraint], problems: Problems) -> None:
    """Rules of topologySpreadConstraints. Upstream: validateTopologySpreadConstraints."""
    for index, constraint in enumerate(constraints):
        here = problems.at(index)
        if constraint.maxSkew <= 0:
            here.at("maxSkew").invalid(constraint.maxSkew, NOT_POSITIVE)
        if not constraint.topologyKey:
            here.at("topologyKey").required("can not be empty")
        if constraint.whenUnsatisfiable not in ("DoNotSchedule", "ScheduleAnyway"):
            here.at("whenUnsatisfiable").not_supported(constraint.whenUnsatisfiable, ("DoNotSchedule", "ScheduleAnyway"))
        pair = (constraint.topologyKey, constraint.whenUnsatisfiable)
        if any((other.topologyKey, other.whenUnsatisfiable) == pair for other in constraints[index + 1 :]):
            here.at("{topologyKey, whenUnsatisfiable}").duplicate(f"{{{constraint.topologyKey}, {constraint.whenUnsatisfiable}}}")
        _validate_domains(constraint, here.at("minDomains"))
        for field in ("nodeAffinityPolicy", "nodeTaintsPolicy"):
            optional_one_of(getattr(constraint, field), ("Honor", "Ignore"), here, field)
        _validate_spread_keys(constraint, here.at("matchLabelKeys"))
        validate_label_selector(constraint.labelSelector, here.at("labelSelector"))


def _validate_domains(constraint: TopologySpreadConstraint, problems: Problems) -> None:
    if constraint.minDomains is None:
        return
    if constraint.minDomains <= 0:
        problems.invalid(constraint.minDomains, NOT_POSITIVE)
    if constraint.whenUnsatisfiable != "DoNotSchedule":
        message = f"can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {constraint.whenUnsatisfiable}"
        problems.invalid(constraint.minDomains, message)


def _validate_spread_keys(constraint: TopologySpreadConstraint, problems: Problems) -> None:
    if constraint.matchLabelKeys and constraint.labelSelector is None:
        problems.forbidden(NO_SELECTOR)
    for index, key in enumerate(constraint.matchLabelKeys):
        report(names.qualified_name(key), key, problems, index)
        if _doubled(key, constraint.labelSelector):
            problems.at(index).invalid(key, IN_BOTH)
