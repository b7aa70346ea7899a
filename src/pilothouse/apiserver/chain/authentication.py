"""Who sent the request: by client certificate, by bearer token, or nobody known."""

from __future__ import annotations

from collections.abc import Awaitable

from pilothouse.apiserver.auth.credentials import BadToken
from pilothouse.apiserver.auth.user import User
from pilothouse.apiserver.http.counters import FAILURE, SUCCESS
from pilothouse.apiserver.http.request import WEBSOCKET_TOKEN, Handler, Request, Response
from pilothouse.machinery.errors import StatusError, unauthorized

EXTRA_SPACE = "the provided Authorization header contains extra space before the bearer token, and is ignored"


def authenticate(request: Request, next: Handler) -> Awaitable[Response]:
    """Set `request.user` from the client certificate or the bearer token, else to `system:anonymous`.

    Raises a 401 for credentials that are not valid.
    """
    try:
        user = request.api.authenticators.by_certificate(request.http.transport, request.http.headers)
    except StatusError as refused:  # as upstream, a token beside a certificate that is not valid decides
        return authenticate_token(request, next, refused)
    if user is None:
        return authenticate_token(request, next)
    request.user = user
    request.api.counters.authentications.observe(SUCCESS, 0.0)
    return next(request)


async def authenticate_token(request: Request, next: Handler, refused: StatusError | None = None) -> Response:
    """By the bearer token; `refused` is what is wrong with the client certificate, where there is one."""
    token = token_of(request)
    if token is not None:
        request.user = await by_token(request, token)
    elif refused is not None:
        raise refused
    elif not request.api.authenticators.anonymous.allows(request.http.path):
        raise unauthorized()
    else:
        request.user = request.api.default_user
    return await next(request)


async def by_token(request: Request, token: str) -> User:
    """The user of the token; StatusError 401 when it is not valid, later the more of them come from one address."""
    clock, counted = request.api.clock, request.api.counters.authentications
    since = clock.monotonic()
    try:
        known = await request.api.authenticators.by_token(token)
    except BadToken as error:
        counted.observe(FAILURE, clock.monotonic() - since)
        await request.api.failed_logins.note(request.http.remote or "")
        raise unauthorized() from error
    counted.observe(SUCCESS, clock.monotonic() - since)
    request.warnings.extend(known.warnings)
    for key, value in known.annotations:
        request.annotate(key, value)
    return known.user


def token_of(request: Request) -> str | None:
    """The bearer token that the request bears: in its Authorization header, or as a subprotocol of a WebSocket."""
    headers = request.http.headers
    parts = headers.get("Authorization", "").strip().split(" ", 2)
    if len(parts) > 1 and parts[0].lower() == "bearer":
        if parts[1]:
            return parts[1]
        if len(parts) > 2:
            request.warnings.append(EXTRA_SPACE)
    protocols = [each for each in map(str.strip, headers.get("Sec-WebSocket-Protocol", "").split(",")) if each]
    tokens = [each.removeprefix(WEBSOCKET_TOKEN) for each in protocols if each.startswith(WEBSOCKET_TOKEN)]
    if not tokens or headers.get("Upgrade", "").lower() != "websocket":
        return None
    if len(tokens) > 1 or len(protocols) == 1:  # upstream: no second token, and a subprotocol beside it
        raise unauthorized()
    return decoded(tokens[0])


def decoded(text: str) -> str:
    """A token out of unpadded base64url; StatusError 401 when it is none."""
    from base64 import b64decode

    try:
        return b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True).decode()
    except ValueError as error:
        raise unauthorized() from error
