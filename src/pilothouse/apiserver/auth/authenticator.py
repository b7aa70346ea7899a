"""Who sent a request: the first authenticator that knows its kind of credential decides."""

from __future__ import annotations

from asyncio import BaseTransport
from typing import Protocol

from multidict import CIMultiDictProxy

from pilothouse.apiserver.auth.requestheader import RequestHeaderAuthenticator
from pilothouse.apiserver.auth.user import User
from pilothouse.apiserver.auth.x509 import Authority, CertificateAuthenticator
from pilothouse.machinery import errors


class TokenAuthenticator(Protocol):
    """Knows one kind of bearer token."""

    async def authenticate_token(self, token: str) -> User | None:
        """The user of a valid token; None for a token that is not of this kind or not valid."""
        ...


class Authenticators:
    """A front proxy's word and client certificates first, then bearer tokens by each authenticator in order; a token that nobody knows is
    a 401."""

    def __init__(
        self, tokens: tuple[TokenAuthenticator, ...] = (), front_proxy: RequestHeaderAuthenticator | None = None, client_ca: str = ""
    ) -> None:
        """`client_ca` is the PEM of the clients' authority, which is asked for where there is a front proxy with one of its own."""
        self.certificates = CertificateAuthenticator(authority=Authority(client_ca) if front_proxy is not None else None)
        self.front_proxy = front_proxy
        self.tokens = tokens

    def by_certificate(self, connection: BaseTransport | None, headers: CIMultiDictProxy[str]) -> User | None:
        """The user for whom a front proxy asks, or that of the connection's client certificate; None when it has none. Raises a 401 for a
        certificate that is not valid."""
        if connection is None:
            return None
        if self.front_proxy is not None and (user := self.front_proxy.authenticate(connection, headers)) is not None:
            return user
        return self.certificates.authenticate(connection)

    async def by_token(self, token: str) -> User:
        """The user of a bearer token, by the first authenticator that knows it. Raises a 401 when none does."""
        for authenticator in self.tokens:
            user = await authenticator.authenticate_token(token)
            if user is not None:
                return user
        raise errors.unauthorized()
