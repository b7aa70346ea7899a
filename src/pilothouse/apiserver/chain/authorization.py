"""Whether the user may do it: 403 in upstream's words when not (401 never: who is not known is system:anonymous)."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import replace

from pilothouse.apiserver.auth.authorizer import Attributes, Decision, denied
from pilothouse.apiserver.auth.selectors import SELECTING_VERBS, selected_name
from pilothouse.apiserver.auth.user import MASTERS, User
from pilothouse.apiserver.http.counters import ALLOWED, DENIED
from pilothouse.apiserver.http.request import NO_SNIFFING, Handler, Request, Response
from pilothouse.apiserver.http.request_info import attributes_of


def authorize(request: Request, next: Handler) -> Awaitable[Response]:
    """Continue when the user may do what is asked. Raises a 403 in upstream's words otherwise."""
    if MASTERS in request.user.groups:  # as upstream: decided before, and whatever, any rule
        return next(request)
    attributes = requested(request)
    since = request.api.clock.monotonic()
    decision = request.api.authorizer.authorize(request.user, attributes)
    request.api.counters.authorizations.observe(ALLOWED if decision.allowed else DENIED, request.api.clock.monotonic() - since)
    if decision.allowed:
        return next(request)
    request.answer_headers.append(NO_SNIFFING)
    raise denied(request.user, attributes, decision)


def decide(request: Request, user: User, attributes: Attributes) -> Decision:
    """Whether `user` may do what `attributes` say."""
    return Decision(True) if MASTERS in user.groups else request.api.authorizer.authorize(user, attributes)


def requested(request: Request) -> Attributes:
    """What the request is about, as an authorizer sees it: of a list, a watch or a deletecollection with its selectors."""
    info = request.info
    if "elector=" not in request.query_string or not info.is_resource or info.verb not in SELECTING_VERBS:
        return attributes_of(info, info.name)
    field_selector = request.parameter("fieldSelector")
    name = info.name or ("" if info.verb == "deletecollection" else selected_name(field_selector))
    asked = attributes_of(info, name)
    if info.is_old_watch:  # which has no selectors as upstream's authorizers see it
        return asked
    return replace(asked, field_selector=field_selector, label_selector=request.parameter("labelSelector"))
