"""All issuers of an AuthenticationConfiguration, exchanged as a whole when the file changes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

from pilothouse.apiserver.auth.configuration.apiserver_v1 import AnonymousAuthConfig, AuthenticationConfiguration, Issuer
from pilothouse.apiserver.auth.configuration.loading import load
from pilothouse.apiserver.auth.configuration.reloading import NotNow
from pilothouse.apiserver.auth.credentials import Authenticated, Fetch
from pilothouse.apiserver.auth.oidc.issuer import RETRY_SECONDS, IssuerAuthenticator
from pilothouse.apiserver.auth.oidc.keys import ALGORITHMS
from pilothouse.apiserver.auth.oidc.validation import validate, validate_issuer
from pilothouse.kit.clock import Clock, wait_for
from pilothouse.machinery.digests import digest_of
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.quoting import aggregate, go_quoted

UPDATE_SECONDS = 60.0
"""How long the issuers of a changed file may take to answer for the first time."""


class Issuers:
    """Made of a configuration: ValueError in upstream's words for one that is not valid. `run` it.

    `disallowed` are the issuers of ServiceAccounts' tokens; `algorithms` those that tokens may be signed with.
    """

    def __init__(
        self,
        configuration: AuthenticationConfiguration,
        disallowed: Sequence[str],
        fetch: Fetch,
        clock: Clock,
        *,
        algorithms: Sequence[str] = ALGORITHMS,
        server_id: str = "",
    ) -> None:
        self._disallowed, self._fetch, self._clock, self._algorithms = tuple(disallowed), fetch, clock, tuple(algorithms)
        self._server = digest_of(server_id)
        self._fetches: dict[tuple[str, str], float] = {}
        self._key_sets: dict[str, str] = {}
        self.anonymous: AnonymousAuthConfig | None = configuration.anonymous
        """What the file said of anonymous requests at the start: only a restart changes it."""
        self._authenticators = self._made(configuration)
        self._changed = asyncio.Event()

    async def authenticate_token(self, token: str, audiences: Sequence[str]) -> Authenticated | None:
        """The user of a token of one of the issuers; BadToken by the issuer that a token names."""
        for authenticator in self._authenticators:
            if (known := await authenticator.authenticate_token(token, audiences)) is not None:
                return known
        return None

    async def run(self) -> None:
        """Ask every issuer for its keys until it has told them, those of a changed file too."""
        while True:
            self._changed.clear()
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(each.run(), name=each.url) for each in self._authenticators if each.problem]
                await self._changed.wait()
                for task in tasks:
                    task.cancel()

    async def apply(self, data: bytes) -> None:
        """Have a changed file take effect: ValueError when it is not valid, NotNow when an issuer of it does not answer."""
        configuration = parsed(data)
        made = self._made(configuration, changed=True)
        try:
            await wait_for(self._clock, _ready(made, self._clock), UPDATE_SECONDS)
        except TimeoutError as error:
            texts = [
                f"oidc: authenticator for issuer {go_quoted(each.url)} is not healthy: {each.problem}" for each in made if each.problem
            ]
            raise NotNow(aggregate(texts)) from error
        left = {each.url for each in self._authenticators} - {each.url for each in made}
        self._authenticators = made
        for issuer in left:
            self._forget(issuer)
        self._changed.set()

    def _made(self, configuration: AuthenticationConfiguration, *, changed: bool = False) -> tuple[IssuerAuthenticator, ...]:
        problems = Problems()
        programs = validate(configuration, self._disallowed if changed else (), problems)
        if changed and configuration.anonymous != self.anonymous:
            problems.at("anonymous").forbidden("changed from initial configuration file")
        if problems:
            raise ValueError(f"invalid authentication configuration: {aggregate(map(str, problems.found))}")
        for authenticator in configuration.jwt:
            self._check_issuer(authenticator.issuer)
            if kind := authenticator.issuer.egressSelectorType:
                raise ValueError(f"oidc: egress lookup required with egress selector type {go_quoted(kind)}")
        return tuple(
            IssuerAuthenticator(each, compiled, self._fetch, self._clock, self._algorithms, self._told)
            for each, compiled in zip(configuration.jwt, programs, strict=True)
        )

    def _check_issuer(self, issuer: Issuer) -> None:
        """Upstream looks at the issuers of ServiceAccounts' tokens when it makes the authenticator, which does not know its place."""
        problems = Problems()
        validate_issuer(issuer, self._disallowed, problems.at("issuer"))
        if problems:
            raise ValueError(aggregate(map(str, problems.found)))

    def _told(self, issuer: str, body: bytes | None) -> None:
        """Count a fetch of keys."""
        self._fetches["failure" if body is None else "success", digest_of(issuer)] = self._clock.now().timestamp()
        if body is not None:
            self._key_sets[digest_of(issuer)] = digest_of(body)

    def _forget(self, issuer: str) -> None:
        for result in ("failure", "success"):
            self._fetches.pop((result, digest_of(issuer)), None)
        self._key_sets.pop(digest_of(issuer), None)

    def collect(self) -> Iterator[Any]:
        """The families of prometheus-client."""
        from prometheus_client.core import GaugeMetricFamily

        prefix = "apiserver_authentication_jwt_authenticator_jwks_fetch_last"
        text = (
            "Timestamp of the last successful or failed JWKS fetch split by result, api server identity and jwt issuer for the JWT "
            "authenticator."
        )
        last = GaugeMetricFamily(f"{prefix}_timestamp_seconds", text, labels=("result", "jwt_issuer_hash", "apiserver_id_hash"))
        for (result, issuer), moment in self._fetches.items():
            last.add_metric((result, issuer, self._server), moment)
        text = (
            "Information about the last JWKS fetched by the JWT authenticator with hash as label, split by api server identity "
            "and jwt issuer."
        )
        info = GaugeMetricFamily(f"{prefix}_key_set_info", text, labels=("jwt_issuer_hash", "apiserver_id_hash", "hash"))
        for issuer, name in self._key_sets.items():
            info.add_metric((issuer, self._server, name), 1)
        yield from (last, info)


async def _ready(authenticators: Sequence[IssuerAuthenticator], clock: Clock) -> None:
    """Return when every issuer has told where its keys are."""
    while not all([await each.initialize() for each in authenticators if each.problem]):
        await clock.sleep(RETRY_SECONDS)


def parsed(data: bytes) -> AuthenticationConfiguration:
    """The configuration in a file; ValueError in upstream's words."""
    if not data:
        raise ValueError("empty config data")
    return load(data, AuthenticationConfiguration)
