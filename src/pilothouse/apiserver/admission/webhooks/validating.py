"""Validating webhooks: all that are about a request are asked at once; one refusal is enough, and the first that comes is the answer.

Upstream: webhook/validating/dispatcher.go.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from pilothouse.apiserver.admission.matching.index import Candidate
from pilothouse.apiserver.admission.matching.versions import Version
from pilothouse.apiserver.admission.plugin import AdmissionRequest, World
from pilothouse.apiserver.admission.webhooks.calling import Objects, Rejected, WebhookFailed, ask, count
from pilothouse.apiserver.admission.webhooks.conditions import version_for
from pilothouse.apiserver.admission.webhooks.configuration import Hook
from pilothouse.apiserver.admission.webhooks.objects import RequestObjects
from pilothouse.machinery.errors import StatusError

log = logging.getLogger(__name__)
FAILED_OPEN = "failed-open.validating.webhook.admission.k8s.io/"


async def validate(candidates: Sequence[Candidate[Hook]], request: AdmissionRequest, world: World) -> None:
    """Return when every webhook lets the request pass; StatusError otherwise, when all have answered."""
    asked: list[tuple[Hook, Version]] = []
    for candidate in candidates:
        version = await version_for(candidate, request, world)
        if version is not None:
            asked.append((candidate.owner, version))
    objects = RequestObjects(request)
    refusals: list[StatusError] = []
    if len(asked) == 1:
        await _ask(0, *asked[0], request, objects, world, refusals)
    elif asked:
        async with asyncio.TaskGroup() as group:
            for index, (hook, version) in enumerate(asked):
                group.create_task(_ask(index, hook, version, request, objects, world, refusals), name=f"webhook {hook.name}")
    if refusals:
        raise refusals[0]


async def _ask(
    index: int, hook: Hook, version: Version, request: AdmissionRequest, objects: Objects, world: World, refusals: list[StatusError]
) -> None:
    """Ask one webhook; what it refuses is added to `refusals`."""
    started, problem = world.webhooks.now(), None
    try:
        await ask(hook, request, version, objects, world, mutating=False)
    except (WebhookFailed, Rejected, StatusError) as error:
        problem = error
    count(world.metrics, hook, request.operation, world.webhooks.now() - started, problem)
    if isinstance(problem, Rejected):
        refusals.append(problem.error)
    elif isinstance(problem, StatusError):
        refusals.append(problem)
    elif isinstance(problem, WebhookFailed):
        if not hook.ignores_failures:
            refusals.append(problem.refusal())
            return
        log.warning("calling a webhook failed, its failurePolicy is Ignore", extra={"webhook": hook.name, "error": str(problem)})
        world.metrics.webhook_failed_open.add(hook.name, hook.type)
        request.audit_annotations[f"{FAILED_OPEN}round_0_index_{index}"] = hook.name
