"""Every failure becomes upstream's Status here, and only here; no traceback leaves the server.

What is not a StatusError is a bug: it is logged with its traceback, and the client is told that something went wrong.
"""

from __future__ import annotations

import logging

from aiohttp import web

from pilothouse.apiserver.http.answer import Answer
from pilothouse.apiserver.http.encoding import failed
from pilothouse.apiserver.http.request import Handler, Request, Response
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


async def answer_failures(request: Request, next: Handler) -> Response:
    """Turn every exception of the following links into a Status response."""
    try:
        return await next(request)
    except StatusError as error:
        return failed(request, error)
    except (ConnectionError, TimeoutError) as error:
        if request.http.transport is None:
            return Answer(CLIENT_GONE)
        log.warning("a request failed: %s", error, extra={"path": request.path})
        return failed(request, errors.unavailable(str(error) or type(error).__name__))
    except StorageFailed as error:  # a broken disk is no bug: the text says what it is
        log.warning("the store failed: %s", error, extra={"path": request.path})
        return failed(request, status_of(error, "be read"))
    except RecursionError:  # only what a client has sent nests without end
        return failed(request, errors.bad_request("json: exceeded max depth"))
    except web.HTTPException as refusal:  # aiohttp's own, of a WebSocket's handshake
        return failed(request, errors.failure(refusal.status, REASONS.get(refusal.status, ""), refusal.text or refusal.reason))
    except Exception:
        log.exception("apiserver panic'd on %s %s", request.method, request.path)
        return failed(request, errors.failure(500, "InternalError", PANIC))
