"""Who may use the kubelet's server: known by client certificate or by bearer token, allowed by the API server.

- A token is shown to the API server in a TokenReview. What is asked is asked again in SubjectAccessReviews, one for each subresource of
  the node that covers the path (`nodes/pods`, then `nodes/proxy`), until one is allowed. Nobody is anonymous.
- Answers are kept as long as upstream's kubelet keeps them: a token 2 minutes, a yes 5 minutes, a no 30 seconds.
- Without an answer of the API server nobody comes in.

Upstream: pkg/kubelet/server/auth.go, and the defaults of KubeletConfiguration.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from aiohttp import web

from pilothouse.api.types.authentication_v1 import TokenReview, TokenReviewSpec
from pilothouse.api.types.authorization_v1 import ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec
from pilothouse.client.client import Client
from pilothouse.kit.clock import Clock, wait_for
from pilothouse.kit.expiring import ExpiringCache
from pilothouse.machinery.errors import StatusError

T = TypeVar("T")
TOKEN_SECONDS, ALLOWED_SECONDS, DENIED_SECONDS = 120.0, 300.0, 30.0
ANSWERS_LIMIT = 4096
ANSWER_SECONDS = 10.0
VERBS = {"POST": "create", "GET": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
FINE = {"/pods": "pods", "/allocatedPods": "pods", "/healthz": "healthz", "/configz": "configz", "/runningpods": "pods"}
"""Subresources that are asked about first, by path."""
COARSE = {
    "/stats": "stats",
    "/metrics": "metrics",
    "/logs": "log",
    "/checkpoint": "checkpoint",
    "/statusz": "statusz",
    "/flagz": "configz",
}
"""Subresources in the place of `proxy`."""
FAILURES = (ConnectionError, TimeoutError, StatusError)


def subresources(path: str) -> list[str]:
    """The subresources of the node that grant a path; each of them is enough."""
    fine, coarse = _subresource(path, FINE), _subresource(path, COARSE)
    return [*([fine] if fine else []), coarse or "proxy"]


def _subresource(path: str, table: Mapping[str, str]) -> str:
    return next((name for root, name in table.items() if path == root or path.startswith(f"{root}/")), "")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, as the API server knows users."""

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: Mapping[str, Sequence[str]] = field(default_factory=dict)


class Access:
    """Authentication and authorization of one kubelet's server, by the API server that `client` reaches."""

    def __init__(self, client: Client, node_name: str, clock: Clock) -> None:
        self._client = client
        self._node_name = node_name
        self._clock = clock
        self._callers: ExpiringCache[bytes, Caller] = ExpiringCache(clock, ANSWERS_LIMIT)
        self._decisions: ExpiringCache[tuple[Any, ...], bool] = ExpiringCache(clock, ANSWERS_LIMIT)

    async def refusal(self, request: web.BaseRequest) -> web.Response | None:
        """The answer to who may not come in; None for who may."""
        try:
            caller = await self._caller(request)
        except FAILURES:
            caller = None
        if caller is None:
            return web.Response(status=401, text="Unauthorized")
        verb, asked = VERBS.get(request.method, ""), subresources(request.rel_url.path)
        for subresource in asked:
            try:
                if await self._may(caller, verb, subresource):
                    return None
            except FAILURES:
                told = f"user={caller.name}, verb={verb}, resource=nodes, subresource={subresource}"
                return web.Response(status=500, text=f"Authorization error ({told})")
        told = f"user={caller.name}, verb={verb}, resource=nodes, subresource(s)=[{' '.join(asked)}]"
        return web.Response(status=403, text=f"Forbidden ({told})\n")

    async def _caller(self, request: web.BaseRequest) -> Caller | None:
        transport = request.transport
        certificate: Any = transport.get_extra_info("peercert") if transport is not None else None
        if certificate and (caller := caller_of(certificate)) is not None:
            return caller
        scheme, _, token = request.headers.get("Authorization", "").strip().partition(" ")
        return await self._bearer(token.strip()) if scheme.lower() == "bearer" and token.strip() else None

    async def _bearer(self, token: str) -> Caller | None:
        key = hashlib.sha256(token.encode()).digest()
        known = self._callers.get(key, None)
        if known is not None:
            return known
        review = await self._ask(TokenReview(spec=TokenReviewSpec(token=token)))
        if not review.status.authenticated:
            return None
        user = review.status.user
        caller = Caller(user.username, user.uid, tuple(user.groups), user.extra)
        self._callers.put(key, caller, TOKEN_SECONDS)
        return caller

    async def _may(self, caller: Caller, verb: str, subresource: str) -> bool:
        key = (caller.name, caller.uid, caller.groups, str(sorted(caller.extra.items())), verb, subresource)
        known = self._decisions.get(key, None)
        if known is not None:
            return known
        asked = ResourceAttributes(verb=verb, version="v1", resource="nodes", subresource=subresource, name=self._node_name)
        extra = {name: list(values) for name, values in caller.extra.items()}
        spec = SubjectAccessReviewSpec(user=caller.name, uid=caller.uid, groups=list(caller.groups), extra=extra, resourceAttributes=asked)
        review = await self._ask(SubjectAccessReview(spec=spec))
        allowed = bool(review.status.allowed)
        self._decisions.put(key, allowed, ALLOWED_SECONDS if allowed else DENIED_SECONDS)
        return allowed

    async def _ask(self, review: T) -> T:
        return await wait_for(self._clock, self._client.create(review), ANSWER_SECONDS)


def caller_of(certificate: Mapping[str, Any]) -> Caller | None:
    """Who a client certificate, as Python's ssl shows it, stands for: its common name, in the groups of its organizations."""
    pairs = [pair for group in certificate.get("subject", ()) for pair in group]
    names = [value for kind, value in pairs if kind == "commonName"]
    groups = tuple(value for kind, value in pairs if kind == "organizationName")
    return Caller(names[-1], groups=(*groups, "system:authenticated")) if names else None
