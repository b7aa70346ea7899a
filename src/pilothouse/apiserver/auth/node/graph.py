"""Which nodes have to do with which objects: what the Node authorizer grants a kubelet is what leads to its node.

- A Pod that is bound leads from what it names (Secrets, ConfigMaps, claims, its ServiceAccount) to its node; a mirror Pod from nothing.
- A PersistentVolume leads to its claim, and from its Secrets to itself.
- The graph follows the watch caches: before an answer it takes what has changed since the last one. An answer is one look-up, but for
  the Secret of a volume: one for each volume that names it.

Upstream: plugin/pkg/auth/authorizer/node/graph.go.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from pilothouse.api import wellknown
from pilothouse.api.core import podreferences
from pilothouse.api.types.certificates_v1 import PodCertificateRequest
from pilothouse.api.types.core_v1 import PersistentVolume, Pod
from pilothouse.api.types.resource_v1 import ResourceSlice
from pilothouse.api.types.storage_v1 import VolumeAttachment
from pilothouse.apiserver.auth.feed import Feeds, Follower

KINDS: tuple[type[Any], ...] = (Pod, PersistentVolume, VolumeAttachment, ResourceSlice, PodCertificateRequest)
CONFIG_MAP, SECRET, CLAIM, VOLUME = "configmap", "secret", "pvc", "pv"
POD, ACCOUNT, RESOURCE_CLAIM = "pod", "serviceAccount", "resourceclaim"
ATTACHMENT, SLICE, CERTIFICATE_REQUEST = "volumeattachment", "resourceslice", "podcertificaterequest"
OF_ONE_NODE: dict[type[Any], str] = {
    VolumeAttachment: ATTACHMENT,
    ResourceSlice: SLICE,
    PodCertificateRequest: CERTIFICATE_REQUEST,
}
"""Kinds whose spec names the node that they are for."""
Vertex = tuple[str, str, str]
"""(type, namespace, name), the type in upstream's word."""
Place = tuple[type[Any], str, str]
"""(kind, namespace, name) of an object that edges come from."""


class NodeGraph:
    """Objects and the nodes that they lead to. One per API server."""

    def __init__(self, feeds: Feeds) -> None:
        self._follower = Follower(feeds, self._forget)
        self._nodes: dict[Vertex, Counter[str]] = {}
        """The nodes that a vertex leads to, each with how many objects say so."""
        self._edges: dict[Place, tuple[str, Sequence[Vertex]]] = {}
        """What an object adds to `_nodes`: a node, and the vertices that lead to it."""
        self._claims: dict[str, Vertex] = {}
        """The claims of PersistentVolumes, by their names."""
        self._secrets: dict[str, list[Vertex]] = {}
        """The Secrets of PersistentVolumes, by their names."""
        self._volumes: dict[Vertex, set[str]] = {}
        """The PersistentVolumes that name a Secret."""

    def leads(self, vertex: Vertex, node: str) -> bool:
        """Whether an object leads to a node."""
        self._refresh()
        if node in self._nodes.get(vertex, ()):
            return True
        if vertex[0] == VOLUME:
            return self._volume_leads(vertex[2], node)
        return vertex[0] == SECRET and any(self._volume_leads(volume, node) for volume in self._volumes.get(vertex, ()))

    def _volume_leads(self, volume: str, node: str) -> bool:
        claim = self._claims.get(volume)
        return claim is not None and node in self._nodes.get(claim, ())

    def _refresh(self) -> None:
        for kind, changes in self._follower.changes():
            for change in changes:
                self._take(kind, *change)

    def _forget(self, kind: type[Any]) -> None:
        if kind is PersistentVolume:
            for name in list(self._claims):
                self._drop_volume(name)
        for place in [place for place in self._edges if place[0] is kind]:
            self._drop(place)

    def _take(self, kind: type[Any], old: Any, new: Any) -> None:
        meta = (old if new is None else new).metadata
        if kind is PersistentVolume:
            self._drop_volume(meta.name)
            if new is not None:
                self._add_volume(new)
            return
        place = (kind, meta.namespace, meta.name)
        if new is None:
            self._drop(place)
        elif new.spec.nodeName and not (old is not None and place in self._edges and _is_same(kind, old, new)):
            self._drop(place)
            self._add(place, new.spec.nodeName, _vertices_of(new) if kind is Pod else [(OF_ONE_NODE[kind], meta.namespace, meta.name)])

    def _add(self, place: Place, node: str, vertices: Sequence[Vertex]) -> None:
        self._edges[place] = node, vertices
        for vertex in vertices:
            nodes = self._nodes.get(vertex)
            if nodes is None:
                nodes = self._nodes[vertex] = Counter()
            nodes[node] += 1

    def _drop(self, place: Place) -> None:
        node, vertices = self._edges.pop(place, ("", ()))
        for vertex in vertices:
            nodes = self._nodes[vertex]
            nodes[node] -= 1
            if not nodes[node]:
                del nodes[node]
                if not nodes:
                    del self._nodes[vertex]

    def _add_volume(self, volume: PersistentVolume) -> None:
        claim, name = volume.spec.claimRef, volume.metadata.name
        if claim is None:
            return
        self._claims[name] = (CLAIM, claim.namespace, claim.name)
        self._secrets[name] = secrets = [(SECRET, *place) for place in podreferences.volume_secrets(volume)]
        for secret in secrets:
            self._volumes.setdefault(secret, set()).add(name)

    def _drop_volume(self, name: str) -> None:
        self._claims.pop(name, None)
        for secret in self._secrets.pop(name, ()):
            volumes = self._volumes.get(secret, set())
            volumes.discard(name)
            if not volumes:
                self._volumes.pop(secret, None)


def _is_same(kind: type[Any], old: Any, new: Any) -> bool:
    """Whether an update changes nothing that edges come from: what a Pod names stays, but for claims that are made for it and for
    containers that are added to it while it runs."""
    if old.spec.nodeName != new.spec.nodeName or old.metadata.uid != new.metadata.uid:
        return False
    if kind is not Pod:
        return True
    return (
        len(old.spec.ephemeralContainers) >= len(new.spec.ephemeralContainers)
        and old.status.resourceClaimStatuses == new.status.resourceClaimStatuses
        and old.status.extendedResourceClaimStatus == new.status.extendedResourceClaimStatus
    )


def _vertices_of(pod: Pod) -> list[Vertex]:
    """What leads to the node of a Pod. A mirror Pod is a kubelet's own, and must not grant it anything."""
    namespace = pod.metadata.namespace
    itself = (POD, namespace, pod.metadata.name)
    if wellknown.CONFIG_MIRROR in pod.metadata.annotations:
        return [itself]
    named: dict[Vertex, None] = {itself: None}
    if pod.spec.serviceAccountName:
        named[ACCOUNT, namespace, pod.spec.serviceAccountName] = None
    for kind, names in (
        (SECRET, podreferences.secret_names(pod)),
        (CONFIG_MAP, podreferences.config_map_names(pod)),
        (CLAIM, podreferences.claim_names(pod)),
        (RESOURCE_CLAIM, podreferences.resource_claim_names(pod)),
    ):
        named.update(dict.fromkeys((kind, namespace, name) for name in names))
    return list(named)
