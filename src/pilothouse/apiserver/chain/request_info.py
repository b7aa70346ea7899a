"""First link: what the request is about."""

from __future__ import annotations

from collections.abc import Awaitable

from pilothouse.apiserver.http import request_info
from pilothouse.apiserver.http.request import Handler, Request, Response


def find_request_info(request: Request, next: Handler) -> Awaitable[Response]:
    watching = "watch=" in request.query_string and is_watch(request)
    request.info = request_info.parse(request.method, request.path, watching)
    return next(request)


def is_watch(request: Request) -> bool:
    """Anything but `false` and `0` asks for a watch."""
    return "watch" in request.query and request.parameter("watch").lower() not in ("false", "0")
