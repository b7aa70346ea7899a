"""Requests for the group and version of an extension API server: passed on as they are, with the user in headers.

Bodies, watches and upgrades stream in both directions. Redirects are the client's to follow.

Upstream: kube-aggregator's proxyHandler.
"""

from __future__ import annotations

from aiohttp import ClientError

from pilothouse.apiserver.aggregation.backends import Backends
from pilothouse.apiserver.aggregation.extensions import Extension
from pilothouse.apiserver.aggregation.identity import headers_of
from pilothouse.apiserver.http.answer import Answer
from pilothouse.apiserver.http.request import Request, Response
from pilothouse.apiserver.http.streaming import forward
from pilothouse.apiserver.webhooks.failure import CallFailed
from pilothouse.client.neterrors import why

PLAIN = "text/plain; charset=utf-8"


async def proxy(request: Request, extension: Extension, backends: Backends) -> Response:
    """The answer of the extension API server, or 503 in plain text when it cannot be reached."""
    if not extension.is_available:
        return unavailable("service unavailable")
    try:
        session = await backends.session(extension)
    except CallFailed as problem:
        return Answer(500, f"{problem}\n".encode(), PLAIN)
    try:
        backend = await backends.of(extension)
    except CallFailed:
        return unavailable("service unavailable")
    url = f"{backend.base}{request.path}{'?' + request.query_string if request.query_string else ''}"
    headers = [*forward.headers_of(request), *headers_of(request.user)]
    if wanted := forward.upgrade_of(request):
        return await forward.upgraded(request, backend, url, wanted, headers)
    body = request.http.content if request.http.can_read_body else None
    try:
        answer = await session.request(
            request.method, forward.as_is(url), data=body, headers=headers, allow_redirects=False, server_hostname=backend.server_name
        )
    except (ClientError, OSError) as error:
        return unavailable(f"error trying to reach service: {why(error, url)}")
    async with answer:
        return await forward.streamed(request, answer)


def unavailable(text: str) -> Answer:
    """503 with a line of text, as the aggregator writes it."""
    return Answer(503, f"{text}\n".encode(), PLAIN)
