"""Failures as the client is told of them: upstream's Status; no traceback leaves the server.

What is not a StatusError is a bug: it is logged with its traceback, and the client is told that something went wrong.
"""

from __future__ import annotations

import logging

from aiohttp import web

from pilothouse.apiserver.http.answer import Answer
from pilothouse.apiserver.http.encoding import failed
from pilothouse.apiserver.http.request import Request, Response
from pilothouse.apiserver.registry.storefailures import status_of
from pilothouse.apiserver.storage.interface import StorageFailed
from pilothouse.machinery import errors
from pilothouse.machinery.errors import StatusError

PANIC = (
    'an error on the server ("This request caused apiserver to panic. Look in the logs for details.") '
    "has prevented the request from succeeding"
)
CLIENT_GONE = 499
"""For the metrics: nobody is left to be answered."""
REASONS = {400: "BadRequest"}
log = logging.getLogger(__name__)


def answer_of(request: Request, error: Exception) -> Response:
    """What the client is told of an exception; of a bug the log is told, too."""
    if isinstance(error, StatusError):
        return failed(request, error)
    if isinstance(error, (ConnectionError, TimeoutError)):
        if request.http.transport is None:
            return Answer(CLIENT_GONE)
        log.warning("a request failed: %s", error, extra={"path": request.path})
        return failed(request, errors.unavailable(str(error) or type(error).__name__))
    if isinstance(error, StorageFailed):  # a broken disk is no bug: the text says what it is
        log.warning("the store failed: %s", error, extra={"path": request.path})
        return failed(request, status_of(error, "be read"))
    if isinstance(error, RecursionError):  # only what a client has sent nests without end
        return failed(request, errors.bad_request("json: exceeded max depth"))
    if isinstance(error, web.HTTPException):  # aiohttp's own, of a WebSocket's handshake
        return failed(request, errors.failure(error.status, REASONS.get(error.status, ""), error.text or error.reason))
    log.error("apiserver panic'd on %s %s", request.method, request.path, exc_info=error)
    return failed(request, errors.failure(500, "InternalError", PANIC))
