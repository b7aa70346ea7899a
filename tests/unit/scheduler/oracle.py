"""The filters and scores of one Pod, said slowly: node after node, in plain numbers, from the objects alone.

It shares no code with the plugins, so that what both say is said twice. Scores are those of upstream's 1.34 with the default weights.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pilothouse.api.types.core_v1 import Container, Node, NodeSelectorRequirement, NodeSelectorTerm, Pod, Taint
from pilothouse.machinery.quantity import milli
from pilothouse.machinery.quantity import value as units

MIB = 1024 * 1024
ASSUMED = {"cpu": 100, "memory": 200 * MIB}


@dataclass
class Place:
    """A node and the Pods on it."""

    node: Node
    pods: list[Pod] = field(default_factory=list)


def asked(container: Container, assumed: Mapping[str, int]) -> Counter[str]:
    given = {name: milli(value) if name == "cpu" else units(value) for name, value in container.resources.requests.items()}
    return Counter({**assumed, **given})


def requests(pod: Pod, assumed: Mapping[str, int] | None = None) -> Counter[str]:
    """The most that runs at one time, were each init container run after the other, plus overhead."""
    assumed = assumed or {}
    beside: Counter[str] = Counter()
    moments: list[Counter[str]] = []
    for one in pod.spec.initContainers:
        if one.restartPolicy == "Always":
            beside = beside + asked(one, assumed)
            moments.append(beside)
        else:
            moments.append(beside + asked(one, assumed))
    running = beside
    for one in pod.spec.containers:
        running = running + asked(one, assumed)
    moments.append(running)
    names = {name for moment in moments for name in moment}
    most = Counter({name: max(moment[name] for moment in moments) for name in names})
    if pod.spec.resources is not None:
        most.update({})
        for name, value in pod.spec.resources.requests.items():
            most[name] = milli(value) if name == "cpu" else units(value)
    return most + Counter({name: milli(value) if name == "cpu" else units(value) for name, value in pod.spec.overhead.items()})


def ports(pod: Pod) -> Iterable[tuple[str, str, int]]:
    for one in [*pod.spec.containers, *(one for one in pod.spec.initContainers if one.restartPolicy == "Always")]:
        for port in one.ports:
            if port.hostPort:
                yield port.hostIP or "0.0.0.0", port.protocol or "TCP", port.hostPort


def tolerated(pod: Pod, taint: Taint, effects: Sequence[str] | None = None) -> bool:
    for one in pod.spec.tolerations:
        if effects is not None and one.effect not in effects:
            continue
        if one.effect not in ("", taint.effect) or one.key not in ("", taint.key):
            continue
        if one.operator == "Exists" or (one.operator in ("", "Equal") and one.value == taint.value):
            return True
    return False


def meets(labels: Mapping[str, str], wanted: NodeSelectorRequirement) -> bool:
    have = labels.get(wanted.key)
    if wanted.operator in ("Exists", "DoesNotExist"):
        return (have is not None) == (wanted.operator == "Exists")
    if wanted.operator == "In":
        return have is not None and have in wanted.values
    if wanted.operator == "NotIn":
        return have is None or have not in wanted.values
    if have is None or not have.isdigit():
        return False
    return int(have) > int(wanted.values[0]) if wanted.operator == "Gt" else int(have) < int(wanted.values[0])


def chosen(node: Node, term: NodeSelectorTerm) -> bool:
    fields = {"metadata.name": node.metadata.name}
    parts = [meets(node.metadata.labels, one) for one in term.matchExpressions] + [meets(fields, one) for one in term.matchFields]
    return all(parts)


def required_terms(pod: Pod) -> list[NodeSelectorTerm] | None:
    affinity = pod.spec.affinity.nodeAffinity if pod.spec.affinity else None
    required = affinity.requiredDuringSchedulingIgnoredDuringExecution if affinity else None
    return required.nodeSelectorTerms if required else None


def why_not(pod: Pod, place: Place) -> list[str]:
    """What the first filter that rejects the node says; nothing when all let it pass."""
    node, spec = place.node, pod.spec
    if node.spec.unschedulable and not tolerated(pod, Taint(key="node.kubernetes.io/unschedulable", effect="NoSchedule")):
        return ["node(s) were unschedulable"]
    for taint in node.spec.taints:
        if taint.effect in ("NoSchedule", "NoExecute") and not tolerated(pod, taint):
            return [f"node(s) had untolerated taint {{{taint.key}: {taint.value}}}"]
    terms = required_terms(pod)
    labelled = all(node.metadata.labels.get(key) == value for key, value in spec.nodeSelector.items())
    some = terms is None or any((one.matchExpressions or one.matchFields) and chosen(node, one) for one in terms)
    if not (labelled and some):
        return ["node(s) didn't match Pod's node affinity/selector"]
    for address, protocol, number in ports(pod):
        for other in place.pods:
            for his in ports(other):
                if his[1:] == (protocol, number) and (his[0] == address or "0.0.0.0" in (his[0], address)):
                    return ["node(s) didn't have free ports for the requested pod ports"]
    return short(pod, place)


def short(pod: Pod, place: Place) -> list[str]:
    room = place.node.status.allocatable
    told = ["Too many pods"] if len(place.pods) + 1 > units(room.get("pods", "0")) else []
    for name, amount in requests(pod).items():
        has = milli(room.get(name, "0")) if name == "cpu" else units(room.get(name, "0"))
        used = sum(requests(one)[name] for one in place.pods)
        if amount and amount > has - used:
            told.append(f"Insufficient {name}")
    return told


def message(pod: Pod, places: Sequence[Place]) -> str:
    """The diagnosis, without what preemption adds; of a Pod that no node fits."""
    told = Counter(reason for place in places for reason in why_not(pod, place))
    return f"0/{len(places)} nodes are available: {', '.join(sorted(f'{count} {reason}' for reason, count in told.items()))}."


# Scores


def scores(pod: Pod, places: Sequence[Place], all_places: Sequence[Place]) -> list[int]:
    """The total of each of `places`, all of which fit; `all_places`: the whole cluster."""
    prefer = [disliked(pod, one.node) for one in places]
    like = [liked(pod, one.node) for one in places]
    dislike_most, like_most = max(prefer), max(like)
    totals = []
    for place, against, by in zip(places, prefer, like, strict=True):
        total = 3 * (100 - (100 * against // dislike_most if dislike_most else 0))
        total += 2 * (100 * by // like_most if like_most else 0)
        totals.append(total + least_allocated(pod, place) + balanced(pod, place) + images(pod, place, all_places))
    return totals


def disliked(pod: Pod, node: Node) -> int:
    soft = [one for one in node.spec.taints if one.effect == "PreferNoSchedule"]
    return sum(not tolerated(pod, one, ("", "PreferNoSchedule")) for one in soft)


def liked(pod: Pod, node: Node) -> int:
    affinity = pod.spec.affinity.nodeAffinity if pod.spec.affinity else None
    preferred = affinity.preferredDuringSchedulingIgnoredDuringExecution if affinity else []
    return sum(one.weight for one in preferred if chosen(node, one.preference))


def least_allocated(pod: Pod, place: Place) -> int:
    parts = []
    for name, unit in (("cpu", milli), ("memory", units)):
        capacity = unit(place.node.status.allocatable.get(name, "0"))
        used = sum(requests(one, ASSUMED)[name] for one in (*place.pods, pod))
        if capacity:
            parts.append(0 if used > capacity else (capacity - used) * 100 // capacity)
    return sum(parts) // len(parts) if parts else 0


def balanced(pod: Pod, place: Place) -> int:
    """Nothing of a Pod that requests nothing, which is the same for all nodes."""
    if not any(requests(pod)[name] for name in ("cpu", "memory")):
        return 0
    fractions = []
    for name, unit in (("cpu", milli), ("memory", units)):
        capacity = unit(place.node.status.allocatable.get(name, "0"))
        if capacity:
            fractions.append(min(sum(requests(one)[name] for one in (*place.pods, pod)) / capacity, 1.0))
    deviation = abs(fractions[0] - fractions[1]) / 2 if len(fractions) == 2 else 0.0
    return int((1 - deviation) * 100)


def images(pod: Pod, place: Place, all_places: Sequence[Place]) -> int:
    mine = [one.image for one in (*pod.spec.initContainers, *pod.spec.containers)]
    total = 0
    for image in mine:
        here = [one for one in place.node.status.images if image in one.names]
        holders = sum(any(image in one.names for one in each.node.status.images) for each in all_places)
        if here:
            total += int((here[-1].sizeBytes or 0) * (holders / len(all_places)))
    low, high = 23 * MIB, 1000 * MIB * len(mine)
    return 100 * (min(max(total, low), high) - low) // (high - low)
