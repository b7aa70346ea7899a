"""Watches the objects that Pods of this node refer to: ConfigMaps, Secrets, trust bundles, certificate requests.

- One watch a reference, counted, as upstream's kubelet does it: a node reads nothing that its pods do not name.
- `get` and `select` wait for the first answer of the API, then answer from memory; what `get` misses is a 404 StatusError.
- Listeners hear of every change of what is watched, by its reference.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from pilothouse.api.types.certificates_v1 import ClusterTrustBundle, PodCertificateRequest
from pilothouse.api.types.core_v1 import ConfigMap, EnvFromSource, EnvVarSource, Pod, Secret, Volume
from pilothouse.client.call import Options
from pilothouse.client.client import Client
from pilothouse.client.informer import Informer
from pilothouse.kit.clock import Clock, wait_for
from pilothouse.kit.entropy import Entropy
from pilothouse.kubelet.pods.spec import every_container
from pilothouse.machinery.errors import StatusError, not_found

T = TypeVar("T")
Reference = tuple[type[Any], str, str]
"""(kind, namespace, field selector)."""

FIRST_ANSWER_SECONDS = 10.0


@dataclass(slots=True)
class Watched:
    """One object that Pods refer to, watched while any does; `holders` are the uids of those Pods."""

    informer: Informer[Any]
    task: asyncio.Task[None] | None = None
    holders: set[str] = field(default_factory=set)


class ReferencedObjects:
    """Watches the objects that the pods of this node refer to. At most as many watches as the pods of this node have references."""

    def __init__(self, client: Client, clock: Clock, entropy: Entropy) -> None:
        self._client = client
        self._clock = clock
        self._entropy = entropy
        self._watched: dict[Reference, Watched] = {}
        self._listeners: list[Callable[[Reference, set[str]], None]] = []
        self._group: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Watch the referenced objects until cancelled."""
        async with asyncio.TaskGroup() as self._group:
            for watched in self._watched.values():
                self._start(watched)
            await asyncio.Event().wait()

    def listen(self, callback: Callable[[Reference, set[str]], None]) -> None:
        """Call `callback(reference, uids of the Pods that refer to it)` on every change."""
        self._listeners.append(callback)

    def register_pod(self, pod: Pod) -> None:
        """Watch the objects that a Pod refers to until `unregister_pod`."""
        for reference in references(pod):
            self._hold(reference, pod.metadata.uid)

    def unregister_pod(self, uid: str) -> None:
        """Drop the references of a Pod; objects without a reference are no longer watched."""
        for reference, watched in [*self._watched.items()]:
            watched.holders.discard(uid)
            if not watched.holders:
                if watched.task is not None:
                    watched.task.cancel()
                del self._watched[reference]

    async def get(self, kind: type[T], namespace: str, name: str) -> T:
        """The object from its watch, or by a live read when no Pod refers to it."""
        watched = await self._synced((kind, namespace, by_name(name)))
        if watched is None:
            return await self._ask(kind, namespace, name)
        obj = watched.informer.get(namespace, name)
        if obj is None:
            raise not_found(kind.__name__.lower(), "", name)  # singular: so upstream's kubelet words it
        return cast(T, obj)

    async def select(self, kind: type[T], namespace: str, field_selector: str) -> list[T]:
        """Objects that the field selector matches, from their watch, or by a live list when no Pod refers to them."""
        watched = await self._synced((kind, namespace, field_selector))
        if watched is None:
            return (await self._client.list(kind, namespace, options=Options(field_selector=field_selector))).items
        return cast(list[T], watched.informer.list())

    async def _synced(self, reference: Reference) -> Watched | None:
        """The watch of a reference after its first answer; None when nobody holds it. Raises TimeoutError."""
        watched = self._watched.get(reference)
        if watched is not None and not watched.informer.synced.is_set():
            await wait_for(self._clock, watched.informer.synced.wait(), FIRST_ANSWER_SECONDS)
        return watched

    async def _ask(self, kind: type[T], namespace: str, name: str) -> T:
        try:
            return await self._client.get(kind, name, namespace)
        except StatusError as error:
            if error.code == 404:
                raise not_found(kind.__name__.lower(), "", name) from error
            raise

    def _hold(self, reference: Reference, uid: str) -> None:
        watched = self._watched.get(reference)
        if watched is None:
            watched = self._watched[reference] = self._watch(reference)
        watched.holders.add(uid)

    def _watch(self, reference: Reference) -> Watched:
        kind, namespace, field_selector = reference
        informer: Informer[Any] = Informer(
            self._client,
            kind,
            clock=self._clock,
            entropy=self._entropy,
            namespace=namespace,
            field_selector=field_selector,
        )
        watched = Watched(informer)
        informer.subscribe(lambda *_: self._tell(reference, watched))
        if self._group is not None:
            self._start(watched)
        return watched

    def _start(self, watched: Watched) -> None:
        assert self._group is not None
        watched.task = self._group.create_task(watched.informer.run(), name="referenced object")

    def _tell(self, reference: Reference, watched: Watched) -> None:
        for callback in self._listeners:
            callback(reference, watched.holders)


def by_name(name: str) -> str:
    """The field selector of one object."""
    return f"metadata.name={name}"


def by_signer(signer_name: str) -> str:
    """The field selector of all trust bundles of a signer."""
    return f"spec.signerName={signer_name}"


def of_pod(pod: Pod) -> str:
    """Field selector of the certificate requests of a Pod; a node may only list its own."""
    return f"spec.nodeName={pod.spec.nodeName},spec.podName={pod.metadata.name}"


def references(pod: Pod) -> set[Reference]:
    """References of a Pod: in volumes, environments and image pull secrets. Pure."""
    namespace = pod.metadata.namespace
    named: set[tuple[type[Any], str]] = {(Secret, secret.name) for secret in pod.spec.imagePullSecrets if secret.name}
    for container in every_container(pod):
        named.update(each for source in container.envFrom for each in _of_env_from(source))
        named.update(each for variable in container.env if variable.valueFrom is not None for each in _of_env(variable.valueFrom))
    for volume in pod.spec.volumes:
        named.update(_of_volume(volume))
    projections = [source for volume in pod.spec.volumes if volume.projected for source in volume.projected.sources or ()]
    bundles = [source.clusterTrustBundle for source in projections if source.clusterTrustBundle is not None]
    return {
        *((kind, namespace, by_name(name)) for kind, name in named),
        *((ClusterTrustBundle, "", by_name(bundle.name)) for bundle in bundles if bundle.name),
        *((ClusterTrustBundle, "", by_signer(bundle.signerName)) for bundle in bundles if bundle.signerName and not bundle.name),
        *((PodCertificateRequest, namespace, of_pod(pod)) for source in projections if source.podCertificate is not None),
    }


def _of_volume(volume: Volume) -> Iterator[tuple[type[Any], str]]:
    if volume.configMap is not None:
        yield ConfigMap, volume.configMap.name
    if volume.secret is not None:
        yield Secret, volume.secret.secretName
    if volume.projected is not None:
        for source in volume.projected.sources or ():
            if source.configMap is not None:
                yield ConfigMap, source.configMap.name
            if source.secret is not None:
                yield Secret, source.secret.name


def _of_env_from(source: EnvFromSource) -> Iterator[tuple[type[Any], str]]:
    if source.configMapRef is not None:
        yield ConfigMap, source.configMapRef.name
    if source.secretRef is not None:
        yield Secret, source.secretRef.name


def _of_env(source: EnvVarSource) -> Iterator[tuple[type[Any], str]]:
    if source.configMapKeyRef is not None:
        yield ConfigMap, source.configMapKeyRef.name
    if source.secretKeyRef is not None:
        yield Secret, source.secretKeyRef.name
