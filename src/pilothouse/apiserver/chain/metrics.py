"""Counts every request, with its latency and the code of its answer, and names it: Audit-Id is the client's own, or a new one."""

from __future__ import annotations

from pilothouse.apiserver.http.answer import Answer
from pilothouse.apiserver.http.request import Handler, Request, Response
from pilothouse.apiserver.http.request_metrics import OTHER

AUDIT_ID = "Audit-Id"
UNSERVED = {verb: (verb, "", "", "", "", "") for verb in ("GET", "LIST", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")}
"""The labels of what is no resource, and of requests that were refused before it was looked up."""


async def count(request: Request, next: Handler) -> Response:
    """Measure the request: count, duration in seconds, size of the response in bytes."""
    clock = request.api.clock
    request.started = started = clock.monotonic()
    request.audit_id = request.header(AUDIT_ID) or request.api.entropy.uid()
    request.answer_headers.append((AUDIT_ID, request.audit_id))
    response = await next(request)
    if isinstance(response, Answer):
        response.headers = [*request.answer_headers, *response.headers]
    if request.info.verb != "watch":  # a watch's duration says nothing about the server
        labels = request.info.labels
        if not request.is_served:
            labels = UNSERVED.get(labels[0], OTHER)
        size = len(response.body) if isinstance(response, Answer) else -1
        request.api.metrics.observe(labels, response.status, clock.monotonic() - started, size)
    return response
