"""Mutating webhooks: asked one after the other, each on what the one before has made of the object; some once more when it changed later.

Upstream: webhook/mutating/dispatcher.go.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import orjson

from pilothouse.apiserver.admission.matching.index import Candidate
from pilothouse.apiserver.admission.matching.versions import Version, aside
from pilothouse.apiserver.admission.plugin import AdmissionRequest, World
from pilothouse.apiserver.admission.reinvocation import Reinvocations
from pilothouse.apiserver.admission.webhooks.calling import Rejected, WebhookFailed, ask, count
from pilothouse.apiserver.admission.webhooks.conditions import version_for
from pilothouse.apiserver.admission.webhooks.configuration import Hook
from pilothouse.apiserver.admission.webhooks.objects import RequestObjects, patched
from pilothouse.apiserver.admission.webhooks.response import JSON_PATCH, Verdict, operations_of
from pilothouse.kit.offload import in_thread
from pilothouse.machinery.errors import StatusError, internal_error
from pilothouse.machinery.quoting import go_quoted

log = logging.getLogger(__name__)
LARGE_BYTES = 64 * 1024
"""Of a patch: from here on what it makes is made in a thread."""
MUTATION, PATCH = "mutation.webhook.admission.k8s.io/", "patch.webhook.admission.k8s.io/"
FAILED_OPEN = f"failed-open.{MUTATION}"


class Mutations:
    """The webhooks that change the object of one request, in one pass over the mutating plugins."""

    def __init__(self, request: AdmissionRequest, world: World, reinvocations: Reinvocations) -> None:
        self._request, self._world = request, world
        self._reinvocations = reinvocations
        self._is_second = request.reinvocation.is_second
        self._objects = RequestObjects(request)

    async def run(self, candidates: Sequence[Candidate[Hook]]) -> None:
        """Change `request.object`; StatusError where the request ends."""
        self._reinvocations.begin(self._request.object, is_second=self._is_second)
        try:
            for candidate in candidates:
                await self._consider(candidate)
        finally:
            self._reinvocations.end(self._request.object)

    async def _consider(self, candidate: Candidate[Hook]) -> None:
        hook, request, world = candidate.owner, self._request, self._world
        version = await version_for(candidate, request, world)
        if version is None:
            return
        if self._is_second and not self._reinvocations.is_due(hook.key):
            return
        started, problem = world.webhooks.now(), None
        is_changed = False
        try:
            verdict = await ask(hook, request, version, self._objects, world, mutating=True)
            is_changed = await self._carried_out(hook, version, verdict)
        except (WebhookFailed, Rejected, StatusError) as error:
            problem = error
        count(world.metrics, hook, request.operation, world.webhooks.now() - started, problem)
        self._note(hook, MUTATION, mutated=is_changed)
        if is_changed:
            self._reinvocations.require()
            request.reinvocation.required = True
        if hook.is_reinvoked:
            self._reinvocations.invoked(hook.key)
        if problem is not None:
            self._fail(hook, problem)

    def _fail(self, hook: Hook, problem: Exception) -> None:
        if isinstance(problem, Rejected):
            raise problem.error
        if not isinstance(problem, WebhookFailed):
            raise problem
        if not hook.ignores_failures:
            raise problem.refusal()
        log.warning("calling a webhook failed, its failurePolicy is Ignore", extra={"webhook": hook.name, "error": str(problem)})
        self._world.metrics.webhook_failed_open.add(hook.name, hook.type)
        self._request.audit_annotations[self._place(FAILED_OPEN, hook)] = hook.name

    async def _carried_out(self, hook: Hook, version: Version, verdict: Verdict) -> bool:
        """Whether the webhook's patch has changed the object."""
        if not verdict.patch:
            return False
        try:
            operations = operations_of(verdict.patch)
        except ValueError as error:
            raise WebhookFailed(hook.name, f"received undecodable patch in webhook response: {error}") from error
        if not operations:
            return False
        if self._request.object is None:
            text = f"admission webhook {go_quoted(hook.name)} attempted to modify the object, which is not supported for this operation"
            raise internal_error(text)
        if verdict.patch_type != JSON_PATCH:
            raise WebhookFailed(hook.name, f"unsupported patch type {go_quoted(verdict.patch_type)}", 400)
        shown, _ = await aside(self._request, self._objects, version)
        size = len(verdict.patch) + len(shown or b"")
        change = (self._request, version, operations)
        is_large = size >= LARGE_BYTES and self._request.resource.converter is None
        is_changed = await (in_thread(patched, *change) if is_large else aside(self._request, patched, *change))
        self._note(hook, PATCH, patch=operations, patchType=JSON_PATCH)
        return is_changed

    def _note(self, hook: Hook, prefix: str, **said: object) -> None:
        value = {"configuration": hook.configuration, "webhook": hook.name, **said}
        self._request.audit_annotations[self._place(prefix, hook)] = orjson.dumps(value).decode()

    def _place(self, prefix: str, hook: Hook) -> str:
        return f"{prefix}round_{1 if self._is_second else 0}_index_{hook.position}"
