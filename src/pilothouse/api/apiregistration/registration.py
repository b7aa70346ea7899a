"""APIServices that a server registers for the groups and versions that it serves.

Pure; upstream's autoregister controller decides the same. Built-in ones are looked after at the start of the server only
(`onstart`), those of custom resources always (`true`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from pilothouse.api.apiregistration.priorities import FIRST_GROUP, GROUPS, priority_of
from pilothouse.api.types.apiregistration_v1 import APIService, APIServiceSpec
from pilothouse.machinery.codec import clone
from pilothouse.machinery.meta_v1 import ObjectMeta

MANAGED = "kube-aggregator.kubernetes.io/automanaged"
ON_START, ALWAYS = "onstart", "true"

Steps = Iterator[tuple[str, APIService]]
"""Verbs (create, update, delete) and the objects that they are about."""


def name_of(group: str, version: str) -> str:
    """The name of the APIService of a group and version."""
    return f"{version}.{group}"


def desired_api_services(served: Iterable[tuple[str, str]]) -> dict[str, APIService]:
    """The APIServices of groups and versions, by name."""
    return {name_of(*each): _apiservice(*each) for each in sorted(set(served)) if each[0] != FIRST_GROUP}


def _apiservice(group: str, version: str) -> APIService:
    priority = priority_of(group, version)
    return APIService(
        metadata=ObjectMeta(name=name_of(group, version), labels={MANAGED: ON_START if group in GROUPS else ALWAYS}),
        spec=APIServiceSpec(group=group, version=version, groupPriorityMinimum=priority.group, versionPriority=priority.version),
    )


def changes(current: Mapping[str, APIService], desired: Mapping[str, APIService], *, at_start: bool) -> Steps:
    """The writes that are missing. `at_start`: the first time since the server was started."""
    for name, apiservice in desired.items():
        there = current.get(name)
        if there is None:
            if at_start or mode_of(apiservice) == ALWAYS:
                yield "create", apiservice
        elif _looked_after(there, at_start) and there.spec != apiservice.spec:
            changed = clone(there)
            changed.spec = apiservice.spec
            yield "update", changed
    for name, there in current.items():
        if name not in desired and _looked_after(there, at_start):
            yield "delete", there


def mode_of(apiservice: APIService) -> str:
    """ON_START, ALWAYS, or another text for what is not the server's own."""
    return apiservice.metadata.labels.get(MANAGED, "")


def _looked_after(apiservice: APIService, at_start: bool) -> bool:
    return mode_of(apiservice) == ALWAYS or (at_start and mode_of(apiservice) == ON_START)
