"""Whether the user may do it: 403 in upstream's words when not (401 never: who is not known is system:anonymous)."""

from __future__ import annotations

from collections.abc import Awaitable

from pilothouse.apiserver.auth.authorizer import Attributes, Decision, denied
from pilothouse.apiserver.auth.modes import decide, waits
from pilothouse.apiserver.auth.user import MASTERS
from pilothouse.apiserver.http.answer import Answer
from pilothouse.apiserver.http.attributes import requested
from pilothouse.apiserver.http.counters import ALLOWED, DENIED
from pilothouse.apiserver.http.request import NO_SNIFFING, Handler, Request, Response
from pilothouse.machinery.quoting import go_quoted

ESCAPED = (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"))


def authorize(request: Request, next: Handler) -> Awaitable[Response]:
    """Continue when the user may do what is asked. Raises a 403 in upstream's words otherwise."""
    if MASTERS in request.user.groups:  # as upstream: decided before, and whatever, any rule
        if request.audit is not None:
            request.audit.decided(allowed=True, reason="")
        return next(request)
    attributes, authorizer = requested(request), request.api.authorizer
    if waits(authorizer):
        return authorize_later(request, next, attributes)
    since = request.api.clock.monotonic()
    decision = authorizer.authorize(request.user, attributes)
    return conclude(request, next, attributes, decision, request.api.clock.monotonic() - since)


async def authorize_later(request: Request, next: Handler, attributes: Attributes) -> Response:
    """The same where a webhook may have to be waited for."""
    since = request.api.clock.monotonic()
    decision = await decide(request.api.authorizer, request.user, attributes)
    return await conclude(request, next, attributes, decision, request.api.clock.monotonic() - since)


def conclude(request: Request, next: Handler, attributes: Attributes, decision: Decision, seconds: float) -> Awaitable[Response]:
    """Continue when the decision allows it. Raises a 403 otherwise, and answers 500 where something went wrong on the way to it."""
    request.api.counters.authorizations.observe(ALLOWED if decision.allowed else DENIED, seconds)
    if request.audit is not None:
        request.audit.decided(allowed=decision.allowed, reason=decision.reason)
    if decision.allowed:
        return next(request)
    request.answer_headers.append(NO_SNIFFING)
    if decision.error:
        return undecided(request, decision)
    raise denied(request.user, attributes, decision)


async def undecided(request: Request, decision: Decision) -> Response:
    """Go's plain answer when nobody could decide."""
    text = f"Internal Server Error: {go_quoted(request.http.path_qs)}: {decision.error}\n"
    for raw, escape in ESCAPED:
        text = text.replace(raw, escape)
    return Answer(500, text.encode(), "text/plain; charset=utf-8")
