"""Spreading and affinity between Pods, said slowly: domain after domain, from the objects alone; it shares no code with the plugins.

Selectors are of `matchLabels`, and every Pod is in a namespace of `NAMESPACES`. Scores are those of upstream's 1.34.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from pilothouse.api.types.core_v1 import Node, Pod, PodAffinityTerm, TopologySpreadConstraint
from tests.unit.scheduler.oracle import Place
from tests.unit.scheduler.world import NAMESPACES

HOST = "kubernetes.io/hostname"
SKEW = "node(s) didn't match pod topology spread constraints"
NEAR, FAR, UNWANTED = (
    "node(s) didn't match pod affinity rules",
    "node(s) didn't match pod anti-affinity rules",
    "node(s) didn't satisfy existing pods anti-affinity rules",
)


# Spreading


def counted(pod: Pod, spec: TopologySpreadConstraint, place: Place) -> int:
    wanted = dict(spec.labelSelector.matchLabels) if spec.labelSelector is not None else None
    for key in spec.matchLabelKeys:
        if wanted is not None and key in pod.metadata.labels:
            wanted[key] = pod.metadata.labels[key]
    if not wanted:
        return 0
    return sum(
        1
        for one in place.pods
        if one.metadata.namespace == pod.metadata.namespace
        and not one.metadata.deletionTimestamp
        and wanted.items() <= one.metadata.labels.items()
    )


def admitted(pod: Pod, spec: TopologySpreadConstraint, node: Node) -> bool:
    if spec.nodeAffinityPolicy != "Ignore" and not pod.spec.nodeSelector.items() <= node.metadata.labels.items():
        return False
    return spec.nodeTaintsPolicy != "Honor" or not any(one.effect in ("NoSchedule", "NoExecute") for one in node.spec.taints)


def specs(pod: Pod, how: str) -> list[TopologySpreadConstraint]:
    return [one for one in pod.spec.topologySpreadConstraints if one.whenUnsatisfiable == how]


def whole_places(hard: Sequence[TopologySpreadConstraint], places: Sequence[Place]) -> list[Place]:
    return [one for one in places if all(spec.topologyKey in one.node.metadata.labels for spec in hard)]


def too_uneven(pod: Pod, here: Place, places: Sequence[Place]) -> str:
    hard = specs(pod, "DoNotSchedule")
    for spec in hard:
        domain = here.node.metadata.labels.get(spec.topologyKey)
        if domain is None:
            return f"{SKEW} (missing required label)"
        found: dict[str, int] = {}
        for one in whole_places(hard, places):
            if admitted(pod, spec, one.node):
                value = one.node.metadata.labels[spec.topologyKey]
                found[value] = found.get(value, 0) + counted(pod, spec, one)
        least = 0 if len(found) < (spec.minDomains or 1) else min(found.values())
        own = spec.labelSelector is not None and spec.labelSelector.matchLabels.items() <= pod.metadata.labels.items()
        if found.get(domain, 0) + own - least > spec.maxSkew:
            return SKEW
    return ""


def evenness(pod: Pod, fitting: Sequence[Place], places: Sequence[Place]) -> list[int]:
    soft = specs(pod, "ScheduleAnyway")
    rated = whole_places(soft, fitting)
    raw = {}
    for here in rated:
        total = 0.0
        for spec in soft:
            domain = here.node.metadata.labels[spec.topologyKey]
            if spec.topologyKey == HOST:
                size, count = len(rated), counted(pod, spec, here)
            else:
                size = len({one.node.metadata.labels[spec.topologyKey] for one in rated})
                peers = [one for one in whole_places(soft, places) if one.node.metadata.labels[spec.topologyKey] == domain]
                count = sum(counted(pod, spec, one) for one in peers if admitted(pod, spec, one.node))
            total += count * math.log(size + 2) + (spec.maxSkew - 1)
        raw[here.node.metadata.name] = math.floor(total + 0.5)
    least, most = min(raw.values(), default=0), max(raw.values(), default=0)
    return [
        0 if (have := raw.get(one.node.metadata.name)) is None else 100 if most == 0 else 100 * (most + least - have) // most
        for one in fitting
    ]


# Affinity


def means(owner: Pod, term: PodAffinityTerm, other: Pod) -> bool:
    space = other.metadata.namespace
    here = [*term.namespaces] or ([owner.metadata.namespace] if term.namespaceSelector is None else [])
    chosen = term.namespaceSelector is not None and term.namespaceSelector.matchLabels.items() <= NAMESPACES[space].items()
    if space not in here and not chosen:
        return False
    return term.labelSelector is not None and term.labelSelector.matchLabels.items() <= other.metadata.labels.items()


def group(pod: Pod, which: str, how: str) -> list[object]:
    found = getattr(pod.spec.affinity, which, None) if pod.spec.affinity else None
    return [*getattr(found, f"{how}DuringSchedulingIgnoredDuringExecution")] if found is not None else []


def together(one: Node, other: Node, key: str) -> bool:
    return key in one.metadata.labels and one.metadata.labels[key] == other.metadata.labels.get(key)


def everybody(places: Sequence[Place]) -> Iterator[tuple[Place, Pod]]:
    for place in places:
        for one in place.pods:
            yield place, one


def unfriendly(pod: Pod, here: Place, places: Sequence[Place]) -> str:
    terms: list[PodAffinityTerm] = group(pod, "podAffinity", "required")  # type: ignore[assignment]
    friends = [(place, one) for place, one in everybody(places) if terms and all(means(pod, term, one) for term in terms)]
    for term in terms:
        if term.topologyKey not in here.node.metadata.labels:
            return NEAR
    if not all(any(together(here.node, place.node, term.topologyKey) for place, _ in friends) for term in terms):
        labelled = [place for place, _ in friends if any(term.topologyKey in place.node.metadata.labels for term in terms)]
        if labelled or not all(means(pod, term, pod) for term in terms):
            return NEAR
    for term in group(pod, "podAntiAffinity", "required"):  # type: ignore[assignment]
        if any(means(pod, term, one) and together(here.node, place.node, term.topologyKey) for place, one in everybody(places)):
            return FAR
    for place, one in everybody(places):
        for term in group(one, "podAntiAffinity", "required"):  # type: ignore[assignment]
            if means(one, term, pod) and together(here.node, place.node, term.topologyKey):
                return UNWANTED
    return ""


def liking(pod: Pod, fitting: Sequence[Place], places: Sequence[Place]) -> list[int]:
    """What the Pod would like, what those that are there would like, and what they require, which counts one."""
    raw = []
    for here in fitting:
        total = 0
        for place, other in everybody(places):
            for owner, met in ((pod, other), (other, pod)):
                wishes = [(one.podAffinityTerm, one.weight) for one in group(owner, "podAffinity", "preferred")]  # type: ignore[attr-defined]
                wishes += [(one.podAffinityTerm, -one.weight) for one in group(owner, "podAntiAffinity", "preferred")]  # type: ignore[attr-defined]
                wishes += [(one, 1) for one in group(owner, "podAffinity", "required") if owner is other]
                total += sum(
                    weight for term, weight in wishes if means(owner, term, met) and together(here.node, place.node, term.topologyKey)
                )
        raw.append(total)
    least, most = min(raw), max(raw)
    return [int(100.0 * (float(one - least) / float(most - least))) if most > least else 0 for one in raw]
