"""Distribution of endpoints to EndpointSlices with few writes: endpoints stay in their slice, and new ones fill slices that are written
anyway.

- One slice holds endpoints of one address type with the same ports, at most `limit`.
- Where slices would be both deleted and created, those are rewritten instead.
- A Service without endpoints keeps one empty slice, so that watchers can tell "none" from "not yet known".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from pilothouse.api import wellknown
from pilothouse.api.types.discovery_v1 import Endpoint, EndpointPort, EndpointSlice
from pilothouse.controllers.framework.actions import Action, Create, Delete, Update
from pilothouse.machinery import codec

MANAGED_BY = "endpointslice.kubernetes.io/managed-by"

Ports = tuple[tuple[str, int | None, str, str], ...]
Make = Callable[[str], EndpointSlice]
"""An empty slice of an address type, with its labels, annotations and owner."""


@dataclass(slots=True)
class Wanted:
    """All endpoints that share an address type and ports."""

    address_type: str
    ports: list[EndpointPort]
    endpoints: list[Endpoint] = field(default_factory=list)


def ports_key(ports: Iterable[EndpointPort]) -> Ports:
    """A hashable key that is equal for equal sets of ports, in any order."""
    return tuple(sorted((port.name or "", port.port, port.protocol or "", port.appProtocol or "") for port in ports))


def _identity(endpoint: Endpoint) -> tuple[str, ...]:
    target = endpoint.targetRef
    return (*(endpoint.addresses or ()), target.uid if target else "", endpoint.hostname or "")


@dataclass(slots=True)
class _Plan:
    """Slices on their way: contents by slice, and what is to be done with each."""

    update: list[EndpointSlice] = field(default_factory=list)
    create: list[EndpointSlice] = field(default_factory=list)
    delete: list[EndpointSlice] = field(default_factory=list)
    kept: int = 0


def changes(existing: Sequence[EndpointSlice], wanted: Sequence[Wanted], make: Make, *, limit: int, trigger: str) -> list[Action]:
    """Actions that make the slices contain the wanted endpoints.

    `wanted` has one entry for each group, and at least one for each address type.
    """
    plan = _Plan()
    types = {group.address_type for group in wanted}
    plan.delete.extend(slice_ for slice_ in existing if slice_.addressType not in types)
    for address_type in sorted(types):
        of_type = [slice_ for slice_ in existing if slice_.addressType == address_type]
        _of_type(plan, of_type, [group for group in wanted if group.address_type == address_type], make, limit)
    _rewrite(plan)
    for slice_ in (*plan.create, *plan.update):
        slice_.metadata.annotations.pop(wellknown.LAST_CHANGE_TRIGGER_TIME, None)
        if trigger:
            slice_.metadata.annotations[wellknown.LAST_CHANGE_TRIGGER_TIME] = trigger
    return [
        *(Create(slice_) for slice_ in plan.create),
        *(Update(slice_) for slice_ in plan.update),
        *(Delete(slice_) for slice_ in plan.delete),
    ]


def _of_type(plan: _Plan, existing: Sequence[EndpointSlice], wanted: Sequence[Wanted], make: Make, limit: int) -> None:
    before = len(plan.create), plan.kept + len(plan.update)
    groups: dict[Ports, Wanted] = {}
    for group in wanted:
        if group.endpoints:
            groups.setdefault(ports_key(group.ports), Wanted(group.address_type, group.ports)).endpoints.extend(group.endpoints)
    by_ports: dict[Ports, list[EndpointSlice]] = {key: [] for key in groups}
    for current in existing:
        by_ports.setdefault(ports_key(current.ports or ()), []).append(current)
    idle: list[EndpointSlice] = []
    for key, slices in by_ports.items():
        if key in groups:
            _of_group(plan, slices, groups[key], make, limit)
        else:
            idle.extend(slices)
    if (len(plan.create), plan.kept + len(plan.update)) == before:
        idle = _placeholder(plan, idle, wanted, make)
    plan.delete.extend(idle)


def _placeholder(plan: _Plan, idle: list[EndpointSlice], wanted: Sequence[Wanted], make: Make) -> list[EndpointSlice]:
    """Have one empty slice; gives the slices that are too many."""
    empty = make(wanted[0].address_type)
    for slice_ in idle:
        if not slice_.endpoints and not slice_.ports and _same_meta(slice_, empty):
            plan.kept += 1
            return [other for other in idle if other is not slice_]
    plan.create.append(empty)
    return idle


def _of_group(plan: _Plan, existing: Sequence[EndpointSlice], group: Wanted, make: Make, limit: int) -> None:
    left = {_identity(endpoint): endpoint for endpoint in group.endpoints}
    pattern = make(group.address_type)
    same: list[EndpointSlice] = []
    rewritten: list[EndpointSlice] = []
    for slice_ in existing:
        kept = [wanted for endpoint in slice_.endpoints or () if (wanted := left.pop(_identity(endpoint), None)) is not None]
        if not kept:
            plan.delete.append(slice_)
        elif kept == slice_.endpoints and _same_meta(slice_, pattern):
            same.append(slice_)
        else:
            rewritten.append(_with(slice_, kept, pattern))
    waiting = [*left.values()]
    for slice_ in sorted(rewritten, key=lambda each: -len(each.endpoints or ())):
        room = limit - len(slice_.endpoints or ())
        slice_.endpoints = [*(slice_.endpoints or ()), *waiting[:room]]
        waiting = waiting[room:]
    if waiting and len(waiting) < limit:
        fit = max(
            (slice_ for slice_ in same if len(slice_.endpoints or ()) + len(waiting) <= limit),
            key=lambda each: len(each.endpoints or ()),
            default=None,
        )
        if fit is not None:
            same.remove(fit)
            rewritten.append(_with(fit, [*(fit.endpoints or ()), *waiting], pattern))
            waiting = []
    for start in range(0, len(waiting), limit):
        fresh = make(group.address_type)
        fresh.ports, fresh.endpoints = group.ports or None, waiting[start : start + limit] or None
        plan.create.append(fresh)
    plan.update.extend(rewritten)
    plan.kept += len(same)


def _rewrite(plan: _Plan) -> None:
    """Pair slices that would go with slices that would come."""
    for fresh in [*plan.create]:
        gone = next((slice_ for slice_ in plan.delete if slice_.addressType == fresh.addressType), None)
        if gone is not None:
            plan.create.remove(fresh)
            plan.delete.remove(gone)
            reused = _with(gone, fresh.endpoints or [], fresh)
            reused.ports = fresh.ports
            plan.update.append(reused)


def _same_meta(slice_: EndpointSlice, pattern: EndpointSlice) -> bool:
    annotations = {name: value for name, value in slice_.metadata.annotations.items() if name != wellknown.LAST_CHANGE_TRIGGER_TIME}
    return slice_.metadata.labels == pattern.metadata.labels and annotations == pattern.metadata.annotations


def _with(slice_: EndpointSlice, endpoints: list[Endpoint], pattern: EndpointSlice) -> EndpointSlice:
    copied = codec.clone(slice_)
    copied.endpoints = endpoints or None
    copied.metadata.labels = dict(pattern.metadata.labels)
    copied.metadata.annotations = dict(pattern.metadata.annotations)
    return copied
