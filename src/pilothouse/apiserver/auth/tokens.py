"""ServiceAccount tokens as TokenRequests ask for them; serviceaccounts.py verifies them.

- A token is a JWT with upstream's claims, bound to its ServiceAccount and, when asked for, to a Pod, Secret or Node: it is
  worth nothing once one of them is gone or has been made anew under its name.
- The kubelet's tokens for pods (3607 seconds) last a year and are to be renewed long before: upstream's extended expiration.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pilothouse.api.types.authentication_v1 import BoundObjectReference, TokenRequest
from pilothouse.api.types.core_v1 import Node, Pod, Secret, ServiceAccount
from pilothouse.apiserver.auth.keys import ServiceAccountKeys
from pilothouse.apiserver.auth.serviceaccounts import ISSUER, PRIVATE, Claims, Lookup
from pilothouse.apiserver.auth.user import SERVICE_ACCOUNT_PREFIX, User
from pilothouse.kit.clock import Clock
from pilothouse.kit.entropy import Entropy
from pilothouse.machinery import errors, names, time
from pilothouse.machinery.problems import Problems

DEFAULT_SECONDS = 3600
MINIMUM_SECONDS = 600
MAXIMUM_SECONDS = 1 << 32
KUBELET_SECONDS = 3607
"""What the kubelet asks for pods; the odd number tells its requests apart (upstream's WarnOnlyBoundTokenExpirationPeriod)."""
EXTENDED_SECONDS = 365 * 24 * 3600
BOUND_KINDS: dict[str, tuple[type[Any], str]] = {"Pod": (Pod, "pods"), "Secret": (Secret, "secrets"), "Node": (Node, "nodes")}
WEBHOOK_KINDS = ("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration")
ATTESTATION = "admissionReviewAPIGroups"
RECREATED = "The object might have been deleted and then recreated"


@dataclass(slots=True)
class ServiceAccountTokens:
    """Issues tokens. `audiences` are those of this API server; empty means the issuer. `maximum_seconds`: how long a token lasts at most,
    0 for as long as is asked; `extends`: whether the kubelet's tokens for pods last a year."""

    keys: ServiceAccountKeys
    lookup: Lookup
    clock: Clock
    entropy: Entropy
    issuer: str = ISSUER
    audiences: tuple[str, ...] = ()
    maximum_seconds: int = 0
    extends: bool = True
    keys_url: str = ""
    """Where others find the keys; "" for below the issuer's or this server's address."""

    def __post_init__(self) -> None:
        self.audiences = self.audiences or (self.issuer,)

    async def issue(self, account: ServiceAccount, request: TokenRequest, user: User) -> TokenRequest:
        """The request with its token; StatusError for a request that is not valid, or bound to what is not there."""
        spec = request.spec
        seconds = DEFAULT_SECONDS if spec.expirationSeconds is None else spec.expirationSeconds
        check(request, seconds)
        audiences = list(spec.audiences or ()) or list(self.audiences)
        bound = await self._bound(account, spec.boundObjectRef)
        if 0 < self.maximum_seconds < seconds:
            seconds = self.maximum_seconds
        lasting, warn_after = seconds, 0
        if self.extends and "pod" in bound and seconds == KUBELET_SECONDS and set(audiences) <= set(self.audiences):
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
        group, _, version = reference.apiVersion.rpartition("/")
        if _is_webhook(reference):
            gate = "feature gate APIServerWebhookAuthenticationToken is disabled"
            raise errors.bad_request(f"cannot bind token to object of type {group}/{version}, Kind={reference.kind} ({gate})")
        if group or reference.kind not in BOUND_KINDS:
            raise errors.bad_request(f"cannot bind token to object of type {group}/{version}, Kind={reference.kind}")
        if not reference.name:
            raise errors.bad_request("Name parameter required.")
        kind, plural = BOUND_KINDS[reference.kind]
        obj = await self.lookup(kind, reference.name, "" if kind is Node else account.metadata.namespace)
        if obj is None:
            raise errors.not_found(plural, "", reference.name)
        if kind is Pod and obj.spec.serviceAccountName != account.metadata.name:
            text = f'cannot bind token for serviceaccount "{account.metadata.name}" to pod running with different serviceaccount name.'
            raise errors.bad_request(text)
        if reference.uid and reference.uid != obj.metadata.uid:
            cause = f"the UID in the bound object reference ({reference.uid}) does not match the UID in record. {RECREATED}"
            raise errors.conflict(reference.kind, "", reference.name, cause)
        claims = {reference.kind.lower(): {"name": obj.metadata.name, "uid": obj.metadata.uid}}
        if kind is Pod and obj.spec.nodeName:
            node = await self.lookup(Node, obj.spec.nodeName, "")
            claims["node"] = {"name": obj.spec.nodeName, **({} if node is None else {"uid": node.metadata.uid})}
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

        return jwt.encode(claims, self.keys.private, self.keys.algorithm, headers={"kid": self.keys.id, "typ": None})


def check(request: TokenRequest, seconds: int) -> None:
    """Check a TokenRequest for `seconds`: 10 minutes to 2^32 seconds. Raises a 422."""
    problems = Problems("spec")
    at = problems.at("expirationSeconds")
    if seconds < MINIMUM_SECONDS:
        at.invalid(seconds, "may not specify a duration less than 10 minutes")
    if seconds > MAXIMUM_SECONDS:
        at.invalid(seconds, "may not specify a duration larger than 2^32 seconds")
    if _is_webhook(request.spec.boundObjectRef):
        _check_webhook(request, problems)
    elif request.spec.attestations:
        problems = Problems("spec")
        said = "attestations may only be specified with a webhook bound object reference"
        problems.at("attestations").invalid(request.spec.attestations, said)
    if problems:
        raise errors.invalid("TokenRequest", "authentication.k8s.io", "", problems.found)


def _is_webhook(reference: BoundObjectReference | None) -> bool:
    return reference is not None and reference.kind in WEBHOOK_KINDS and reference.apiVersion == "admissionregistration.k8s.io/v1"


def _check_webhook(request: TokenRequest, problems: Problems) -> None:
    """Check what a token for a webhook's configuration must say: whom it is for, and what it may be asked about."""
    spec, at = request.spec, problems.at("attestations")
    if spec.audiences and len(spec.audiences) != 1:
        problems.at("audiences").invalid(spec.audiences, "must be length 1 when bound to a webhook config")
    if len(spec.attestations) != 1:
        said = "webhook bound requests require exactly one admissionReviewAPIGroups attestation"
        at.invalid(spec.attestations or None, said)
        return
    for key, values in spec.attestations.items():
        here = at.at(f"[{key}]")
        if key != ATTESTATION:
            here.not_supported(key, (ATTESTATION,))
        elif len(values) != 1:
            here.invalid(values, "must specify a single value")
        elif not values[0]:
            here.at(0).invalid("", "may not be an empty string")
        elif values[0] != "*":
            for message in names.dns_subdomain(values[0]):
                here.at(0).invalid(values[0], f"must specify a valid API Group: {message}")
