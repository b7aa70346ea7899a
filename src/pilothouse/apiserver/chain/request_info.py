"""First link: what the request is about."""

from __future__ import annotations

from collections.abc import Awaitable

from pilothouse.apiserver.http import request_info
from pilothouse.apiserver.http.request import MALFORMED, Handler, Request, Response
from pilothouse.machinery.errors import StatusError, bad_request


def find_request_info(request: Request, next: Handler) -> Awaitable[Response]:
    """Set `request.info` from method and path. Raises a 400 for a malformed percent escape."""
    watching = "watch" in request.query_string and is_watch(request)
    if "%" in request.path and MALFORMED.search(request.path):
        raise malformed()
    request.info = request_info.parse(request.method, request.path, watching)
    return next(request)


def malformed() -> StatusError:
    """The 400 for a path with a malformed percent escape."""
    return bad_request("invalid URL escape in the request's path")


def is_watch(request: Request) -> bool:
    """Anything but `false` and `0` asks for a watch."""
    return "watch" in request.query and request.parameter("watch").casefold() not in ("false", "0")
