"""Registry, tokens and authorization, wired to one another: tokens are bound to objects that only the registry knows.

Both who runs a control plane as a process and who runs one in a test wire it here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pilothouse import API_LEVEL
from pilothouse.api import legacytokens
from pilothouse.api.catalogue import built_in
from pilothouse.api.types.core_v1 import Secret
from pilothouse.apiserver.admission.order import ORDER
from pilothouse.apiserver.admission.plugin import Plugin
from pilothouse.apiserver.auth.authenticator import EVERYBODY, AnonymousRequests, AudienceAgnostic, Authenticators
from pilothouse.apiserver.auth.authorizer import Authorizer
from pilothouse.apiserver.auth.bootstraptokens import BootstrapTokenAuthenticator
from pilothouse.apiserver.auth.credentials import TokenAuthenticator
from pilothouse.apiserver.auth.feed import Feeds
from pilothouse.apiserver.auth.keys import ServiceAccountKeys
from pilothouse.apiserver.auth.legacytokens import LegacyTokenAuthenticator, NoteUse
from pilothouse.apiserver.auth.legacytracking import LegacyTokenTracking
from pilothouse.apiserver.auth.modes import DEFAULT_MODES, NODE, authorizer_of
from pilothouse.apiserver.auth.node.graph import KINDS
from pilothouse.apiserver.auth.requestheader import RequestHeaderAuthenticator
from pilothouse.apiserver.auth.reviews import reviews
from pilothouse.apiserver.auth.serviceaccounts import ISSUER, Lookup, ServiceAccountAuthenticator, TokenUses
from pilothouse.apiserver.auth.tokens import ServiceAccountTokens
from pilothouse.apiserver.auth.user import APISERVER, SERVICE_ACCOUNT_PREFIX, User, service_account_groups
from pilothouse.apiserver.registry.registry import Registry
from pilothouse.apiserver.registry.roles import feeds_of, role_feeds
from pilothouse.apiserver.registry.settings import Settings
from pilothouse.apiserver.storage.interface import Storage
from pilothouse.client.client import Client
from pilothouse.kit.clock import Clock
from pilothouse.kit.component import Component
from pilothouse.kit.entropy import Entropy
from pilothouse.machinery.codec import encode

T = TypeVar("T")
SYSTEM = "kube-system"


@dataclass(frozen=True, slots=True)
class Api:
    """An API server with its authentication and authorization."""

    registry: Registry
    tokens: ServiceAccountTokens
    authenticators: Authenticators
    authorizer: Authorizer
    components: tuple[Component, ...] = ()
    """What must run beside the registry and the server."""
    collectors: tuple[Any, ...] = ()
    """What the server's /metrics show beside its own."""

    def client(self, user: str, *groups: str) -> Client:
        """A client in process that speaks as this user."""
        return Client(self.registry.transport(User(user, groups=("system:authenticated", *groups))))

    def controller_client(self, account: str) -> Client:
        """A client in process that speaks as a ServiceAccount of kube-system: what controllers are upstream."""
        return self.client(f"{SERVICE_ACCOUNT_PREFIX}{SYSTEM}:{account}", *service_account_groups(SYSTEM)[:-1])


class Reported:
    """A component that reports its health for `componentstatuses` while another one runs."""

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


@dataclass(frozen=True, slots=True)
class Authentication:
    """How requests are authenticated, beyond client certificates and front proxies. Bearer tokens are asked of `first`, of ServiceAccounts'
    tokens, and of `last`, as upstream: what costs a call of another server comes last."""

    issuers: tuple[str, ...] = (ISSUER,)
    """Of ServiceAccounts' tokens: the first is that of new ones, all are taken."""
    audiences: tuple[str, ...] = ()
    """Of this API server; empty for its issuers."""
    maximum_seconds: int = 0
    extends: bool = True
    keys_url: str = ""
    first: tuple[TokenAuthenticator, ...] = ()
    issuers_of_jwt: tuple[TokenAuthenticator, ...] = ()
    last: tuple[TokenAuthenticator, ...] = ()
    bootstrap_tokens: bool = False
    """Whether the tokens of Secrets that let nodes join are taken."""
    anonymous: AnonymousRequests = EVERYBODY
    components: tuple[Component, ...] = ()
    """What must run for it."""
    collectors: tuple[Any, ...] = ()
    """What it counts."""

    def tokens(self, keys: ServiceAccountKeys, lookup: Lookup, clock: Clock, entropy: Entropy) -> ServiceAccountTokens:
        """Issuer of ServiceAccount tokens."""
        extras = self.audiences or self.issuers, self.maximum_seconds, self.extends, self.keys_url
        return ServiceAccountTokens(keys, lookup, clock, entropy, self.issuers[0], *extras)

    def authenticators(
        self, keys: ServiceAccountKeys, lookup: Lookup, clock: Clock, settings: Settings, note_use: NoteUse, uses: TokenUses
    ) -> Authenticators:
        """Authenticators: front proxy if it has a CA, client certificates, tokens."""
        front_proxy = RequestHeaderAuthenticator(settings.front_proxy_ca, settings.request_headers) if settings.front_proxy_ca else None
        audiences = self.audiences or self.issuers
        legacy = LegacyTokenAuthenticator(keys, lookup, clock, note_use, audiences, uses)
        accounts = ServiceAccountAuthenticator(keys, lookup, clock, self.issuers, audiences, uses)
        bootstrap: tuple[TokenAuthenticator, ...] = (BootstrapTokenAuthenticator(lookup, clock),) if self.bootstrap_tokens else ()
        first = [AudienceAgnostic(each, audiences) for each in self.first]
        second = [AudienceAgnostic(each, audiences) for each in (*bootstrap, *self.issuers_of_jwt)]
        tokens: tuple[TokenAuthenticator, ...] = (*first, legacy, accounts, *second, *self.last)
        return Authenticators(tokens, front_proxy, settings.client_ca, audiences=audiences, anonymous=self.anonymous)


USUAL = Authentication()


def wire(
    storage: Storage,
    clock: Clock,
    entropy: Entropy,
    settings: Settings,
    keys: ServiceAccountKeys,
    level: str = API_LEVEL,
    *,
    plugins: Iterable[type[Plugin]] = ORDER,
    authentication: Authentication = USUAL,
    modes: Sequence[str] = DEFAULT_MODES,
) -> Api:
    """`level` is that of the API which is served: `1.35`. `modes` are those of authorization, in their order."""

    async def lookup(kind: type[Any], name: str, namespace: str) -> Any:
        """How the tokens' issuer finds what a token is bound to."""
        return await registry.store.get(kind, name, namespace)

    async def note_use(secret: Secret, day: str) -> None:
        """How the last use of a Secret's token is written down."""
        meta = secret.metadata
        patch = {"metadata": {"uid": meta.uid, "labels": {legacytokens.LAST_USED: day}}}
        await Client(registry.transport(APISERVER)).patch(Secret, meta.name, meta.namespace, encode(patch))

    of_roles: Feeds = {}
    of_nodes: Feeds = {}
    catalogue = built_in(level)
    authorizer = authorizer_of(modes, of_roles, of_nodes, level)
    followed = [kind for kind in KINDS if NODE in modes and catalogue.by_kind(*kind.GVK) is not None]
    tokens = authentication.tokens(keys, lookup, clock, entropy)
    uses = TokenUses()
    authenticators = authentication.authenticators(keys, lookup, clock, settings, note_use, uses)
    answers = reviews(authorizer, clock, authenticators)
    registry = Registry(
        storage,
        clock,
        entropy,
        catalogue=catalogue,
        settings=settings,
        token_issuer=tokens.issue,
        reviews=answers,
        authorizer=authorizer,
        plugins=plugins,
        loaded=followed,
    )
    of_roles |= role_feeds(registry.store.caches)
    of_nodes |= feeds_of(registry.store.caches, followed)
    tracking = LegacyTokenTracking(Client(registry.transport(APISERVER)), clock)
    components, collectors = (*authentication.components, tracking), (*authentication.collectors, uses)
    return Api(registry, tokens, authenticators, authorizer, components, collectors)
