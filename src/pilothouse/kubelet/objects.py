"""The ConfigMaps and Secrets that the pods of this node refer to, each watched for as long as a pod refers to it.

- One watch an object, counted by references, as upstream's kubelet does it: a node reads nothing that its pods do not name.
- `get` waits for the first answer of the API, then answers from memory; what is missing is a 404 StatusError.
- Listeners hear of every change of a watched object, by (kind, namespace, name).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from pilothouse.api.types.core_v1 import ConfigMap, EnvFromSource, EnvVarSource, Pod, Secret, Volume
from pilothouse.client.client import Client
from pilothouse.client.informer import Informer
from pilothouse.kit.clock import Clock, wait_for
from pilothouse.kit.entropy import Entropy
from pilothouse.kubelet.pods.spec import every_container
from pilothouse.machinery.errors import StatusError, not_found

T = TypeVar("T")
Reference = tuple[type[Any], str, str]
"""(kind, namespace, name)."""

FIRST_ANSWER_SECONDS = 10.0


@dataclass(slots=True)
class Watched:
    informer: Informer[Any]
    task: asyncio.Task[None] | None = None
    holders: set[str] = field(default_factory=set)


class ReferencedObjects:
    """See the module. At most as many watches as the pods of this node have references."""

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
        """`callback(reference, uids of the pods that refer to it)` on every change."""
        self._listeners.append(callback)

    def hold(self, pod: Pod) -> None:
        """Watch what the pod refers to until `release`."""
        for reference in references(pod):
            self._hold(reference, pod.metadata.uid)

    def release(self, uid: str) -> None:
        """The pod `uid` refers to nothing any more; objects without a reference are no longer watched."""
        for reference, watched in [*self._watched.items()]:
            watched.holders.discard(uid)
            if not watched.holders:
                if watched.task is not None:
                    watched.task.cancel()
                del self._watched[reference]

    async def get(self, kind: type[T], namespace: str, name: str) -> T:
        """The object as last heard of. Nobody holds it: asked for once."""
        one = self._watched.get((kind, namespace, name))
        if one is None:
            return await self._ask(kind, namespace, name)
        if not one.informer.synced.is_set():
            await wait_for(self._clock, one.informer.synced.wait(), FIRST_ANSWER_SECONDS)
        found = one.informer.get(namespace, name)
        if found is None:
            raise not_found(kind.__name__.lower(), "", name)  # singular: so upstream's kubelet words it
        return cast(T, found)

    async def _ask(self, kind: type[T], namespace: str, name: str) -> T:
        try:
            return await self._client.get(kind, name, namespace)
        except StatusError as error:
            if error.code == 404:
                raise not_found(kind.__name__.lower(), "", name) from error
            raise

    def _hold(self, reference: Reference, uid: str) -> None:
        one = self._watched.get(reference)
        if one is None:
            one = self._watched[reference] = self._watch(reference)
        one.holders.add(uid)

    def _watch(self, reference: Reference) -> Watched:
        kind, namespace, name = reference
        informer: Informer[Any] = Informer(
            self._client,
            kind,
            clock=self._clock,
            entropy=self._entropy,
            namespace=namespace,
            field_selector=f"metadata.name={name}",
        )
        one = Watched(informer)
        informer.subscribe(lambda *_: self._tell(reference, one))
        if self._group is not None:
            self._start(one)
        return one

    def _start(self, watched: Watched) -> None:
        assert self._group is not None
        watched.task = self._group.create_task(watched.informer.run(), name="referenced object")

    def _tell(self, reference: Reference, watched: Watched) -> None:
        for callback in self._listeners:
            callback(reference, watched.holders)


def references(pod: Pod) -> set[Reference]:
    """Every ConfigMap and Secret that a pod names: in volumes, environments and pull secrets. Pure."""
    namespace = pod.metadata.namespace
    found = {(Secret, namespace, secret.name) for secret in pod.spec.imagePullSecrets if secret.name}
    found |= {(kind, namespace, name) for volume in pod.spec.volumes for kind, name in _of_volume(volume)}
    for container in every_container(pod):
        found |= {(kind, namespace, name) for source in container.envFrom for kind, name in _of_env_from(source)}
        sources = [variable.valueFrom for variable in container.env if variable.valueFrom is not None]
        found |= {(kind, namespace, name) for source in sources for kind, name in _of_env(source)}
    return cast(set[Reference], found)


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
