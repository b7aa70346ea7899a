"""Whether the user may do it: 403 in upstream's words when not (401 never: who is not known is system:anonymous)."""

from __future__ import annotations

from collections.abc import Awaitable

from pilothouse.apiserver.auth.authorizer import Attributes, Decision, denied
from pilothouse.apiserver.auth.user import MASTERS, User
from pilothouse.apiserver.http.counters import ALLOWED, DENIED
from pilothouse.apiserver.http.request import Handler, Request, Response
from pilothouse.apiserver.http.request_info import attributes_of
from pilothouse.machinery import errors, fields, names


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
    raise denied(request.user, attributes, decision)


def decide(request: Request, user: User, attributes: Attributes) -> Decision:
    """Whether `user` may do what `attributes` say."""
    return Decision(True) if MASTERS in user.groups else request.api.authorizer.authorize(user, attributes)


def requested(request: Request) -> Attributes:
    """What the request is about, as an authorizer sees it."""
    return attributes_of(request.info, request.info.name or selected_name(request))


def selected_name(request: Request) -> str:
    """The one object that a list or a watch is narrowed to by its name: who may read just that, may ask so."""
    if request.info.verb not in ("list", "watch") or "fieldSelector=" not in request.query_string:
        return ""
    try:
        name = fields.parse(request.parameter("fieldSelector")).exact("metadata.name") or ""
    except errors.StatusError:  # whoever reads it says so
        return ""
    return "" if names.path_segment(name) else name
