"""LimitRanger: the LimitRanges of a namespace give containers their default requests and limits, and bound what may be asked for.

- Defaults are noted in an annotation, as upstream does.
- Bounds hold for each container, for a pod as a whole (init containers, sidecars and pod-level resources included), and for a
  claim's storage; all breaches are told at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pilothouse.api.core import podresources
from pilothouse.api.types.core_v1 import LimitRange, LimitRangeItem, PersistentVolumeClaim, Pod
from pilothouse.apiserver.admission.plugin import CREATE, PODS, UPDATE, AdmissionRequest, Plugin, World, refused
from pilothouse.machinery import quantity
from pilothouse.machinery.struct import Quantity

ANNOTATION = "kubernetes.io/limit-ranger"
CLAIMS = ("", "persistentvolumeclaims")
POD_LEVEL = ("cpu", "memory")

Amounts = Mapping[str, Quantity]


class LimitRanger(Plugin):
    """Applies the LimitRanges of the namespace: default requests and limits, and bounds."""

    name = "LimitRanger"
    kinds = frozenset({PODS, CLAIMS})

    async def mutate(self, request: AdmissionRequest, world: World) -> None:
        """Give the containers of a new pod the default requests and limits of the namespace's LimitRanges."""
        if request.is_pod and request.operation == CREATE:
            for limit_range in await world.list(LimitRange, request.namespace):
                set_defaults(request.object, limit_range)

    async def validate(self, request: AdmissionRequest, world: World) -> None:
        """Refuse a new pod, or a claim, that breaks a minimum, maximum or ratio; the message lists every breach."""
        breaches: list[str] = []
        if request.is_pod and request.operation == CREATE:
            for limit_range in await world.list(LimitRange, request.namespace):
                breaches += pod_breaches(request.object, limit_range)
        elif request.group_plural == CLAIMS and not request.subresource and request.operation in (CREATE, UPDATE):
            for limit_range in await world.list(LimitRange, request.namespace):
                breaches += claim_breaches(request.object, limit_range)
        if breaches:
            raise refused(request, breaches[0] if len(breaches) == 1 else f"[{', '.join(breaches)}]")


def items(limit_range: LimitRange, type: str) -> Iterator[LimitRangeItem]:
    """The items of a LimitRange for one type: Container, Pod or PersistentVolumeClaim."""
    return (item for item in limit_range.spec.limits or () if item.type == type)


def set_defaults(pod: Pod, limit_range: LimitRange) -> None:
    """Fill in requests and limits that containers and init containers lack, and note what was set in the annotation
    `kubernetes.io/limit-ranger`.
    """
    notes: list[str] = []
    for kind, containers in (("container", pod.spec.containers), ("init container", pod.spec.initContainers)):
        for container in containers:
            for what, amounts, given in (
                ("request", container.resources.requests, [item.defaultRequest for item in items(limit_range, "Container")]),
                ("limit", container.resources.limits, [item.default for item in items(limit_range, "Container")]),
            ):
                missing = {name: value for defaults in given for name, value in defaults.items() if name not in amounts}
                amounts.update(missing)
                if missing:
                    notes.append(f"{', '.join(sorted(missing))} {what} for {kind} {container.name}")
    if notes:
        pod.metadata.annotations[ANNOTATION] = f"LimitRanger plugin set: {'; '.join(notes)}"


def pod_breaches(pod: Pod, limit_range: LimitRange) -> Iterator[str]:
    """Violations of a LimitRange by a Pod: container items first, then Pod items (LimitRanger's PodValidateLimitFunc)."""
    for item in items(limit_range, "Container"):
        for container in (*pod.spec.containers, *pod.spec.initContainers):
            yield from _breaches(item, container.resources.requests, container.resources.limits)
    for item in items(limit_range, "Pod"):
        requests, limits = pod_totals(pod)
        yield from _breaches(item, requests, limits)


def pod_totals(pod: Pod) -> tuple[Amounts, Amounts]:
    """Requests and limits of a Pod without overhead, with sidecars and the largest init container; Pod-level resources take precedence."""
    requests = podresources.aggregate(pod.spec, lambda container: container.resources.requests)
    limits = podresources.aggregate(pod.spec, lambda container: container.resources.limits)
    if pod.spec.resources is not None:
        for totals, said in ((requests, pod.spec.resources.requests), (limits, pod.spec.resources.limits)):
            totals.update({name: quantity.parse(value) for name, value in said.items() if name in POD_LEVEL})
    return _texts(requests), _texts(limits)


def _texts(totals: podresources.Totals) -> Amounts:
    return {name: str(value) for name, value in totals.items()}


def claim_breaches(claim: PersistentVolumeClaim, limit_range: LimitRange) -> Iterator[str]:
    """Violations of a LimitRange by a claim's storage request (LimitRanger's PersistentVolumeClaimValidateLimitFunc)."""
    asked = claim.spec.resources.requests
    for item in items(limit_range, "PersistentVolumeClaim"):
        for name, bound in sorted(item.min.items()):
            yield from _minimum(item.type, name, bound, asked, {})
        for name, bound in sorted(item.max.items()):
            if name in asked and quantity.parse(asked[name]).nanos > quantity.parse(bound).nanos:
                yield f"maximum {name} usage per {item.type} is {quantity_text(bound)}, but request is {quantity_text(asked[name])}"


def _breaches(item: LimitRangeItem, requests: Amounts, limits: Amounts) -> Iterator[str]:
    for name, bound in sorted(item.min.items()):
        yield from _minimum(item.type, name, bound, requests, limits)
    for name, bound in sorted(item.max.items()):
        yield from _maximum(item.type, name, bound, requests, limits)
    for name, bound in sorted(item.maxLimitRequestRatio.items()):
        yield from _ratio(item.type, name, bound, requests, limits)


def quantity_text(value: Quantity) -> str:
    """A quantity in canonical form, as messages print it."""
    return str(quantity.parse(value))


def _minimum(type: str, name: str, bound: Quantity, requests: Amounts, limits: Amounts) -> Iterator[str]:
    least = quantity.parse(bound).nanos
    if name not in requests:
        yield f"minimum {name} usage per {type} is {quantity_text(bound)}. No request is specified"
    elif quantity.parse(requests[name]).nanos < least:
        yield f"minimum {name} usage per {type} is {quantity_text(bound)}, but request is {quantity_text(requests[name])}"
    elif name in limits and quantity.parse(limits[name]).nanos < least:
        yield f"minimum {name} usage per {type} is {quantity_text(bound)}, but limit is {quantity_text(limits[name])}"


def _maximum(type: str, name: str, bound: Quantity, requests: Amounts, limits: Amounts) -> Iterator[str]:
    most = quantity.parse(bound).nanos
    if name not in limits:
        yield f"maximum {name} usage per {type} is {quantity_text(bound)}. No limit is specified"
    elif quantity.parse(limits[name]).nanos > most:
        yield f"maximum {name} usage per {type} is {quantity_text(bound)}, but limit is {quantity_text(limits[name])}"
    elif name in requests and quantity.parse(requests[name]).nanos > most:
        yield f"maximum {name} usage per {type} is {quantity_text(bound)}, but request is {quantity_text(requests[name])}"


def _ratio(type: str, name: str, bound: Quantity, requests: Amounts, limits: Amounts) -> Iterator[str]:
    asked = quantity.parse(requests[name]).nanos if name in requests else 0
    most = quantity.parse(limits[name]).nanos if name in limits else 0
    head = f"{name} max limit to request ratio per {type} is {quantity_text(bound)}, but"
    if not asked:
        yield f"{head} no request is specified or request is 0"
    elif not most:
        yield f"{head} no limit is specified or limit is 0"
    elif most * quantity.NANO > quantity.parse(bound).nanos * asked:
        yield f"{head} provided ratio is {most / asked:f}"
