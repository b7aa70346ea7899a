"""The discovery documents, made from the resource declarations and from what extension API servers say they serve: pure, encoded once
and then served as bytes.

/api, /apis, /apis/<group>, /api/v1, /apis/<group>/<version>, and the aggregated form of the first two.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from pilothouse.api.apiregistration.priorities import Priority, priority_of
from pilothouse.api.apiregistration.registration import name_of
from pilothouse.apiserver.discovery.remote import RemoteVersion
from pilothouse.machinery import versions
from pilothouse.machinery.resource import Resource, Scale, Subresource

ANY_ADDRESS = "0.0.0.0/0"

Document = dict[str, Any]


class Documents:
    """All documents of one set of resources and of what extension API servers serve; of a version in both the latter counts."""

    def __init__(self, resources: Iterable[Resource[Any]], remote: Iterable[RemoteVersion] = ()) -> None:
        self._by_group: dict[str, dict[str, list[Resource[Any]]]] = {}
        self._remote = {(version.group, version.version): version for version in remote}
        for resource in resources:
            self._by_group.setdefault(resource.group, {}).setdefault(resource.version, []).append(resource)
        for group, version in self._remote:
            self._by_group.setdefault(group, {})[version] = []

    def groups(self) -> list[str]:
        """The named groups, in order of their priorities; equal ones by the names of their APIServices."""
        return list(dict.fromkeys(group for group, _ in sorted(self._group_versions(), key=self._group_order)))

    def _priority_of(self, group: str, version: str) -> Priority:
        remote = self._remote.get((group, version))
        return priority_of(group, version) if remote is None else Priority(remote.group_priority, remote.version_priority)

    def _group_order(self, group_version: tuple[str, str]) -> tuple[int, str]:
        """Where a version stands among all: by its group's priority, then by the name of its APIService."""
        return -self._priority_of(*group_version).group, name_of(*group_version)

    def _group_versions(self) -> Iterator[tuple[str, str]]:
        return ((group, version) for group, versions in self._by_group.items() if group for version in versions)

    def versions(self, group: str) -> list[str]:
        """The versions of a group, the preferred one first."""

        def order(version: str) -> tuple[int, Any]:
            return -self._priority_of(group, version).version, versions.order(version)

        return sorted(self._by_group.get(group, {}), key=order)

    def api_versions(self, server_address: str) -> Document:
        """/api."""
        addresses = [{"clientCIDR": ANY_ADDRESS, "serverAddress": server_address}]
        return {"kind": "APIVersions", "versions": self.versions(""), "serverAddressByClientCIDRs": addresses}

    def group_list(self) -> Document:
        """/apis."""
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [self._group(group) for group in self.groups()]}

    def group(self, group: str) -> Document:
        """/apis/<group>."""
        return {"kind": "APIGroup", "apiVersion": "v1", **self._group(group)}

    def _group(self, group: str) -> Document:
        versions = [{"groupVersion": f"{group}/{version}", "version": version} for version in self.versions(group)]
        return {"name": group, "versions": versions, "preferredVersion": versions[0]}

    def resource_list(self, group: str, version: str) -> Document:
        """/api/v1 and /apis/<group>/<version>."""
        resources: list[Document] = []
        for resource in self._resources(group, version):
            resources.append(resource_document(resource))
            resources.extend(subresource_document(resource, sub) for sub in subresources_of(resource))
        group_version = f"{group}/{version}" if group else version
        return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources}

    def aggregated(self, *, core: bool, api_version: str) -> Document:
        """The whole of /api or /apis in one document, as `apidiscovery.k8s.io/v2` (or v2beta1) has it."""
        groups = [""] if core else sorted(self.groups(), key=lambda group: (-self._priority(group), group))
        items = [self._aggregated_group(group) for group in groups]
        return {"kind": "APIGroupDiscoveryList", "apiVersion": f"apidiscovery.k8s.io/{api_version}", "metadata": {}, "items": items}

    def _priority(self, group: str) -> int:
        return max(self._priority_of(group, version).group for version in self._by_group[group])

    def _aggregated_group(self, group: str) -> Document:
        versions = [self._aggregated_version(group, version) for version in self.versions(group)]
        return {"metadata": {"name": group, "creationTimestamp": None} if group else {"creationTimestamp": None}, "versions": versions}

    def _aggregated_version(self, group: str, version: str) -> Document:
        remote = self._remote.get((group, version))
        if remote is None:
            resources = [aggregated_resource(resource) for resource in self._resources(group, version)]
            return {"version": version, "resources": resources, "freshness": "Current"}
        said: Document = {"resources": list(remote.resources)} if remote.resources else {}
        return {"version": version, **said, "freshness": "Current" if remote.is_fresh else "Stale"}

    def is_remote(self, group: str, version: str) -> bool:
        """Whether an extension API server serves the version: then it serves its own resource list, too."""
        return (group, version) in self._remote

    def _resources(self, group: str, version: str) -> Sequence[Resource[Any]]:
        return sorted(self._by_group[group][version], key=lambda resource: resource.plural)


CUSTOM_VERBS = ("delete", "deletecollection", "get", "list", "patch", "create", "update", "watch")
TERMINATING_VERBS = ("delete", "deletecollection", "get", "list", "watch")
"""Of a custom kind whose definition is being deleted."""


def verbs_of(resource: Resource[Any]) -> list[str]:
    """Verbs of a resource in discovery; custom kinds have upstream's own order."""
    if not resource.is_hub:
        return sorted(resource.verbs)
    return list(TERMINATING_VERBS if resource.is_terminating else CUSTOM_VERBS)


def subresources_of(resource: Resource[Any]) -> Sequence[Subresource | Scale]:
    """Subresources of a resource in the order of discovery."""
    return list(resource.subresources.values()) if resource.is_hub else sorted(resource.subresources.values(), key=lambda sub: sub.name)


def resource_document(resource: Resource[Any]) -> Document:
    """A resource as an APIResource of discovery."""
    document: Document = {
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": verbs_of(resource),
    }
    if resource.short_names:
        document["shortNames"] = list(resource.short_names)
    if resource.categories:
        document["categories"] = list(resource.categories)
    if "list" in resource.verbs and (resource.stored_as or resource).is_served:
        document["storageVersionHash"] = storage_version_hash(resource)
    return document


def subresource_document(resource: Resource[Any], sub: Subresource | Scale) -> Document:
    """A subresource as an APIResource of discovery."""
    document: Document = {"name": f"{resource.plural}/{sub.name}", "singularName": "", "namespaced": resource.namespaced}
    if sub.kind is not None:
        group, version, kind = sub.kind
        if (group, version) != (resource.group, resource.version):
            document |= {"group": group, "version": version}
        document["kind"] = kind
    else:
        document["kind"] = resource.kind
    document["verbs"] = sorted(sub.verbs)
    return document


def aggregated_resource(resource: Resource[Any]) -> Document:
    """A resource as an APIResourceDiscovery of aggregated discovery (KEP-3352)."""
    document: Document = {
        "resource": resource.plural,
        "responseKind": {"group": resource.group, "version": resource.version, "kind": resource.kind},
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": verbs_of(resource),
    }
    if resource.short_names:
        document["shortNames"] = list(resource.short_names)
    if resource.categories:
        document["categories"] = list(resource.categories)
    if resource.subresources:
        document["subresources"] = [aggregated_subresource(resource, sub) for sub in subresources_of(resource)]
    return document


def aggregated_subresource(resource: Resource[Any], sub: Subresource | Scale) -> Document:
    """A subresource as an APISubresourceDiscovery of aggregated discovery."""
    group, version, kind = sub.kind or (resource.group, resource.version, resource.kind)
    return {
        "subresource": sub.name,
        "responseKind": {"group": group, "version": version, "kind": kind},
        "verbs": sorted(sub.verbs),
    }


def storage_version_hash(resource: Resource[Any]) -> str:
    """Changes when the stored form does; opaque to clients. Upstream's way: base64 of the first bytes of a SHA-256."""
    stored = resource.stored_as or resource
    text = f"{stored.group}/{stored.version}/{stored.kind}"
    return base64.b64encode(hashlib.sha256(text.encode()).digest()[:8]).decode()
