"""Checks of the Pod security standards, and their wording for containers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pilothouse.api.types.core_v1 import PodSpec, SecurityContext
from pilothouse.machinery.meta_v1 import ObjectMeta


@dataclass(frozen=True, slots=True)
class Finding:
    """A violation: the reason groups Pods in warnings, the detail names fields and containers."""

    reason: str
    detail: str

    def __str__(self) -> str:
        return f"{self.reason} ({self.detail})" if self.detail else self.reason


Run = Callable[[ObjectMeta, PodSpec], Finding | None]


@dataclass(frozen=True, slots=True)
class Check:
    """The same rule through the versions of the standards: from each minor version on the function beside it holds.

    A restricted check takes the place of the baseline check that it `overrides`.
    """

    versions: tuple[tuple[int, Run], ...]
    overrides: Check | None = None

    def at(self, minor: int) -> Run | None:
        """The check of a version; None before it existed."""
        return next((run for since, run in reversed(self.versions) if since <= minor), None)


def containers(spec: PodSpec) -> Iterator[Any]:
    """Containers of every kind, in upstream's order."""
    yield from spec.initContainers
    yield from spec.containers
    yield from spec.ephemeralContainers


def contexts(spec: PodSpec) -> Iterator[tuple[str, SecurityContext]]:
    """(name, security context) of every container that has one."""
    return ((container.name, container.securityContext) for container in containers(spec) if container.securityContext is not None)


def quoted(names: Iterable[str]) -> str:
    """`"a", "b"`: upstream's joinQuote, which escapes nothing."""
    return '"' + '", "'.join(names) + '"'


def number(singular: str, many: str, count: int) -> str:
    """The singular for a count of 1, else the plural."""
    return singular if count == 1 else many


def container_names(names: Sequence[str]) -> str:
    """`container "a"`, or `containers "a", "b"`."""
    return f"{number('container', 'containers', len(names))} {quoted(names)}"


def setters(pod: bool, names: Sequence[str]) -> str:
    """Who sets a forbidden value: the Pod, containers, or both, in upstream's words."""
    return " and ".join([*(["pod"] if pod else []), *([container_names(names)] if names else [])])


def on_windows(spec: PodSpec) -> bool:
    """Whether `spec.os` declares a Windows pod, to which some restricted checks do not apply."""
    return spec.os is not None and spec.os.name == "windows"


def but_windows(run: Run) -> Run:
    """The check for all Pods but those of Windows, which do not have the field."""

    def checked(meta: ObjectMeta, spec: PodSpec) -> Finding | None:
        return None if on_windows(spec) else run(meta, spec)

    return checked
