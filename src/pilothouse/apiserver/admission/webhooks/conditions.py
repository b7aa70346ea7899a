"""Match conditions of webhooks.

Upstream: webhook/generic/webhook.go (ShouldCallHook), where conditions that fail refuse the request unless failures are ignored.
"""

from __future__ import annotations

from pilothouse.apiserver.admission.matching.index import Candidate
from pilothouse.apiserver.admission.matching.versions import Version
from pilothouse.apiserver.admission.plugin import AdmissionRequest, World
from pilothouse.apiserver.admission.webhooks.configuration import Hook
from pilothouse.machinery.errors import StatusError, forbidden, internal_error

KIND = "webhook"
"""As metrics call it."""


async def version_for(candidate: Candidate[Hook], request: AdmissionRequest, world: World) -> Version | None:
    """Version in which a webhook gets the request; None when it is not called.

    Raises a 403 when match conditions fail, a 404 when the namespace is missing.

    Raises a 403 when match conditions fail, a 404 when the namespace is missing.
    """
    version = await candidate.match(request, world)
    if version is None or not candidate.owner.webhook.matchConditions:
        return version
    return version if await _are_met(candidate.owner, version, request, world) else None


async def _are_met(hook: Hook, version: Version, request: AdmissionRequest, world: World) -> bool:
    from pilothouse.apiserver.admission.expressions.activation import RequestValues
    from pilothouse.apiserver.admission.expressions.conditions import ConditionsFailed, matches
    from pilothouse.apiserver.admission.expressions.evaluation import CONDITIONS_BUDGET, Evaluation, in_thread_if_costly

    seen = RequestValues(request, world, has_namespace=False)
    try:
        values = (await seen.variables(version)).of_conditions
    except StatusError as error:  # of the webhook that converts
        raise internal_error(str(error)) from error
    labels, errors = (hook.name, KIND, hook.type, request.operation), list[str]()

    def evaluate(*, is_small: bool) -> bool:
        evaluation = Evaluation(values, {}, CONDITIONS_BUDGET, is_small=is_small)
        return matches(hook.conditions, evaluation, fails=not hook.ignores_failures, failed=errors.append)

    started, is_met = world.clock.monotonic(), False
    try:
        is_met = await in_thread_if_costly(evaluate)
    except ConditionsFailed as error:
        raise forbidden(request.served.plural, request.served.group, request.name, str(error)) from error
    finally:
        for _ in errors:  # the loop counts, not the thread
            world.metrics.condition_errors.add(*labels)
        if errors or not is_met:  # upstream measures no conditions that are all true
            world.metrics.condition_seconds.observe(world.clock.monotonic() - started, *labels)
    if not is_met:
        world.metrics.condition_exclusions.add(hook.name, KIND, "validate" if hook.type == "validating" else hook.type, request.operation)
    return is_met
