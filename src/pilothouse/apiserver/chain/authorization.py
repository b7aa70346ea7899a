"""Whether the user may do it: 403 in upstream's words when not (401 never: who is not known is system:anonymous)."""

from __future__ import annotations

from collections.abc import Awaitable

from pilothouse.apiserver.auth.authorizer import Attributes, denial
from pilothouse.apiserver.auth.user import MASTERS
from pilothouse.apiserver.endpoints.request import Handler, Request, Response
from pilothouse.apiserver.endpoints.request_info import RequestInfo
from pilothouse.machinery import errors


def authorize(request: Request, next: Handler) -> Awaitable[Response]:
    if MASTERS in request.user.groups:  # as upstream: decided before, and whatever, any rule
        return next(request)
    attributes = attributes_of(request.info)
    decision = request.api.authorizer.authorize(request.user, attributes)
    if decision.allowed:
        return next(request)
    cause = denial(request.user, attributes)
    if decision.reason:
        cause += f": {decision.reason}"
    if attributes.path:
        raise errors.failure(403, "Forbidden", f"forbidden: {cause}")
    raise errors.forbidden(attributes.resource, attributes.group, attributes.name, cause)


def attributes_of(info: RequestInfo) -> Attributes:
    if not info.is_resource:
        return Attributes(info.verb, path=info.path)
    return Attributes(info.verb, info.group, info.version, info.plural, info.subresource, info.namespace, info.name)
