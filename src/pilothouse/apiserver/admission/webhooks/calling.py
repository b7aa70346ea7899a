"""Calling one webhook about a request: the result is a Verdict or one of three failures.

- `WebhookFailed`: it could not be asked, or its answer is none. The failurePolicy decides what that means.
- `Rejected`: it has refused the request.
- Any other StatusError: its answer cannot be carried out; that fails the request whatever the failurePolicy.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from pilothouse.apiserver.admission.matching.versions import Version, aside
from pilothouse.apiserver.admission.metrics import CALLING_ERROR, NO_ERROR, SERVER_ERROR, AdmissionMetrics, code_label
from pilothouse.apiserver.admission.plugin import AdmissionRequest, World
from pilothouse.apiserver.admission.webhooks.configuration import SIDE_EFFECT_FREE, Hook
from pilothouse.apiserver.admission.webhooks.response import InvalidResponse, Verdict, refusal, verdict_of
from pilothouse.apiserver.admission.webhooks.review import review_of, version_of
from pilothouse.apiserver.webhooks.failure import CallFailed, NoClient
from pilothouse.kit.offload import in_thread
from pilothouse.machinery.errors import StatusError, bad_request, internal_error
from pilothouse.machinery.quoting import go_quoted

LARGE_BYTES = 64 * 1024
"""Of an answer: from here on it is read in a thread."""
Objects = Callable[[Version], tuple[bytes | None, bytes | None]]
"""The JSON of a request's object and old object in a version."""


class WebhookFailed(Exception):
    """`str()` is upstream's text (ErrCallingWebhook), `code` what metrics show."""

    def __init__(self, name: str, reason: str, code: int = 503) -> None:
        super().__init__(f"failed calling webhook {go_quoted(name)}: {reason}")
        self.code = code

    def refusal(self) -> StatusError:
        """The answer to the request when the failurePolicy is Fail."""
        return internal_error(str(self))


class Rejected(Exception):
    """`error` is the answer to the request."""

    def __init__(self, error: StatusError) -> None:
        super().__init__(error.status.message)
        self.error = error


async def ask(hook: Hook, request: AdmissionRequest, version: Version, objects: Objects, world: World, *, mutating: bool) -> Verdict:
    """Call the webhook. Returns its patch when it allows the request; warnings and audit annotations are added to the request."""
    if request.dry_run:
        _check_side_effects(hook)
    review_version = version_of(hook.webhook.admissionReviewVersions or ())
    if not review_version:
        text = "could not create admission objects: webhook does not accept known AdmissionReview versions (v1, v1beta1)"
        raise WebhookFailed(hook.name, text, 400)
    uid = world.entropy.uid()
    body = review_of(uid, review_version, request, version, *await aside(request, objects, version))
    verdict = await _answer(hook, world, body, uid, review_version, mutating=mutating)
    request.audit_annotations.update((f"{hook.name}/{key}", value) for key, value in verdict.audit_annotations.items())
    request.warnings.extend(verdict.warnings)
    if not verdict.allowed:
        raise Rejected(refusal(hook.name, verdict.status))
    return verdict


def _check_side_effects(hook: Hook) -> None:
    """A webhook that writes elsewhere is not asked about a dry run, which fails then."""
    if hook.webhook.sideEffects is None:
        raise WebhookFailed(hook.name, "Webhook SideEffects is nil", 400)
    if hook.webhook.sideEffects not in SIDE_EFFECT_FREE:
        raise bad_request(f"admission webhook {go_quoted(hook.name)} does not support dry run")


async def _answer(hook: Hook, world: World, body: bytes, uid: str, review_version: str, *, mutating: bool) -> Verdict:
    try:
        answer = await world.webhooks.call(hook.endpoint, body, hook.seconds)
        judge = partial(verdict_of, answer, uid, review_version, mutating=mutating)
        return judge() if len(answer) < LARGE_BYTES else await in_thread(judge)
    except NoClient as failed:
        raise WebhookFailed(hook.name, f"could not get REST client: {failed}", 500) from failed
    except CallFailed as failed:
        raise WebhookFailed(hook.name, f"failed to call webhook: {failed}", failed.code) from failed
    except InvalidResponse as invalid:
        raise WebhookFailed(hook.name, f"received invalid webhook response: {invalid}") from invalid


def count(metrics: AdmissionMetrics, hook: Hook, operation: str, seconds: float, problem: Exception | None) -> None:
    """Note how a call ended. Failures that are ignored are no rejections."""
    code, error_type = _outcome(problem)
    rejected = problem is not None and not (isinstance(problem, WebhookFailed) and hook.ignores_failures)
    if rejected:
        metrics.webhook_rejections.add(hook.name, hook.type, operation, error_type, code_label(code))
    shown = "true" if rejected else "false"
    metrics.webhook_requests.add(hook.name, hook.type, operation, code_label(code), shown)
    metrics.webhook_seconds.observe(seconds, hook.name, hook.type, operation, shown)


def _outcome(problem: Exception | None) -> tuple[int, str]:
    if problem is None:
        return 200, NO_ERROR
    if isinstance(problem, Rejected):
        return problem.error.code, NO_ERROR
    return (problem.code, CALLING_ERROR) if isinstance(problem, WebhookFailed) else (0, SERVER_ERROR)
