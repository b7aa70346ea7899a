"""Who sent a request: the first authenticator that knows its kind of credential decides."""

from __future__ import annotations

from asyncio import BaseTransport
from typing import Protocol

from pilothouse.apiserver.auth.user import User
from pilothouse.apiserver.auth.x509 import CertificateAuthenticator
from pilothouse.machinery import errors


class TokenAuthenticator(Protocol):
    """Knows one kind of bearer token."""

    async def authenticate_token(self, token: str) -> User | None:
        """The user of a valid token; None for a token that is not of this kind or not valid."""
        ...


class Authenticators:
    """Client certificate first, then bearer tokens by each authenticator in order; a token that nobody knows is a 401."""

    def __init__(self, tokens: tuple[TokenAuthenticator, ...] = ()) -> None:
        self.certificates = CertificateAuthenticator()
        self.tokens = tokens

    def by_certificate(self, connection: BaseTransport | None) -> User | None:
        """The user of the connection's client certificate, or None when it has none. Raises a 401 for a certificate that is not valid."""
        return self.certificates.authenticate(connection) if connection is not None else None

    async def by_token(self, token: str) -> User:
        """The user of a bearer token, by the first authenticator that knows it. Raises a 401 when none does."""
        for authenticator in self.tokens:
            user = await authenticator.authenticate_token(token)
            if user is not None:
                return user
        raise errors.unauthorized()
