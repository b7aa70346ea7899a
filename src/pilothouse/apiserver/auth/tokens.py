"""ServiceAccount tokens: issued on TokenRequest, verified as bearer tokens.

- A token is a JWT with upstream's claims, bound to its ServiceAccount and, when asked for, to a Pod, Secret or Node: it is
  worth nothing once one of them is gone or has been made anew under its name.
- The kubelet's tokens for pods (3607 seconds) last a year and are to be renewed long before: upstream's extended expiration.
- Verified signatures are remembered (bounded); the bound objects are looked at each time.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from pilothouse.api.types.authentication_v1 import BoundObjectReference, TokenRequest
from pilothouse.api.types.core_v1 import Node, Pod, Secret, ServiceAccount
from pilothouse.apiserver.auth.keys import ALGORITHM, ServiceAccountKeys
from pilothouse.apiserver.auth.user import CREDENTIAL_ID, SERVICE_ACCOUNT_PREFIX, User, service_account_groups
from pilothouse.kit.clock import Clock
from pilothouse.kit.entropy import Entropy
from pilothouse.machinery import errors, time
from pilothouse.machinery.problems import Problems

ISSUER = "https://kubernetes.default.svc.cluster.local"
DEFAULT_SECONDS = 3600
MINIMUM_SECONDS = 600
MAXIMUM_SECONDS = 1 << 32
KUBELET_SECONDS = 3607
"""What the kubelet asks for pods; the odd number tells its requests apart (upstream's WarnOnlyBoundTokenExpirationPeriod)."""
EXTENDED_SECONDS = 365 * 24 * 3600
DELETED_LEEWAY_SECONDS = 60
"""How long a token outlives the deletionTimestamp of what it is bound to."""
TOKENS_REMEMBERED = 4096
PRIVATE = "kubernetes.io"
BOUND_KINDS: dict[tuple[str, str], tuple[type[Any], str]] = {
    ("v1", "Pod"): (Pod, "pods"),
    ("v1", "Secret"): (Secret, "secrets"),
    ("v1", "Node"): (Node, "nodes"),
}
RECREATED = "The object might have been deleted and then recreated"
EXTRA = "authentication.kubernetes.io/"

Lookup = Callable[[type[Any], str, str], Awaitable[Any]]
"""(kind, name, namespace) -> the newest object, or None."""
Claims = dict[str, Any]


@dataclass(slots=True)
class ServiceAccountTokens:
    """Issues and verifies. `audiences` are those of this API server; empty means the issuer."""

    keys: ServiceAccountKeys
    lookup: Lookup
    clock: Clock
    entropy: Entropy
    issuer: str = ISSUER
    audiences: tuple[str, ...] = ()
    _verified: dict[str, Claims] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.audiences = self.audiences or (self.issuer,)

    # Issuing.

    async def issue(self, account: ServiceAccount, request: TokenRequest, user: User) -> TokenRequest:
        """The request with its token; StatusError for a request that is not valid, or bound to what is not there."""
        spec = request.spec
        seconds = DEFAULT_SECONDS if spec.expirationSeconds is None else spec.expirationSeconds
        check_seconds(seconds)
        audiences = list(spec.audiences or ()) or list(self.audiences)
        bound = await self._bound(account, spec.boundObjectRef)
        lasting, warn_after = seconds, 0
        if spec.boundObjectRef and seconds == KUBELET_SECONDS and tuple(audiences) == self.audiences:
            lasting, warn_after = EXTENDED_SECONDS, seconds
        claims = self._claims(account, audiences, lasting, warn_after, bound)
        spec.audiences, spec.expirationSeconds = audiences, seconds
        request.status.token = self._sign(claims)
        request.status.expirationTimestamp = time.text(self.clock.now() + timedelta(seconds=seconds))
        request.metadata.name, request.metadata.namespace = account.metadata.name, account.metadata.namespace
        request.metadata.creationTimestamp = time.now_text(self.clock)
        return request

    async def _bound(self, account: ServiceAccount, reference: BoundObjectReference | None) -> Claims:
        """The claims about the object that the token is bound to."""
        if reference is None:
            return {}
        bound_kind = BOUND_KINDS.get((reference.apiVersion, reference.kind))
        if bound_kind is None:
            gvk = f"{reference.apiVersion}, Kind={reference.kind}"
            raise errors.bad_request(f"cannot bind token to object of type {gvk}")
        kind, plural = bound_kind
        obj = await self.lookup(kind, reference.name, "" if kind is Node else account.metadata.namespace)
        if obj is None:
            raise errors.not_found(plural, "", reference.name)
        if reference.uid and reference.uid != obj.metadata.uid:
            cause = f"the UID in the bound object reference ({reference.uid}) does not match the UID in record. {RECREATED}"
            raise errors.conflict(plural, "", reference.name, cause)
        if kind is Pod and obj.spec.serviceAccountName != account.metadata.name:
            text = f'cannot bind token for serviceaccount "{account.metadata.name}" to pod running with different serviceaccount name.'
            raise errors.bad_request(text)
        claims = {reference.kind.lower(): {"name": obj.metadata.name, "uid": obj.metadata.uid}}
        if kind is Pod and obj.spec.nodeName and (node := await self.lookup(Node, obj.spec.nodeName, "")) is not None:
            claims["node"] = {"name": node.metadata.name, "uid": node.metadata.uid}
        return claims

    def _claims(self, account: ServiceAccount, audiences: list[str], seconds: int, warn_after: int, bound: Claims) -> Claims:
        now = int(self.clock.now().timestamp())
        meta = account.metadata
        private = {"namespace": meta.namespace, **bound, "serviceaccount": {"name": meta.name, "uid": meta.uid}}
        if warn_after:
            private["warnafter"] = now + warn_after
        return {
            "aud": audiences,
            "exp": now + seconds,
            "iat": now,
            "iss": self.issuer,
            "jti": self.entropy.uid(),
            PRIVATE: private,
            "nbf": now,
            "sub": f"{SERVICE_ACCOUNT_PREFIX}{meta.namespace}:{meta.name}",
        }

    def _sign(self, claims: Claims) -> str:
        import jwt

        return jwt.encode(claims, self.keys.private, ALGORITHM, headers={"kid": self.keys.id, "typ": None})

    # Verifying.

    async def authenticate_token(self, token: str) -> User | None:
        """The ServiceAccount of a token for this API server; None when it is no valid one."""
        verified = await self.verify(token, self.audiences)
        return verified[0] if verified else None

    async def verify(self, token: str, audiences: Sequence[str]) -> tuple[User, list[str]] | None:
        """The user, and which of `audiences` the token is for; None when it is not valid or for none of them."""
        claims = self._verified.get(token) or self._check_signature(token)
        if claims is None:
            return None
        common = [audience for audience in audiences if audience in claims["aud"]]
        now = self.clock.now().timestamp()
        if not common or not claims["nbf"] <= now < claims["exp"] or not await self._is_bound_still(claims[PRIVATE]):
            return None
        return user_of(claims), common

    def _check_signature(self, token: str) -> Claims | None:
        import jwt

        try:
            key = self.keys.public.get(str(jwt.get_unverified_header(token).get("kid", "")))
            if key is None:
                return None
            unchecked = {"verify_aud": False, "verify_exp": False, "verify_nbf": False, "verify_iat": False}
            options: Any = {**unchecked, "require": ["exp", "nbf", "sub"]}
            claims: Claims = jwt.decode(token, key, [ALGORITHM], issuer=self.issuer, options=options)
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            return None
        if not are_well_formed(claims):
            return None
        if len(self._verified) >= TOKENS_REMEMBERED:
            self._verified.clear()
        self._verified[token] = claims
        return claims

    async def _is_bound_still(self, private: Claims) -> bool:
        """Whether everything that the token is bound to is there, and the same as then."""
        namespace = private["namespace"]
        for claim, kind in (("serviceaccount", ServiceAccount), ("pod", Pod), ("secret", Secret)):
            if claim in private and not self._is_same(await self.lookup(kind, private[claim]["name"], namespace), private[claim]["uid"]):
                return False
        if "node" in private and "pod" not in private:
            return self._is_same(await self.lookup(Node, private["node"]["name"], ""), private["node"]["uid"])
        return True

    def _is_same(self, obj: Any, uid: str) -> bool:
        if obj is None or obj.metadata.uid != uid:
            return False
        deleted = obj.metadata.deletionTimestamp
        return not deleted or time.parse(deleted) + timedelta(seconds=DELETED_LEEWAY_SECONDS) > self.clock.now()


def are_well_formed(claims: Any) -> bool:
    """Whether claims have the types that verification builds on. A string is an audience too: they are made a list of."""
    if not isinstance(claims, dict) or not all(_is_number(claims.get(name)) for name in ("exp", "nbf")):
        return False
    audiences = [claims.get("aud")] if isinstance(claims.get("aud"), str) else claims.get("aud")
    if not isinstance(audiences, list) or not all(isinstance(each, str) for each in audiences):
        return False
    claims["aud"] = audiences
    private = claims.get(PRIVATE)
    if not isinstance(private, dict) or not isinstance(private.get("namespace"), str) or not _is_reference(private.get("serviceaccount")):
        return False
    bound = (private[name] for name in ("pod", "secret", "node") if name in private)
    return isinstance(claims.get("jti", ""), str) and all(map(_is_reference, bound)) and claims.get("sub") == _subject(private)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_reference(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(value.get(name), str) for name in ("name", "uid"))


def _subject(private: Claims) -> str:
    return f"{SERVICE_ACCOUNT_PREFIX}{private['namespace']}:{private['serviceaccount']['name']}"


def check_seconds(seconds: int) -> None:
    """Check `expirationSeconds` of a TokenRequest: 10 minutes to 2^32 seconds. Raises a 422."""
    problems = Problems().at("spec", "expirationSeconds")
    if seconds < MINIMUM_SECONDS:
        problems.invalid(seconds, "may not specify a duration less than 10 minutes")
    if seconds > MAXIMUM_SECONDS:
        problems.invalid(seconds, "may not specify a duration larger than 2^32 seconds")
    if problems:
        raise errors.invalid("TokenRequest", "authentication.k8s.io", "", problems.found)


def user_of(claims: Claims) -> User:
    """The user that verified claims speak of, with upstream's extra keys."""
    private = claims[PRIVATE]
    extra = {CREDENTIAL_ID: (f"JTI={claims['jti']}",)} if claims.get("jti") else {}
    for claim in ("pod", "node"):
        if claim in private:
            extra[f"{EXTRA}{claim}-name"] = (private[claim]["name"],)
            extra[f"{EXTRA}{claim}-uid"] = (private[claim]["uid"],)
    return User(claims["sub"], private["serviceaccount"]["uid"], service_account_groups(private["namespace"]), extra)
