"""One issuer of JWTs: found by discovery, its tokens verified, its users mapped.

- An issuer that does not answer is asked again every RETRY_SECONDS; until then its tokens are not valid ("authenticator not initialized").
- A token of another issuer is none of this one's business: nothing is said of it.

Upstream: apiserver/plugin/pkg/authenticator/token/oidc, coreos/go-oidc.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson

from pilothouse.apiserver.auth.configuration.apiserver_v1 import JWTAuthenticator
from pilothouse.apiserver.auth.credentials import Authenticated, BadToken, Fetch, FetchFailed
from pilothouse.apiserver.auth.oidc import distributed
from pilothouse.apiserver.auth.oidc.claims import GOOGLE, GOOGLE_WITHOUT_SCHEME, check_types, json_object, texts, untrusted_issuer
from pilothouse.apiserver.auth.oidc.keys import ALGORITHMS, RemoteKeys
from pilothouse.apiserver.auth.oidc.mapping import Mapper
from pilothouse.apiserver.auth.oidc.validation import Programs
from pilothouse.kit.clock import Clock
from pilothouse.machinery.quoting import go_quoted

log = logging.getLogger(__name__)

RETRY_SECONDS = 10.0
LATEST_SECONDS = 1e11
NOT_BEFORE_LEEWAY_SECONDS = 60.0
WELL_KNOWN = "/.well-known/openid-configuration"
Told = Callable[[str, "bytes | None"], None]
"""Told of each fetch of keys: the issuer, and the keys as they came or None."""


def nobody(issuer: str, body: bytes | None) -> None:
    """Nobody wants to know of fetches."""


@dataclass(slots=True)
class IssuerAuthenticator:
    """Authenticator of the tokens of one issuer; `run` it. `algorithms` are those that tokens may be signed with."""

    configuration: JWTAuthenticator
    programs: Programs
    fetch: Fetch
    clock: Clock
    algorithms: Sequence[str] = ALGORITHMS
    told: Told = nobody
    problem: str = "not initialized"
    """Why its tokens cannot be verified yet; "" when they can."""
    _keys: RemoteKeys | None = None
    _others: dict[str, RemoteKeys] = field(default_factory=dict)
    """Keys of issuers of distributed claims."""

    @property
    def url(self) -> str:
        """The issuer's name, as its tokens bear it."""
        return self.configuration.issuer.url

    async def run(self) -> None:
        """Ask the issuer until it has told where its keys are."""
        while not await self.initialize():
            await self.clock.sleep(RETRY_SECONDS)

    async def initialize(self) -> bool:
        """Ask the issuer where its keys are; whether it has told."""
        issuer = self.configuration.issuer
        try:
            keys = await self._discover(issuer.url, issuer.discoveryURL or "")
        except (FetchFailed, ValueError) as error:
            self.problem = str(error)
            log.error("oidc authenticator: initializing plugin", extra={"issuer": issuer.url, "error": str(error)})
            return False
        self._keys, self.problem = keys, ""
        return True

    async def _discover(self, issuer: str, url: str = "") -> RemoteKeys:
        """The keys of an issuer by its discovery document. ValueError in go-oidc's words."""
        authorities = self.configuration.issuer.certificateAuthority
        answer = await self.fetch(url or issuer.removesuffix("/") + WELL_KNOWN, authorities, "")
        if not answer.status.startswith("200 "):
            raise ValueError(f"{answer.status}: {answer.body.decode(errors='replace')}")
        try:
            document = orjson.loads(answer.body)
        except ValueError as error:
            raise ValueError(f"oidc: failed to decode provider discovery object: {error}") from error
        named = document.get("issuer", "") if isinstance(document, dict) else ""
        if named != issuer:
            said = f"expected {go_quoted(issuer)} got {go_quoted(str(named))}"
            raise ValueError(f"oidc: issuer did not match the issuer returned by provider, {said}")
        keys_url = document.get("jwks_uri")
        if not keys_url or not isinstance(keys_url, str):
            raise ValueError("provider did not return JWKS URL")
        return RemoteKeys(keys_url, authorities, self.fetch, self.clock, lambda body: self.told(issuer, body))

    async def authenticate_token(self, token: str, audiences: Sequence[str]) -> Authenticated | None:
        """The user of a token of this issuer, for all `audiences`: what it must be for stands in its configuration."""
        if untrusted_issuer(token) != self.url:
            return None
        if self._keys is None:
            raise BadToken("oidc: authenticator not initialized")
        try:
            claims = await self._verified(token, self.url, self._keys)
        except ValueError as error:
            raise BadToken(f"oidc: verify token: {error}") from error
        try:
            claims = await self._expanded(claims)
        except (ValueError, FetchFailed) as error:
            raise BadToken(f"oidc: could not expand distributed claims: {error}") from error
        return Authenticated(Mapper(self.configuration, self.programs).user(claims), tuple(audiences))

    async def _verified(self, token: str, issuer: str, keys: RemoteKeys) -> dict[str, Any]:
        """The claims of a token that `issuer` has signed for one of the audiences, and that is valid now. ValueError otherwise."""
        header = json_object(token.partition(".")[0])
        if header is None:
            raise ValueError("oidc: malformed jwt: header is no JSON object")
        algorithm = str(header.get("alg"))
        if algorithm not in self.algorithms:
            said = f"expected [{' '.join(map(go_quoted, self.algorithms))}] got {go_quoted(algorithm)}"
            raise ValueError(f"oidc: id token signed with unsupported algorithm, {said}")
        try:
            await keys.verify(token, str(header.get("kid") or ""), algorithm)
        except ValueError as error:
            raise ValueError(f"failed to verify signature: {error}") from error
        claims = json_object(token.split(".")[1])
        if claims is None:
            raise ValueError("oidc: failed to unmarshal claims: no JSON object")
        check_types(claims)
        distributed.check_sources(claims)
        self._check(claims, issuer)
        return claims

    def _check(self, claims: dict[str, Any], issuer: str) -> None:
        named = claims.get("iss", "")
        if named != issuer and not (issuer == GOOGLE and named == GOOGLE_WITHOUT_SCHEME):
            said = f"expected {go_quoted(issuer)} got {go_quoted(str(named))}"
            raise ValueError(f"oidc: id token issued by a different provider, {said}")
        wanted = self.configuration.issuer.audiences
        given = texts(claims, "aud")
        if not set(wanted) & set(given):
            shown = go_quoted(wanted[0]) if len(wanted) == 1 else f"[{' '.join(map(go_quoted, sorted(wanted)))}]"
            raise ValueError(f"oidc: expected audience {shown} got [{' '.join(map(go_quoted, given))}]")
        now = self.clock.now().timestamp()
        expiry, begin = _seconds(claims, "exp") or 0.0, _seconds(claims, "nbf")
        if expiry < now:
            raise ValueError(f"oidc: token is expired (Token Expiry: {_shown(expiry)})")
        if begin is not None and now + NOT_BEFORE_LEEWAY_SECONDS < begin:
            raise ValueError(f"oidc: current time {_shown(now)} before the nbf (not before) time: {_shown(begin)}")

    async def _expanded(self, claims: dict[str, Any]) -> dict[str, Any]:
        """The claims with that of the groups, where another endpoint tells it."""
        claim = self.configuration.claimMappings.groups.claim
        source = distributed.source_of(claims, claim) if claim else None
        if source is None:
            return claims
        token = await distributed.token_of(source, self.fetch, self.configuration.issuer.certificateAuthority, claim)
        issuer = untrusted_issuer(token)
        if issuer is None:
            raise ValueError(f"getting untrusted issuer from endpoint {source.url} failed for claim {go_quoted(claim)}: malformed token")
        if issuer not in self._others:
            if len(self._others) >= distributed.MOST_ISSUERS:
                self._others.clear()
            self._others[issuer] = await self._discover(issuer)
        try:
            told = await self._verified(token, issuer, self._others[issuer])
        except ValueError as error:
            raise ValueError(f"verify distributed claim token: {error}") from error
        if claim not in told:
            raise ValueError(f"jwt returned by distributed claim endpoint {go_quoted(source.url)} did not contain claim: {claim}")
        return {**claims, claim: told[claim]}


def _seconds(claims: dict[str, Any], name: str) -> float | None:
    """A time as seconds since 1970; None without it. ValueError for what is no number."""
    value: float | None = claims.get(name)
    if value is None:
        return None
    if abs(value) > LATEST_SECONDS:
        raise ValueError(f"oidc: failed to unmarshal claims: {name} is no time")
    return math.trunc(value) + 0.0


def _shown(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} +0000 UTC"
