"""Executes the actions of plans against the API; one implementation for every controller.

- In order. Creates that follow one another go in batches of 1, 2, 4, ... and the first batch with a failure is the last
  (upstream's slow start: a quota that is full is met once, not a hundred times). Deletes that follow one another go together.
- Every write is told to the expectations; every announced create or delete is told by an event, failures too.
- What is as good as done is no failure: a delete of what is gone, a create in a namespace that ends.
- The first failure ends the plan: `Failed` carries it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

import orjson

from pilothouse.client.call import Options
from pilothouse.client.client import Client
from pilothouse.client.events import NORMAL, WARNING, EventRecorder
from pilothouse.client.informer import Informer
from pilothouse.client.store import Key
from pilothouse.controllers.framework.actions import (
    Action,
    Adopt,
    Create,
    Delete,
    Emit,
    Failure,
    Patch,
    Release,
    RequeueAfter,
    Update,
    UpdateStatus,
)
from pilothouse.controllers.framework.expectations import Expectations
from pilothouse.controllers.framework.owners import controller_reference
from pilothouse.machinery import codec
from pilothouse.machinery.errors import StatusError

FIRST_BATCH = 1
DELETES_LIMIT = 500
"""Deletes under way at once (upstream's BurstReplicas)."""


class Failed(Exception):
    """An action failed; the actions after it were not executed."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class Executor:
    """Executes the actions of a plan against the API, in order."""

    def __init__(self, client: Client, recorder: EventRecorder, expectations: Expectations, informer_of: Any) -> None:
        self._client = client
        self._recorder = recorder
        self._expectations = expectations
        self._informer_of = informer_of
        self.statuses: dict[Key, tuple[str, Any]] = {}
        """What was written last as the status of a key's own object: its uid and that status."""

    async def execute(self, key: Key, actions: Iterable[Action]) -> float | None:
        """Execute all actions in order.

        Returns the seconds after which to plan again. Raises Failed, and ConnectionError when the server does not answer.
        """
        again: float | None = None
        for kind, group in groupby(actions, type):
            if kind is Create:
                await self._create_all(key, [*group])  # type: ignore[list-item]
            elif kind is Delete:
                await self._delete_all(key, [*group])  # type: ignore[list-item]
            elif kind is RequeueAfter:
                soonest = min(action.seconds for action in group)  # type: ignore[union-attr]
                again = soonest if again is None else min(again, soonest)
            else:
                for action in group:
                    await self._do(key, action)
        return again

    async def _do(self, key: Key, action: Action) -> None:
        try:
            match action:
                case Emit(about, type_, reason, message):
                    self._recorder.event(about, type_, reason, message)
                case Update(obj, subresource):
                    self._expectations.expect(key, await self._client.update(obj, subresource=subresource))
                case UpdateStatus(obj):
                    await self._update_status(key, obj)
                case Patch(obj, patch, subresource, patch_type):
                    await self._patch(key, obj, patch, subresource, patch_type)
                case Adopt():
                    await self._adopt(key, action)
                case Release():
                    await self._release(key, action)
        except StatusError as error:
            raise Failed(Failure(action, error)) from error

    async def _update_status(self, key: Key, obj: Any) -> None:
        informer: Informer[Any] | None = self._informer_of(type(obj))
        shown = informer.get(obj.metadata.namespace, obj.metadata.name) if informer else None
        if shown is not None and shown.metadata.uid == obj.metadata.uid and shown.status == obj.status:
            return
        if (obj.metadata.namespace, obj.metadata.name) == key:
            self.statuses[key] = obj.metadata.uid, obj.status  # before the write: in process its event comes before the answer
        try:
            self._expectations.expect(key, await self._client.update(obj, subresource="status"))
        except StatusError as error:
            if error.code != 404:  # what is gone needs no status
                raise

    async def _patch(self, key: Key, obj: Any, patch: Any, subresource: str, patch_type: str) -> None:
        meta = obj.metadata
        try:
            done = await self._client.patch(
                type(obj), meta.name, meta.namespace, orjson.dumps(patch), patch_type=patch_type, subresource=subresource
            )
        except StatusError as error:
            if error.code != 404:
                raise
            return
        self._expectations.expect(key, done)

    # Owners.

    async def _adopt(self, key: Key, action: Adopt) -> None:
        obj, owner = action.object, action.owner
        meta = owner.metadata
        fresh = await self._client.get(type(owner), meta.name, meta.namespace)
        if fresh.metadata.uid != meta.uid or fresh.metadata.deletionTimestamp:
            error = ConnectionAbortedError(f"original {owner.kind} {meta.namespace}/{meta.name} is gone or going: nothing is adopted")
            raise Failed(Failure(action, error))
        references = [codec.to_dict(reference) for reference in (*obj.metadata.ownerReferences, controller_reference(owner))]
        missing = [finalizer for finalizer in action.finalizers if finalizer not in obj.metadata.finalizers]
        await self._patch_owners(key, obj, references, [*obj.metadata.finalizers, *missing])

    async def _release(self, key: Key, action: Release) -> None:
        obj = action.object
        references = [codec.to_dict(reference) for reference in obj.metadata.ownerReferences if reference.uid != action.owner.metadata.uid]
        await self._patch_owners(
            key, obj, references or None, [finalizer for finalizer in obj.metadata.finalizers if finalizer not in action.finalizers]
        )

    async def _patch_owners(self, key: Key, obj: Any, references: Any, finalizers: list[str]) -> None:
        meta = obj.metadata
        patch = {"uid": meta.uid, "resourceVersion": meta.resourceVersion, "ownerReferences": references}
        if finalizers != meta.finalizers:
            patch["finalizers"] = finalizers or None
        await self._patch(key, obj, {"metadata": patch}, "", "application/merge-patch+json")

    # Creates and deletes.

    async def _create_all(self, key: Key, creates: Sequence[Create]) -> None:
        for batch in doubling(creates):
            failures = [error for error in await asyncio.gather(*(self._create(key, action) for action in batch)) if error is not None]
            if failures:
                if all(_namespace_ends(failure.error) for failure in failures):
                    return
                unanswered = [failure for failure in failures if isinstance(failure.error, ConnectionError)]
                raise Failed((unanswered or failures)[0])

    async def _create(self, key: Key, action: Create) -> Failure | None:
        obj = action.object
        if action.owner is not None:
            obj.metadata.ownerReferences = [*obj.metadata.ownerReferences, controller_reference(action.owner)]
        try:
            made = await self._client.create(obj)
        except StatusError as error:
            if action.if_absent and error.reason == "AlreadyExists":
                return None
            if error.reason != "AlreadyExists" and not _namespace_ends(error):  # upstream tells of neither
                self._announce(action, obj, error)
            return Failure(action, error)
        except ConnectionError as error:  # a value, so that the others of the batch are waited for
            return Failure(action, error)
        self._expectations.expect(key, made)
        self._announce(action, made)
        return None

    async def _delete_all(self, key: Key, deletes: Sequence[Delete]) -> None:
        for start in range(0, len(deletes), DELETES_LIMIT):
            batch = deletes[start : start + DELETES_LIMIT]
            failures = [error for error in await asyncio.gather(*(self._delete(key, action) for action in batch)) if error is not None]
            if failures:
                raise Failed(failures[0])

    async def _delete(self, key: Key, action: Delete) -> Failure | None:
        meta = action.object.metadata
        options = Options(precondition_uid=meta.uid, grace_period_seconds=action.grace_seconds, propagation_policy=action.propagation)
        self._expectations.expect(key, action.object, deletion=True)
        try:
            await self._client.delete(type(action.object), meta.name, meta.namespace, options=options)
        except StatusError as error:
            if error.code == 404:
                return None
            self._expectations.unexpect_deletion(key, action.object)
            if error.code == 409:  # another object of that name: the one that was meant is gone
                return None
            self._announce(action, action.object, error)
            return Failure(action, error)
        except ConnectionError as error:
            self._expectations.unexpect_deletion(key, action.object)
            return Failure(action, error)
        self._announce(action, action.object)
        return None

    def _announce(self, action: Create | Delete, obj: Any, error: Exception | None = None) -> None:
        words, about = action.announce, action.owner or getattr(action, "about", None)
        if words is None or about is None:
            return
        if error is None:
            if not words.done:
                return
            self._recorder.event(about, NORMAL, words.done, words.done_text.format(name=obj.metadata.name))
        elif words.failed:
            self._recorder.event(about, WARNING, words.failed, words.failed_text.format(name=obj.metadata.name, error=error))


def doubling(items: Sequence[Create]) -> Iterator[Sequence[Create]]:
    """Batches of 1, 2, 4, ..."""
    start, size = 0, FIRST_BATCH
    while start < len(items):
        yield items[start : start + size]
        start, size = start + size, size * 2


def _namespace_ends(error: Exception) -> bool:
    """Creates are refused because the namespace is being deleted: there is nothing to do about it."""
    if not isinstance(error, StatusError) or error.code != 403:
        return False
    details = error.status.details
    return details is not None and any(cause.reason == "NamespaceTerminating" for cause in details.causes)
