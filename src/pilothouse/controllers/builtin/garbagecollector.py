"""The garbage collector: deletes what has lost its owners, and carries out foreground and orphaning deletions."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import orjson

from pilothouse.api.types.core_v1 import ObjectReference
from pilothouse.client.call import Options
from pilothouse.client.events import WARNING, EventRecorder
from pilothouse.client.workqueue import WorkQueue
from pilothouse.controllers.framework.controller import CREATE, DELETE, GET, PATCH, READ, Controller, Rule
from pilothouse.controllers.framework.runner import Context
from pilothouse.controllers.garbage.graph import FOREGROUND, ORPHAN, Graph, Node, Owners, without
from pilothouse.kit.component import Component
from pilothouse.machinery import codec
from pilothouse.machinery.catalogue import ADDED
from pilothouse.machinery.errors import StatusError
from pilothouse.machinery.meta_v1 import OwnerReference
from pilothouse.machinery.resource import Resource

log = logging.getLogger(__name__)

EVENTS = ("", "Event"), ("events.k8s.io", "Event")
"""Kinds that are not watched: many, short-lived, and nobody owns by them."""


class GarbageCollectorController(Controller):
    """Follows owner references over all kinds.

    - Before anything is deleted, the object and its owners are asked of the server: caches only say where to look.
    - An owner in another namespace owns nothing: that is told by an event, and the dependent goes as one that has lost it.
    - Background: what has no owner left is deleted. Foreground: an owner stays until the dependents that block it are gone.
      Orphan: the dependents are let go first.
    """

    name = "generic-garbage-collector"
    account = "generic-garbage-collector"
    reconciles = object
    workers = 20
    rules = (Rule("*", ("*",), (*READ, *GET, *PATCH, *DELETE)), Rule("", ("events",), (*CREATE, *PATCH)))

    def component(self, context: Context) -> Component:
        """The component that runs the collector, instead of the common Runner."""
        return GarbageCollector(context, self.workers)


def is_collected(resource: Resource[Any]) -> bool:
    """Whether a kind is watched: what can be listed, watched and deleted, each once though it is served in several versions."""
    may = {"delete", "list", "watch"} <= set(resource.verbs)
    return may and resource.primary is resource and (resource.group, resource.kind) not in EVENTS


class GarbageCollector:
    """The collector at work."""

    def __init__(self, context: Context, workers: int) -> None:
        self._client = context.client
        self._catalogue = context.client.catalogue
        self._informers = context.informers
        self._kinds: dict[type[Any], Resource[Any]] = {}
        self._workers = workers
        self._deletes: WorkQueue[str] = WorkQueue(context.clock)
        self._orphans: WorkQueue[str] = WorkQueue(context.clock)
        self._recorder = EventRecorder(context.client, "garbage-collector-controller", context.clock, context.entropy)
        self.graph = Graph(
            self._kind_of,
            lambda kind: kind in self._kinds and self._kinds[kind].namespaced,
            self._deletes.add,
            self._orphans.add,
            self._report_owner_elsewhere,
        )

    async def run(self) -> None:
        """Follow every kind of the catalogue and collect until cancelled."""
        for resource in self._catalogue.resources():
            self._follow(ADDED, resource)
        end = self._catalogue.subscribe(self._follow)
        try:
            await self._run()
        finally:
            end()

    def _follow(self, what: str, resource: Resource[Any]) -> None:
        """Watch a kind that is served from now on; forget the objects of one that is served no longer."""
        if not is_collected(resource):
            return
        informer = self._informers.of(resource.type)
        if what == ADDED:
            self._kinds[resource.type] = resource
            informer.subscribe(self.graph.observe)
            return
        self._kinds.pop(resource.type, None)
        for obj in informer.list():
            self.graph.gone(obj.metadata.uid)
        self._informers.forget(resource.type)

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._deletes.run(), name="garbage delays")
            group.create_task(self._orphans.run(), name="orphan delays")
            group.create_task(self._recorder.run(), name="garbage collector events")
            for kind in list(self._kinds):
                await self._informers.of(kind).synced.wait()
            for number in range(self._workers):
                group.create_task(self._work(self._deletes, self._collect), name=f"garbage collector {number}")
                group.create_task(self._work(self._orphans, self._orphan), name=f"orphaner {number}")

    async def _work(self, queue: WorkQueue[str], do: Callable[[Node], Awaitable[None]]) -> None:
        while True:
            uid = await queue.get()
            try:
                node = self.graph.nodes.get(uid)
                if node is not None:
                    await do(node)
                queue.forget(uid)
            except (StatusError, ConnectionError) as error:
                log.info("garbage collection is tried again", extra={"uid": uid, "error": str(error)})
                queue.add_rate_limited(uid)
            finally:
                queue.done(uid)

    def _report_owner_elsewhere(self, node: Node, owner: OwnerReference) -> None:
        if node.kind is None:
            return
        group, version, kind = node.kind.GVK
        about = ObjectReference(
            apiVersion=f"{group}/{version}".removeprefix("/"), kind=kind, namespace=node.namespace, name=node.name, uid=node.uid
        )
        named = f"[{owner.apiVersion}/{owner.kind}, namespace: {node.namespace}, name: {owner.name}, uid: {owner.uid}]"
        text = f'ownerRef {named} does not exist in namespace "{node.namespace}"'
        self._recorder.event(about, WARNING, "OwnerRefInvalidNamespace", text)

    # One object.

    async def _collect(self, node: Node) -> None:
        """Delete it if nothing owns it any more."""
        if node.deleting and not node.deleting_dependents:
            return
        current = await self._current(node)
        if current is None:
            self.graph.gone(node.uid)
            return
        if node.deleting_dependents:
            await self._finish_foreground(node, current)
            return
        references = current.metadata.ownerReferences
        if not references:
            return
        owners = await self._judge(node, references)
        if owners.solid:
            gone = [*owners.dangling, *owners.waiting]
            if gone:
                await self._set_owners(current, without(references, [owner.uid for owner in gone]))
        elif owners.waiting and node.dependents:
            await self._unblock(node)
            await self._delete(current, "Foreground")
        else:
            await self._delete(current, _policy(current))

    async def _finish_foreground(self, node: Node, current: Any) -> None:
        """Its blocking dependents go first; without any, it may go."""
        blocking = self.graph.blocking(node.uid)
        if not blocking:
            await self._drop_finalizer(current, FOREGROUND)
            return
        for dependent in blocking:
            if not dependent.deleting_dependents:
                self._deletes.add(dependent.uid)

    async def _unblock(self, node: Node) -> None:
        """A cycle, or a chain, of foreground deletions: what goes in the foreground itself must not hold its own owner up twice."""
        if not any(dependent.deleting_dependents for dependent in node.dependents.values()):
            return
        current = await self._current(node)
        if current is None:
            return
        released = codec.clone(current)
        for reference in released.metadata.ownerReferences:
            reference.blockOwnerDeletion = False
        await self._set_owners(current, released.metadata.ownerReferences)

    async def _orphan(self, node: Node) -> None:
        """Let the dependents go, then the object."""
        if not node.orphaning:
            return
        for dependent in self.graph.dependents(node.uid):
            current = await self._current(dependent)
            if current is not None:
                await self._set_owners(current, without(current.metadata.ownerReferences, [node.uid]))
        owner = await self._current(node)
        if owner is not None:
            await self._drop_finalizer(owner, ORPHAN)

    # What the server says.

    async def _current(self, node: Node) -> Any:
        """The object as it is now; None when it, of this uid, is no more."""
        if node.kind is None:
            return None
        try:
            obj = await self._client.get(node.kind, node.name, node.namespace)
        except StatusError as error:
            if error.code == 404:
                return None
            raise
        return obj if obj.metadata.uid == node.uid else None

    async def _judge(self, node: Node, references: Iterable[OwnerReference]) -> Owners:
        owners = Owners()
        for reference in references:
            kind = self._kind_of(reference)
            if kind is None or (self._kinds[kind].namespaced and not node.namespace):
                owners.solid.append(reference)  # of a kind that is not served, or out of reach: nothing can be known, so nothing is done
                continue
            namespace = node.namespace if self._kinds[kind].namespaced else ""
            owner = await self._current(Node(reference.uid, kind, namespace, reference.name))
            if owner is None:
                owners.dangling.append(reference)
            elif owner.metadata.deletionTimestamp and FOREGROUND in owner.metadata.finalizers:
                owners.waiting.append(reference)
            else:
                owners.solid.append(reference)
        return owners

    def _kind_of(self, reference: OwnerReference) -> type[Any] | None:
        group, _, version = reference.apiVersion.rpartition("/")
        resource = self._catalogue.by_kind(group, version, reference.kind)
        if resource is None:
            return None
        kind = resource.primary.type
        return kind if kind in self._kinds else None

    # What is done.

    async def _delete(self, obj: Any, policy: str) -> None:
        meta = obj.metadata
        options = Options(precondition_uid=meta.uid, precondition_resource_version=meta.resourceVersion, propagation_policy=policy)
        await self._unless_gone(self._client.delete(type(obj), meta.name, meta.namespace, options=options))

    async def _set_owners(self, obj: Any, references: Iterable[OwnerReference]) -> None:
        await self._patch(obj, {"ownerReferences": [codec.to_dict(reference) for reference in references] or None})

    async def _drop_finalizer(self, obj: Any, finalizer: str) -> None:
        left = [present for present in obj.metadata.finalizers if present != finalizer]
        if left != obj.metadata.finalizers:
            await self._patch(obj, {"finalizers": left or None})

    async def _patch(self, obj: Any, metadata: dict[str, Any]) -> None:
        meta = obj.metadata
        patch = {"metadata": {"uid": meta.uid, "resourceVersion": meta.resourceVersion, **metadata}}
        await self._unless_gone(self._client.patch(type(obj), meta.name, meta.namespace, orjson.dumps(patch)))

    async def _unless_gone(self, call: Awaitable[Any]) -> None:
        try:
            await call
        except StatusError as error:
            if error.code != 404:
                raise


def _policy(obj: Any) -> str:
    """How the object's own dependents are dealt with: as its finalizers say."""
    if ORPHAN in obj.metadata.finalizers:
        return "Orphan"
    return "Foreground" if FOREGROUND in obj.metadata.finalizers else "Background"
