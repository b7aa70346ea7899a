"""Versions served by extension API servers, for the discovery documents. Pure.

Read from their aggregated discovery (apidiscovery.k8s.io/v2), or from the resource list of one version where they have none.
What they say is read into structs: fields of other types are refused, fields of other names are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from pilothouse.machinery.meta_v1 import APIResource, APIResourceList


class ResponseKind(msgspec.Struct, omit_defaults=True):
    """The kind that a resource exchanges."""

    group: str = ""
    version: str = ""
    kind: str = ""


class Subresource(msgspec.Struct):
    """APISubresourceDiscovery."""

    subresource: str
    responseKind: ResponseKind = msgspec.field(default_factory=ResponseKind)
    verbs: list[str] = []


class DiscoveredResource(msgspec.Struct, omit_defaults=True):
    """APIResourceDiscovery."""

    resource: str
    responseKind: ResponseKind = msgspec.field(default_factory=ResponseKind)
    scope: str = ""
    singularResource: str = ""
    verbs: list[str] = []
    shortNames: list[str] = []
    categories: list[str] = []
    subresources: list[Subresource] = []


class _Version(msgspec.Struct):
    version: str = ""
    resources: list[DiscoveredResource] = []


class _Metadata(msgspec.Struct):
    name: str = ""


class _Group(msgspec.Struct):
    metadata: _Metadata = msgspec.field(default_factory=_Metadata)
    versions: list[_Version] = []


class _GroupList(msgspec.Struct):
    items: list[_Group] = []


Resources = Sequence[DiscoveredResource]


@dataclass(frozen=True, slots=True)
class RemoteVersion:
    """A group and version of an extension API server. `is_fresh` is false when the server could not be asked the last time."""

    group: str
    version: str
    group_priority: int
    version_priority: int
    resources: Resources = field(default=())
    is_fresh: bool = False


def read_aggregated(body: bytes) -> Mapping[tuple[str, str], Resources]:
    """Resources by group and version. msgspec.ValidationError or DecodeError for what is no such document."""
    groups = msgspec.json.decode(body, type=_GroupList).items
    return {(group.metadata.name, version.version): version.resources for group in groups for version in group.versions}


def read_legacy(body: bytes, group: str, version: str) -> Resources:
    """The resources of an APIResourceList. msgspec.ValidationError or DecodeError for what is none."""
    return [*_converted(msgspec.json.decode(body, type=APIResourceList).resources, group, version)]


def _converted(listed: Iterable[APIResource], group: str, version: str) -> Iterable[DiscoveredResource]:
    """`pods` with `pods/status` below it, as the aggregated form has it."""
    made: dict[str, DiscoveredResource] = {}
    for resource in listed:
        name, _, below = resource.name.partition("/")
        kind = ResponseKind(resource.group or group, resource.version or version, resource.kind)
        if below:
            parent = made.setdefault(name, DiscoveredResource(name, scope=_scope(resource)))
            parent.subresources.append(Subresource(below, kind, list(resource.verbs)))
            continue
        known = made.get(name)
        made[name] = DiscoveredResource(
            name,
            kind,
            _scope(resource),
            resource.singularName,
            list(resource.verbs),
            list(resource.shortNames or ()),
            list(resource.categories or ()),
            known.subresources if known is not None else [],
        )
    return made.values()


def _scope(resource: APIResource) -> str:
    return "Namespaced" if resource.namespaced else "Cluster"
