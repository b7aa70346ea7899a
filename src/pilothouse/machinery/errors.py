"""The one error that crosses the API: `StatusError`, which carries upstream's `Status` object.

Raised by storage-independent code on the server, rebuilt from the answer by the client; turned into HTTP in one place.
Reasons, codes and messages are upstream's (apimachinery pkg/api/errors).
"""

from __future__ import annotations

from collections.abc import Sequence

from pilothouse.machinery.meta_v1 import Status, StatusCause, StatusDetails
from pilothouse.machinery.problems import Problem
from pilothouse.machinery.quoting import aggregate, go_quoted


class StatusError(Exception):
    """An answer of the API server other than success."""

    def __init__(self, status: Status) -> None:
        super().__init__(status.message)
        self.status = status

    @property
    def code(self) -> int:
        """HTTP status code of the Status; 500 when it carries none."""
        return self.status.code or 500

    @property
    def reason(self) -> str:
        """`reason` of the Status, as `NotFound`; empty when it carries none."""
        return self.status.reason


def failure(code: int, reason: str, message: str, details: StatusDetails | None = None) -> StatusError:
    """Any failure; the functions below say the common ones in upstream's words."""
    return StatusError(Status(status="Failure", code=code, reason=reason, message=message, details=details))


def qualified(plural: str, group: str) -> str:
    """Name of a resource in messages: `deployments.apps`, or `pods` in the core group."""
    return f"{plural}.{group}" if group else plural


def not_found(plural: str, group: str, name: str) -> StatusError:
    """404 NotFound: no object `name` of this resource. Message and details as apierrors.NewNotFound."""
    details = StatusDetails(name=name, group=group, kind=plural)
    return failure(404, "NotFound", f"{qualified(plural, group)} {go_quoted(name)} not found", details)


def no_such_resource() -> StatusError:
    """404 for a path below an API that is served: no such version, kind or subresource."""
    return failure(404, "NotFound", "the server could not find the requested resource", StatusDetails())


def already_exists(plural: str, group: str, name: str) -> StatusError:
    """409 AlreadyExists: an object of this name exists. Message and details as apierrors.NewAlreadyExists."""
    details = StatusDetails(name=name, group=group, kind=plural)
    return failure(409, "AlreadyExists", f"{qualified(plural, group)} {go_quoted(name)} already exists", details)


def conflict(plural: str, group: str, name: str, cause: str) -> StatusError:
    """409 Conflict: the write lost against another one; `cause` says how. As apierrors.NewConflict."""
    details = StatusDetails(name=name, group=group, kind=plural)
    message = f"Operation cannot be fulfilled on {qualified(plural, group)} {go_quoted(name)}: {cause}"
    return failure(409, "Conflict", message, details)


OBJECT_MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"


def invalid(kind: str, group: str, name: str, problems: Sequence[Problem]) -> StatusError:
    """422: everything that is wrong with an object. `kind` is the kind, `Pod`, not the plural."""
    causes = [StatusCause(reason=problem.reason, message=problem.message, field=problem.path) for problem in problems]
    details = StatusDetails(name=name, group=group, kind=kind, causes=causes)
    text = aggregate(map(str, problems)) or "[]"
    return failure(422, "Invalid", f"{qualified(kind, group)} {go_quoted(name)} is invalid: {text}", details)


def bad_request(message: str) -> StatusError:
    """400 BadRequest with this message. As apierrors.NewBadRequest."""
    return failure(400, "BadRequest", message)


def unauthorized(message: str = "Unauthorized") -> StatusError:
    """401 Unauthorized: the request has no valid credentials. As apierrors.NewUnauthorized."""
    return failure(401, "Unauthorized", message)


def forbidden(plural: str, group: str, name: str, cause: str) -> StatusError:
    """403 Forbidden: the request is understood and refused; `cause` says why.

    The message names the object when `name` is set. As apierrors.NewForbidden.
    """
    details = StatusDetails(name=name, group=group, kind=plural)
    subject = f"{qualified(plural, group)} {go_quoted(name)}" if name else qualified(plural, group)
    return failure(403, "Forbidden", f"{subject} is forbidden: {cause}", details)


def method_not_supported(plural: str, group: str, verb: str) -> StatusError:
    """405 MethodNotAllowed: the resource does not serve this verb. As apierrors.NewMethodNotSupported."""
    details = StatusDetails(group=group, kind=plural)
    message = f'{verb} is not supported on resources of kind "{qualified(plural, group)}"'
    return failure(405, "MethodNotAllowed", message, details)


def gone(message: str) -> StatusError:
    """410 Gone with this message, as for a `continue` token or a resource version that was compacted away."""
    return failure(410, "Gone", message)


def expired(message: str) -> StatusError:
    """410 of a resourceVersion or continue token that is too old; informers list again on it."""
    return failure(410, "Expired", message)


def too_large(message: str) -> StatusError:
    """413 RequestEntityTooLarge: the body exceeds a limit. As apierrors.NewRequestEntityTooLargeError."""
    return failure(413, "RequestEntityTooLarge", message)


def unsupported_media_type(message: str) -> StatusError:
    """415 UnsupportedMediaType: the Content-Type of a request body is not accepted."""
    return failure(415, "UnsupportedMediaType", message)


def too_many_requests(message: str, retry_after_seconds: int = 1) -> StatusError:
    """429 TooManyRequests; clients wait `retry_after_seconds` before they try again. As apierrors.NewTooManyRequests."""
    return failure(429, "TooManyRequests", message, StatusDetails(retryAfterSeconds=retry_after_seconds))


def internal_error(message: str) -> StatusError:
    """500 InternalError; `message` becomes its cause. As apierrors.NewInternalError."""
    details = StatusDetails(causes=[StatusCause(message=message)])
    return failure(500, "InternalError", f"Internal error occurred: {message}", details)


def unavailable(message: str) -> StatusError:
    """503 ServiceUnavailable: the server cannot serve this now. As apierrors.NewServiceUnavailable."""
    return failure(503, "ServiceUnavailable", message)


def timeout(message: str) -> StatusError:
    """504 Timeout: the request did not complete within its deadline. As apierrors.NewTimeoutError."""
    return failure(504, "Timeout", f"Timeout: {message}")
