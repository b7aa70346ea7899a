"""Who sent a request: the first authenticator that knows its kind of credential decides."""

from __future__ import annotations

from asyncio import BaseTransport
from collections.abc import Sequence
from dataclasses import dataclass, replace

from multidict import CIMultiDictProxy

from pilothouse.apiserver.auth.credentials import Authenticated, BadToken, TokenAuthenticator
from pilothouse.apiserver.auth.requestheader import RequestHeaderAuthenticator
from pilothouse.apiserver.auth.user import User, with_authenticated
from pilothouse.apiserver.auth.x509 import Authority, CertificateAuthenticator
from pilothouse.machinery.quoting import aggregate

INVALID = "invalid bearer token"


@dataclass(frozen=True, slots=True)
class AnonymousRequests:
    """Which requests without credentials are let in: all, those for some paths only (`paths`), or none."""

    enabled: bool = True
    paths: frozenset[str] = frozenset()

    def allows(self, path: str) -> bool:
        """Whether a request for `path` may come from nobody known."""
        return self.enabled and (not self.paths or path in self.paths)


EVERYBODY = AnonymousRequests()


@dataclass(frozen=True, slots=True)
class AudienceAgnostic:
    """An authenticator of tokens that name no audience: they are for `audiences`, those of this API server, and for no others."""

    authenticator: TokenAuthenticator
    audiences: tuple[str, ...]

    async def authenticate_token(self, token: str, audiences: Sequence[str]) -> Authenticated | None:
        """The user, for those of this API server's audiences that are asked for; None when none is."""
        common = tuple(audience for audience in self.audiences if audience in audiences)
        if not common:
            return None
        known = await self.authenticator.authenticate_token(token, common)
        return None if known is None else replace(known, audiences=common)


class Authenticators:
    """A front proxy's word and client certificates first, then bearer tokens by each authenticator in order; a token that nobody knows is
    a 401."""

    def __init__(
        self,
        tokens: tuple[TokenAuthenticator, ...] = (),
        front_proxy: RequestHeaderAuthenticator | None = None,
        client_ca: str = "",
        *,
        audiences: Sequence[str] = (),
        anonymous: AnonymousRequests = EVERYBODY,
    ) -> None:
        """`client_ca` is the PEM of the clients' authority, which is asked for where there is a front proxy with one of its own;
        `audiences` are those of this API server, for one of which a token must be."""
        self.certificates = CertificateAuthenticator(authority=Authority(client_ca) if front_proxy is not None else None)
        self.front_proxy = front_proxy
        self.tokens = tokens
        self.audiences = tuple(audiences)
        self.anonymous = anonymous

    def by_certificate(self, connection: BaseTransport | None, headers: CIMultiDictProxy[str]) -> User | None:
        """The user for whom a front proxy asks, or that of the connection's client certificate; None when it has none. Raises a 401 for a
        certificate that is not valid."""
        if connection is None:
            return None
        if self.front_proxy is not None and (user := self.front_proxy.authenticate(connection, headers)) is not None:
            return user
        return self.certificates.authenticate(connection)

    async def by_token(self, token: str, audiences: Sequence[str] = ()) -> Authenticated:
        """Whom a bearer token stands for, by the first authenticator that knows it for one of `audiences` (this API server's, unless
        given). BadToken with all that was said of it when none does."""
        problems = [INVALID]
        for authenticator in self.tokens:
            try:
                known = await authenticator.authenticate_token(token, audiences or self.audiences)
            except BadToken as error:
                problems.append(str(error))
                continue
            if known is not None:
                return replace(known, user=with_authenticated(known.user))
        raise BadToken(aggregate(problems))
