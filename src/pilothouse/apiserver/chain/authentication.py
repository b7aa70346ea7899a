"""Who sent the request: by client certificate, by bearer token, or nobody known."""

from __future__ import annotations

from collections.abc import Awaitable

from pilothouse.apiserver.auth.user import User
from pilothouse.apiserver.http.request import WEBSOCKET_TOKEN, Handler, Request, Response


def authenticate(request: Request, next: Handler) -> Awaitable[Response]:
    user = request.api.authenticators.by_certificate(request.http.transport)
    if user is None:
        return authenticate_token(request, next)
    request.user = user
    return next(request)


async def authenticate_token(request: Request, next: Handler) -> Response:
    request.user = await by_token(request)
    return await next(request)


async def by_token(request: Request) -> User:
    """The user of the bearer token; the default one when there is none, StatusError 401 when it is not valid."""
    headers = request.http.headers
    scheme, _, token = headers.get("Authorization", "").strip().partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return await request.api.authenticators.by_token(token.strip())
    for protocol in headers.get("Sec-WebSocket-Protocol", "").split(","):
        if protocol.strip().startswith(WEBSOCKET_TOKEN):
            return await request.api.authenticators.by_token(decoded(protocol.strip().removeprefix(WEBSOCKET_TOKEN)))
    return request.api.default_user


def decoded(text: str) -> str:
    """A token out of unpadded base64url; nothing when it is none."""
    from base64 import urlsafe_b64decode

    try:
        return urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
    except ValueError:
        return ""
