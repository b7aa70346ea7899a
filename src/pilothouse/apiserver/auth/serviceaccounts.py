"""Who a ServiceAccount's token stands for: its signature, its time, its audiences, and whether everything that it is bound to is there.

- Tokens of every given issuer are taken, signed with any of the keys; legacytokens.py has the tokens of Secrets without an end.
- Verified signatures are remembered (bounded); what a token is bound to is looked at each time.

Upstream: pkg/serviceaccount, jwt.go and claims.go.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from pilothouse.api.types.core_v1 import Node, Pod, Secret, ServiceAccount
from pilothouse.apiserver.auth.credentials import Authenticated, BadToken
from pilothouse.apiserver.auth.keys import ServiceAccountKeys
from pilothouse.apiserver.auth.oidc.claims import untrusted_issuer
from pilothouse.apiserver.auth.user import CREDENTIAL_ID, SERVICE_ACCOUNT_PREFIX, User, service_account_groups
from pilothouse.kit.clock import Clock
from pilothouse.machinery import errors, time
from pilothouse.machinery.quoting import aggregate, go_quoted

ISSUER = "https://kubernetes.default.svc.cluster.local"
LEEWAY_SECONDS = 60
"""By how much clocks may differ, and how long a token outlives the deletionTimestamp of what it is bound to."""
TOKENS_REMEMBERED = 4096
PRIVATE = "kubernetes.io"
EXTRA = "authentication.kubernetes.io/"
INVALIDATED = "service account token has been invalidated"
UNVERIFIED = "go-jose/go-jose: error in cryptographic primitive"

USES = {
    "legacy_tokens": "Cumulative legacy service account tokens used",
    "stale_tokens": "Cumulative stale projected service account tokens used",
    "legacy_manual_token_uses": "Cumulative manually created legacy tokens used",
    "legacy_auto_token_uses": "Cumulative auto-generated legacy tokens used",
    "invalid_legacy_auto_token_uses": "Cumulative invalid auto-generated legacy tokens used",
    "valid_tokens": "Cumulative valid projected service account tokens used",
}
Lookup = Callable[[type[Any], str, str], Awaitable[Any]]
"""(kind, name, namespace) -> the newest object, or None."""
Claims = dict[str, Any]


@dataclass(slots=True, eq=False)
class TokenUses:
    """How often tokens were used, by upstream's names of what is counted; a collector of prometheus-client."""

    counts: dict[str, int] = field(default_factory=dict)

    def count(self, name: str) -> None:
        """Count one use of a token of this kind."""
        self.counts[name] = self.counts.get(name, 0) + 1

    def collect(self) -> Iterator[Any]:
        """The families of prometheus-client."""
        from prometheus_client.core import CounterMetricFamily

        for name, text in USES.items():
            family = CounterMetricFamily(f"serviceaccount_{name}_total", text)
            family.add_metric((), self.counts.get(name, 0))
            yield family


@dataclass(slots=True)
class ServiceAccountAuthenticator:
    """Verifies the tokens of `issuers`. `audiences` are those of this API server."""

    keys: ServiceAccountKeys
    lookup: Lookup
    clock: Clock
    issuers: tuple[str, ...] = (ISSUER,)
    audiences: tuple[str, ...] = (ISSUER,)
    uses: TokenUses = field(default_factory=TokenUses)
    _verified: dict[str, Claims] = field(default_factory=dict)

    async def authenticate_token(self, token: str, audiences: Sequence[str] = ()) -> Authenticated | None:
        """The user, and which of `audiences` (this API server's, unless given) the token is for; None for a token of another issuer."""
        if untrusted_issuer(token) not in self.issuers:
            return None
        claims = self._verified.get(token)
        if claims is None:
            claims = verified(token, self.keys)
            if claims is None:
                return None
            self._remember(token, claims)
        if PRIVATE not in claims:
            raise BadToken(str(errors.not_found("serviceaccounts", "", "")))
        common = common_audiences(claims, self.audiences, audiences or self.audiences)
        check_times(claims, self.clock.now().timestamp())
        private = claims[PRIVATE]
        await self._check_bound(private)
        return Authenticated(user_of(claims), common, annotations=self._noted(claims))

    def _remember(self, token: str, claims: Claims) -> None:
        if len(self._verified) >= TOKENS_REMEMBERED:
            self._verified.clear()
        self._verified[token] = claims

    def _noted(self, claims: Claims) -> tuple[tuple[str, str], ...]:
        """Count tokens whose time was extended; of those that their owner has not renewed, which are stale, the audit log is told."""
        after, now = claims[PRIVATE].get("warnafter"), self.clock.now().timestamp()
        if not is_number(after) or not after:
            return ()
        self.uses.count("stale_tokens" if now > after else "valid_tokens")
        late = math.floor(now) - math.floor(after)
        told = f"subject: {claims['sub']}, seconds after warning threshold: {late}"
        return (("authentication.k8s.io/stale-token", told),) if now > after else ()

    async def _check_bound(self, private: Claims) -> None:
        """Check that everything that the token is bound to is there, and the same as then. BadToken otherwise."""
        namespace, reference = private["namespace"], private["serviceaccount"]
        account = await self.lookup(ServiceAccount, reference.get("name", ""), namespace)
        if account is None:
            raise BadToken(str(errors.not_found("serviceaccounts", "", reference.get("name", ""))))
        if account.metadata.uid != reference.get("uid", ""):
            raise BadToken(f"service account UID ({account.metadata.uid}) does not match claim ({reference.get('uid', '')})")
        if self._is_gone(account):
            raise BadToken(f"service account {namespace}/{reference.get('name', '')} has been deleted")
        for claim, kind in (("secret", Secret), ("pod", Pod)):
            if claim in private:
                await self._check_object(kind, private[claim], namespace, claim)
        if "node" in private and "pod" not in private:
            await self._check_object(Node, private["node"], "", "node")

    async def _check_object(self, kind: type[Any], reference: Claims, namespace: str, claim: str) -> None:
        obj = await self.lookup(kind, reference.get("name", ""), namespace)
        if obj is None:
            raise BadToken(INVALIDATED)
        if obj.metadata.uid != reference.get("uid", ""):
            said = f"does not match service account {claim} ref claim ({reference.get('uid', '')})"
            raise BadToken(f"{claim} UID ({obj.metadata.uid}) {said}")
        if self._is_gone(obj):
            raise BadToken(INVALIDATED)

    def _is_gone(self, obj: Any) -> bool:
        deleted = obj.metadata.deletionTimestamp
        return bool(deleted) and time.parse(deleted) + timedelta(seconds=LEEWAY_SECONDS) < self.clock.now()


def verified(token: str, keys: ServiceAccountKeys) -> Claims | None:
    """The claims of a token that one of the keys has signed; None for what is no JWT of well-formed claims. BadToken for a signature
    of nobody."""
    import jwt

    try:
        key_id = jwt.get_unverified_header(token).get("kid") or ""
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
        return None
    candidates = [keys.public[key_id]] if key_id in keys.public else [] if key_id else list(keys.public.values())
    if not candidates:
        raise BadToken("invalid signature, no keys found")
    unchecked: Any = {f"verify_{name}": False for name in ("aud", "exp", "nbf", "iat", "sub", "jti", "iss")}
    problems = []
    for key in candidates:
        try:
            claims = jwt.decode(token, key.public, [key.algorithm], options=unchecked)
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            problems.append(UNVERIFIED)
            continue
        return claims if are_well_formed(claims) else None
    raise BadToken(aggregate(problems))


def common_audiences(claims: Claims, implicit: Sequence[str], wanted: Sequence[str]) -> tuple[str, ...]:
    """Those of `wanted` that a token is for; one that names none is for this API server. BadToken without any."""
    given = claims["aud"] or implicit
    common = tuple(audience for audience in given if audience in wanted)
    if not common and implicit:
        raise BadToken(f"token audiences {_listed(given)} is invalid for the target audiences {_listed(wanted)}")
    return common


def _listed(texts: Sequence[str]) -> str:
    return f"[{' '.join(map(go_quoted, texts))}]"


def check_times(claims: Claims, now: float) -> None:
    """Check that a token is valid at `now`, give or take a minute. BadToken otherwise."""
    if claims.get("nbf") is not None and now + LEEWAY_SECONDS < claims["nbf"]:
        raise BadToken("service account token is not valid yet")
    if claims.get("exp") is not None and now - LEEWAY_SECONDS > claims["exp"]:
        raise BadToken("service account token has expired")
    if claims.get("iat") is not None and now + LEEWAY_SECONDS < claims["iat"]:
        raise BadToken("service account token is issued in the future")


def are_well_formed(claims: Any) -> bool:
    """Whether claims have the types that verification builds on. A string is an audience too: they are made a list of."""
    if not isinstance(claims, dict) or not all(claims.get(name) is None or is_number(claims[name]) for name in ("exp", "nbf", "iat")):
        return False
    audiences = claims.get("aud")
    audiences = [audiences] if isinstance(audiences, str) else [] if audiences is None else audiences
    if not isinstance(audiences, list) or not all(isinstance(each, str) for each in audiences):
        return False
    claims["aud"] = audiences
    if PRIVATE not in claims:  # those of a Secret, which legacytokens.py looks into
        return isinstance(claims.get("sub", ""), str)
    private = claims[PRIVATE]
    if not isinstance(private, dict) or not isinstance(private.get("namespace"), str) or not _is_reference(private.get("serviceaccount")):
        return False
    bound = (private[name] for name in ("pod", "secret", "node") if name in private)
    return isinstance(claims.get("jti", ""), str) and all(map(_is_reference, bound)) and claims.get("sub") == _subject(private)


def is_number(value: Any) -> bool:
    """Whether a claim is a number that a time can be."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_reference(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(value.get(name, ""), str) for name in ("name", "uid"))


def _subject(private: Claims) -> str:
    return f"{SERVICE_ACCOUNT_PREFIX}{private['namespace']}:{private['serviceaccount'].get('name', '')}"


def user_of(claims: Claims) -> User:
    """The user that verified claims speak of, with upstream's extra keys."""
    private = claims[PRIVATE]
    extra = {CREDENTIAL_ID: (f"JTI={claims['jti']}",)} if claims.get("jti") else {}
    for claim in ("pod", "node"):
        if claim in private:
            extra[f"{EXTRA}{claim}-name"] = (private[claim]["name"],)
            if private[claim].get("uid"):
                extra[f"{EXTRA}{claim}-uid"] = (private[claim]["uid"],)
    return User(claims["sub"], private["serviceaccount"].get("uid", ""), service_account_groups(private["namespace"]), extra)
