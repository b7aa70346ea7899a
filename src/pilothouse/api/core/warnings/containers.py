"""Warnings about containers: fractional bytes, duplicate variables and ports, deprecated annotations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pilothouse.api import wellknown
from pilothouse.api.core.podresources import restartable
from pilothouse.api.types.core_v1 import Container, ContainerPort, EnvVar, EphemeralContainer, PodSpec
from pilothouse.machinery import quantity
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.struct import Quantity

IN_BYTES = ("memory", "ephemeral-storage")
Visited = tuple[Container | EphemeralContainer, Problems]


def of_containers(spec: PodSpec, annotations: Mapping[str, str], at: Problems, *, is_pod: bool) -> Iterator[str]:
    """Warnings for the containers of a Pod or template: fractions of bytes, hidden variables, ambiguous ports, deprecated annotations.

    Upstream: warningsForPodSpecAndMeta.
    """
    visited = list(_visited(spec, at.at("spec")))
    for container, here in visited:
        if annotations:
            yield from _of_annotations(spec, container, annotations, at.at("metadata", "annotations"), is_pod=is_pod)
        if container.resources.limits or container.resources.requests:
            yield from _of_resources(container, here.at("resources"))
        if len(container.env) > 1:
            yield from _of_variables(container.env, here.at("env"))
    if any(container.ports for container, _ in visited):
        yield from _of_ports(visited)
        yield from _of_port_names(spec, at.at("spec"))


def of_fractions(resources: Mapping[str, Quantity], here: Problems, names: tuple[str, ...] = IN_BYTES) -> Iterator[str]:
    """There are no parts of bytes."""
    for name in names:
        value = resources.get(name)
        if value is None:
            continue
        parsed = quantity.parse(value)
        if parsed.nanos % 10**9:
            yield f'{here.at(f"[{name}]").path}: fractional byte value "{parsed}" is invalid, must be an integer'


def _visited(spec: PodSpec, here: Problems) -> Iterator[Visited]:
    for field in ("initContainers", "containers", "ephemeralContainers"):
        for index, container in enumerate(getattr(spec, field)):
            yield container, here.at(field, index)


def _of_annotations(
    spec: PodSpec, container: Container | EphemeralContainer, annotations: Mapping[str, str], here: Problems, *, is_pod: bool
) -> Iterator[str]:
    own, shared = container.securityContext, spec.securityContext
    if wellknown.SECCOMP_CONTAINER_PREFIX + container.name in annotations and not (own and own.seccompProfile):
        key = f"[{wellknown.SECCOMP_CONTAINER_PREFIX}{container.name}]"
        yield f'{here.at(key).path}: non-functional in v1.27+; use the "seccompProfile" field instead'
    profiled = (own and own.appArmorProfile) or (shared and shared.appArmorProfile)
    if wellknown.APPARMOR_CONTAINER_PREFIX + container.name in annotations and not profiled and not is_pod:
        key = f"[{wellknown.APPARMOR_CONTAINER_PREFIX}{container.name}]"
        yield f'{here.at(key).path}: deprecated since v1.30; use the "appArmorProfile" field instead'


def _of_resources(container: Container | EphemeralContainer, here: Problems) -> Iterator[str]:
    for name in IN_BYTES:
        yield from of_fractions(container.resources.limits, here.at("limits"), (name,))
        yield from of_fractions(container.resources.requests, here.at("requests"), (name,))


def _of_variables(variables: list[EnvVar], here: Problems) -> Iterator[str]:
    """A second definition may build on the first; else the first is hidden, and lost with the next apply."""
    seen: set[str] = set()
    for index, variable in enumerate(variables):
        reference = f"$({variable.name})"
        if variable.name in seen and (variable.valueFrom is not None or variable.value == reference or reference not in variable.value):
            yield f'{here.at(index).path}: hides previous definition of "{variable.name}", which may be dropped when using apply'
        seen.add(variable.name)


def _of_ports(visited: list[Visited]) -> Iterator[str]:
    """Ports of one number and protocol, in all containers: are they the same, or only nearly so?"""
    known: dict[tuple[int, str], list[tuple[ContainerPort, str]]] = {}
    for container, at in visited:
        for index, port in enumerate(container.ports):
            path = at.at("ports", index).path
            if port.hostIP and not port.hostPort:
                yield f"{path}: hostIP set without hostPort: {_shown(port)}"
            others = known.setdefault((port.containerPort, port.protocol), [])
            for other, there in others:
                kind = _likeness(port, other)
                if kind:
                    yield f"{path}: {kind} port definition with {there}"
            others.append((port, path))


def _likeness(port: ContainerPort, other: ContainerPort) -> str:
    first, second = port.hostPort or 0, other.hostPort or 0
    if first == second and port.hostIP == other.hostIP:
        return "duplicate"
    if not first or not second:
        return "overlapping"
    return "dangerously ambiguous" if first == second and (not port.hostIP or not other.hostIP) else ""


def _shown(port: ContainerPort) -> str:
    """As Go prints the struct."""
    host = port.hostPort or 0
    return f"{{Name:{port.name} HostPort:{host} ContainerPort:{port.containerPort} Protocol:{port.protocol} HostIP:{port.hostIP}}}"


def _of_port_names(spec: PodSpec, here: Problems) -> Iterator[str]:
    """Who asks for a port by name gets the first of that name among the containers that keep running."""
    known: dict[str, str] = {}
    sidecars = [
        (container, here.at("initContainers", index)) for index, container in enumerate(spec.initContainers) if restartable(container)
    ]
    regular = [(container, here.at("containers", index)) for index, container in enumerate(spec.containers)]
    for container, at in (*sidecars, *regular):
        for index, port in enumerate(container.ports):
            path = at.at("ports", index).path
            first = known.setdefault(port.name, path)
            if port.name and first != path:
                yield (
                    f'{path}: duplicate port name "{port.name}" with {first}, '
                    f"services and probes that select ports by name will use {first}"
                )
