"""The discovery documents, made from the resource declarations: pure, encoded once and then served as bytes.

/api, /apis, /apis/<group>, /api/v1, /apis/<group>/<version>, and the aggregated form of the first two.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

from pilothouse.machinery import versions
from pilothouse.machinery.resource import Resource, Scale, Subresource

GROUP_ORDER = (
    "apiregistration.k8s.io",
    "apps",
    "events.k8s.io",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "autoscaling",
    "batch",
    "certificates.k8s.io",
    "networking.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "storage.k8s.io",
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "scheduling.k8s.io",
    "coordination.k8s.io",
    "node.k8s.io",
    "discovery.k8s.io",
    "flowcontrol.apiserver.k8s.io",
)
"""Upstream's order of groups by priority; the rest follows by name. Clients prefer what comes first when a name is ambiguous."""
ANY_ADDRESS = "0.0.0.0/0"

Document = dict[str, Any]


def group_order(group: str) -> tuple[int, str]:
    return (GROUP_ORDER.index(group) if group in GROUP_ORDER else len(GROUP_ORDER), group)


class Documents:
    """All documents of one set of resources."""

    def __init__(self, resources: Iterable[Resource[Any]]) -> None:
        self._by_group: dict[str, dict[str, list[Resource[Any]]]] = {}
        for one in resources:
            self._by_group.setdefault(one.group, {}).setdefault(one.version, []).append(one)

    def groups(self) -> list[str]:
        """The named groups, in order."""
        return sorted((group for group in self._by_group if group), key=group_order)

    def versions(self, group: str) -> list[str]:
        return sorted(self._by_group.get(group, {}), key=versions.order)

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
        found: list[Document] = []
        for one in self._resources(group, version):
            found.append(resource_document(one))
            found.extend(subresource_document(one, sub) for sub in subresources_of(one))
        group_version = f"{group}/{version}" if group else version
        return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": found}

    def aggregated(self, *, core: bool, api_version: str) -> Document:
        """The whole of /api or /apis in one document, as `apidiscovery.k8s.io/v2` (or v2beta1) has it."""
        groups = [""] if core else self.groups()
        items = [self._aggregated_group(group) for group in groups]
        return {"kind": "APIGroupDiscoveryList", "apiVersion": f"apidiscovery.k8s.io/{api_version}", "metadata": {}, "items": items}

    def _aggregated_group(self, group: str) -> Document:
        versions = [
            {
                "version": version,
                "resources": [aggregated_resource(one) for one in self._resources(group, version)],
                "freshness": "Current",
            }
            for version in self.versions(group)
        ]
        return {"metadata": {"name": group, "creationTimestamp": None} if group else {"creationTimestamp": None}, "versions": versions}

    def _resources(self, group: str, version: str) -> Sequence[Resource[Any]]:
        return sorted(self._by_group[group][version], key=lambda one: one.plural)


CUSTOM_VERBS = ("delete", "deletecollection", "get", "list", "patch", "create", "update", "watch")
TERMINATING_VERBS = ("delete", "deletecollection", "get", "list", "watch")
"""Of a custom kind whose definition is being deleted."""


def verbs_of(one: Resource[Any]) -> list[str]:
    """The verbs as they are told: of custom kinds in upstream's own order."""
    if not one.is_hub:
        return sorted(one.verbs)
    return list(TERMINATING_VERBS if one.is_terminating else CUSTOM_VERBS)


def subresources_of(one: Resource[Any]) -> Sequence[Subresource | Scale]:
    """The subresources in the order in which they are told."""
    return list(one.subresources.values()) if one.is_hub else sorted(one.subresources.values(), key=lambda sub: sub.name)


def resource_document(one: Resource[Any]) -> Document:
    document: Document = {
        "name": one.plural,
        "singularName": one.singular,
        "namespaced": one.namespaced,
        "kind": one.kind,
        "verbs": verbs_of(one),
    }
    if one.short_names:
        document["shortNames"] = list(one.short_names)
    if one.categories:
        document["categories"] = list(one.categories)
    if "list" in one.verbs and (one.stored_as or one).is_served:
        document["storageVersionHash"] = storage_version_hash(one)
    return document


def subresource_document(one: Resource[Any], sub: Subresource | Scale) -> Document:
    document: Document = {"name": f"{one.plural}/{sub.name}", "singularName": "", "namespaced": one.namespaced}
    if sub.kind is not None:
        group, version, kind = sub.kind
        if (group, version) != (one.group, one.version):
            document |= {"group": group, "version": version}
        document["kind"] = kind
    else:
        document["kind"] = one.kind
    document["verbs"] = sorted(sub.verbs)
    return document


def aggregated_resource(one: Resource[Any]) -> Document:
    document: Document = {
        "resource": one.plural,
        "responseKind": {"group": one.group, "version": one.version, "kind": one.kind},
        "scope": "Namespaced" if one.namespaced else "Cluster",
        "singularResource": one.singular,
        "verbs": verbs_of(one),
    }
    if one.short_names:
        document["shortNames"] = list(one.short_names)
    if one.categories:
        document["categories"] = list(one.categories)
    if one.subresources:
        document["subresources"] = [aggregated_subresource(one, sub) for sub in subresources_of(one)]
    return document


def aggregated_subresource(one: Resource[Any], sub: Subresource | Scale) -> Document:
    group, version, kind = sub.kind or (one.group, one.version, one.kind)
    return {
        "subresource": sub.name,
        "responseKind": {"group": group, "version": version, "kind": kind},
        "verbs": sorted(sub.verbs),
    }


def storage_version_hash(one: Resource[Any]) -> str:
    """Changes when the stored form does; opaque to clients. Upstream's way: base64 of the first bytes of a SHA-256."""
    stored = one.stored_as or one
    text = f"{stored.group}/{stored.version}/{stored.kind}"
    return base64.b64encode(hashlib.sha256(text.encode()).digest()[:8]).decode()
