"""Auditing of requests: what the policy wants is told to the backends at each stage. Nothing is done where there is no auditor.

- Two links. `audit_refusals` stands before authentication: who is not let in leaves one event, too. `audit` stands behind it, and answers
  failures itself, since what the client is told belongs to the event.
- Upstream: endpoints/filters/audit.go and authn_audit.go.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable

from pilothouse.apiserver.audit.auditor import Asked, AuditContext, Auditor
from pilothouse.apiserver.audit.event import addresses_of
from pilothouse.apiserver.auth.user import User
from pilothouse.apiserver.http.answer import Answer
from pilothouse.apiserver.http.attributes import requested
from pilothouse.apiserver.http.auditing import json_of, object_in, status_in
from pilothouse.apiserver.http.failures import answer_of
from pilothouse.apiserver.http.request import Handler, Request, Response
from pilothouse.apiserver.registry.storefailures import status_of
from pilothouse.apiserver.storage.interface import StorageFailed
from pilothouse.machinery.catalogue import Catalogue
from pilothouse.machinery.errors import StatusError, internal_error

log = logging.getLogger(__name__)

NOT_ACCEPTABLE = 406
EXPECTED = (StatusError, ConnectionError, TimeoutError, StorageFailed, RecursionError)
"""Failures that are no bugs."""


def audit_refusals(request: Request, next: Handler) -> Awaitable[Response]:
    """Hand the request on; one that authentication refuses is recorded where there is an auditor."""
    return next(request) if request.api.registry.auditor is None else _audited_refusal(request, next)


async def _audited_refusal(request: Request, next: Handler) -> Response:
    auditor = request.api.registry.auditor
    assert auditor is not None
    try:
        return await next(request)
    except StatusError as error:  # those behind `audit` have been answered there
        context = context_of(auditor, request, None)
        if context is not None:
            context.responded(error.status.code, error.status, json_of(error.status))
            context.refused()
            await context.kept()
        raise


def audit(request: Request, next: Handler) -> Awaitable[Response]:
    """Hand the request on; recorded when there is an auditor and its policy wants it."""
    return next(request) if request.api.registry.auditor is None else _audited(request, next)


def context_of(auditor: Auditor, request: Request, user: User | None) -> AuditContext | None:
    """The context of a request; None when the policy wants nothing of it."""
    headers = request.http.headers
    remote = addresses_of(headers.get("X-Forwarded-For", ""), headers.get("X-Real-Ip", ""), request.http.remote or "")
    uri = request.path + (f"?{request.query_string}" if request.query_string else "")
    asked = Asked(requested(request), uri, headers.get("User-Agent", ""), remote, auditor.clock.now(), request.audit_id)
    return auditor.begin(user, asked, request.annotations)


async def _audited(request: Request, next: Handler) -> Response:
    auditor = request.api.registry.auditor
    assert auditor is not None
    context = request.audit = context_of(auditor, request, request.user)
    if context is None:
        return await _answered(request, next, None)
    request.http.head_sent = context.started
    context.received()
    if auditor.is_strict and not await context.kept():
        auditor.metrics.rejected += 1
        return answer_of(request, internal_error("failed to store audit event"))
    response = await _answered(request, next, context)
    await context.kept()
    return response


async def _answered(request: Request, next: Handler, context: AuditContext | None) -> Response:
    """The answer, also to a failure; its last stage has been told."""
    try:
        response = await next(request)
    except asyncio.CancelledError:  # the client has gone
        if context is not None:
            context.completed()
        raise
    except Exception as error:
        response = answer_of(request, error)
        if context is not None:
            _note_failure(context, error, response)
        return response
    if context is not None:
        _note_answer(context, response, request.api.registry.catalogue)
        context.completed()
    return response


def _note_failure(context: AuditContext, error: Exception, response: Response) -> None:
    if not isinstance(error, EXPECTED):
        context.panicked(error)
        return
    told = status_of(error, "be read") if isinstance(error, StorageFailed) else error
    if isinstance(told, StatusError) and response.status != NOT_ACCEPTABLE:
        context.responded(told.status.code, told.status, json_of(told.status))
    else:
        context.responded(response.status)
    context.completed()


def _note_answer(context: AuditContext, response: Response, catalogue: Catalogue) -> None:
    if not isinstance(response, Answer):
        context.started(response.status)
        return
    shown = object_in(response, catalogue) if context.scope.has_responses and response.status != NOT_ACCEPTABLE else b""
    context.responded(response.status, status_in(response), shown)
