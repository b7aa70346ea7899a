"""Requests and limits of a whole Pod: the sum of its containers, the peak of its init containers, and its overhead.

The arithmetic is upstream's (component-helpers/resource): a restartable init container runs beside all that start after it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pilothouse.api.types.core_v1 import Container, Pod, PodSpec
from pilothouse.machinery import quantity
from pilothouse.machinery.struct import Quantity

Totals = dict[str, quantity.Quantity]


def restartable(container: Container) -> bool:
    """An init container that keeps running: a sidecar."""
    return container.restartPolicy == "Always"


def aggregate(spec: PodSpec, asked: Callable[[Container], Mapping[str, Quantity]]) -> Totals:
    """The total of the containers alone, without what is said for the Pod and without overhead."""
    totals: Totals = {}
    for container in spec.containers:
        _add(totals, asked(container))
    sidecars: Totals = {}
    peak: Totals = {}
    for container in spec.initContainers:
        if restartable(container):
            _add(totals, asked(container))
            _add(sidecars, asked(container))
            current = sidecars
        else:
            current = dict(sidecars)
            _add(current, asked(container))
        _raise(peak, current)
    _raise(totals, peak)
    return totals


def requests(pod: Pod) -> Totals:
    """Requests of the Pod for scheduling, with overhead."""
    totals = aggregate(pod.spec, lambda container: container.resources.requests)
    if pod.spec.resources:
        totals.update({name: quantity.parse(value) for name, value in pod.spec.resources.requests.items()})
    _add(totals, pod.spec.overhead)
    return totals


def limits(pod: Pod) -> Totals:
    """Limits of the Pod; a resource that a container does not limit counts with the limits of the others."""
    totals = aggregate(pod.spec, lambda container: container.resources.limits)
    if pod.spec.resources:
        totals.update({name: quantity.parse(value) for name, value in pod.spec.resources.limits.items()})
    for name, value in pod.spec.overhead.items():
        if name in totals:
            totals[name] += quantity.parse(value)
    return totals


def _add(totals: Totals, resources: Mapping[str, Quantity]) -> None:
    for name, value in resources.items():
        parsed = quantity.parse(value)
        totals[name] = totals[name] + parsed if name in totals else parsed


def _raise(totals: Totals, other: Totals) -> None:
    for name, value in other.items():
        if name not in totals or totals[name] < value:
            totals[name] = value
