"""Registry, tokens and authorization, wired to one another: tokens are bound to objects that only the registry knows.

Both who runs a control plane as a process and who runs one in a test wire it here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from pilothouse import API_LEVEL
from pilothouse.api.catalogue import built_in
from pilothouse.apiserver.admission.order import ORDER
from pilothouse.apiserver.admission.plugin import Plugin
from pilothouse.apiserver.auth.authenticator import Authenticators, TokenAuthenticator
from pilothouse.apiserver.auth.authorizer import AlwaysAllow, Authorizer
from pilothouse.apiserver.auth.keys import ServiceAccountKeys
from pilothouse.apiserver.auth.rbac.authorizer import RBACAuthorizer
from pilothouse.apiserver.auth.rbac.index import Feed
from pilothouse.apiserver.auth.requestheader import RequestHeaderAuthenticator
from pilothouse.apiserver.auth.reviews import reviews
from pilothouse.apiserver.auth.tokens import ISSUER, ServiceAccountTokens
from pilothouse.apiserver.auth.user import User
from pilothouse.apiserver.registry.registry import Registry
from pilothouse.apiserver.registry.roles import role_feeds
from pilothouse.apiserver.registry.settings import Settings
from pilothouse.apiserver.storage.interface import Storage
from pilothouse.client.client import Client
from pilothouse.kit.clock import Clock
from pilothouse.kit.entropy import Entropy

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Api:
    """What an API server serves, and how it knows who asks and what he may."""

    registry: Registry
    tokens: ServiceAccountTokens
    authenticators: Authenticators
    authorizer: Authorizer

    def client(self, user: str, *groups: str) -> Client:
        """A client in process that speaks as this user."""
        return Client(self.registry.transport(User(user, groups=("system:authenticated", *groups))))


class Reported:
    """A component that runs beside another and tells `componentstatuses` that it does; it ends when the other is ended."""

    def __init__(self, components: dict[str, Callable[[], str]], name: str) -> None:
        self._components = components
        self._name = name

    async def run(self) -> None:
        """Report the component as healthy until cancelled."""
        self._components[self._name] = lambda: ""
        try:
            await asyncio.Event().wait()
        finally:
            self._components[self._name] = lambda: f"{self._name} does not run"


def authenticators_of(settings: Settings, *tokens: TokenAuthenticator) -> Authenticators:
    """Who is known: by the word of a front proxy where one has an authority, by certificates, by tokens."""
    front_proxy = RequestHeaderAuthenticator(settings.front_proxy_ca, settings.request_headers) if settings.front_proxy_ca else None
    return Authenticators(tokens, front_proxy, settings.client_ca)


def wire(
    storage: Storage,
    clock: Clock,
    entropy: Entropy,
    settings: Settings,
    keys: ServiceAccountKeys,
    level: str = API_LEVEL,
    *,
    plugins: Iterable[type[Plugin]] = ORDER,
    issuer: str = "",
    token_authenticators: tuple[TokenAuthenticator, ...] = (),
    allow_all: bool = False,
) -> Api:
    """`level` is that of the API which is served: `1.35`. `issuer` is that of ServiceAccount tokens ("": upstream's default);
    `token_authenticators` are asked after these. `allow_all`: everybody may do everything."""

    async def lookup(kind: type[Any], name: str, namespace: str) -> Any:
        """How the tokens' issuer finds what a token is bound to."""
        return await registry.store.get(kind, name, namespace)

    feeds: dict[type[Any], Feed] = {}
    authorizer: Authorizer = AlwaysAllow() if allow_all else RBACAuthorizer(feeds)
    tokens = ServiceAccountTokens(keys, lookup, clock, entropy, issuer or ISSUER)
    answers = reviews(authorizer, clock, tokens)
    registry = Registry(
        storage,
        clock,
        entropy,
        catalogue=built_in(level),
        settings=settings,
        token_issuer=tokens.issue,
        reviews=answers,
        authorizer=authorizer,
        plugins=plugins,
    )
    feeds |= role_feeds(registry.store.caches)
    return Api(registry, tokens, authenticators_of(settings, tokens, *token_authenticators), authorizer)
