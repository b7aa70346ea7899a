"""Bearer tokens of which a webhook is asked: --authentication-token-webhook-config-file (upstream: plugin/pkg/authenticator/token/webhook).

- A TokenReview goes out and comes back; what it says is remembered for `seconds_kept`, errors are not.
- Those who show the same token at the same time share one question.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import msgspec

from pilothouse.apiserver.auth.credentials import Authenticated, BadToken
from pilothouse.apiserver.auth.user import User
from pilothouse.apiserver.auth.webhookcalls import Ask, AskFailed
from pilothouse.kit.clock import Clock
from pilothouse.kit.expiring import ExpiringCache
from pilothouse.kit.singleflight import SingleFlight

VERSIONS = ("v1", "v1beta1")
REMEMBERED = 32_768


class UserInfo(msgspec.Struct):
    """Who a token stands for, as a webhook says."""

    username: str = ""
    uid: str = ""
    groups: list[str] | None = None
    extra: dict[str, list[str]] | None = None


class ReviewStatus(msgspec.Struct):
    """What a webhook says of a token."""

    authenticated: bool = False
    user: UserInfo = msgspec.field(default_factory=UserInfo)
    audiences: list[str] | None = None
    error: str = ""


class Review(msgspec.Struct):
    """The answer of a webhook."""

    status: ReviewStatus = msgspec.field(default_factory=ReviewStatus)


Key = tuple[bytes, tuple[str, ...]]


class Unasked(Enum):
    """Stands for what a webhook was not asked yet: None is an answer."""

    UNASKED = 0


UNASKED = Unasked.UNASKED


@dataclass(slots=True)
class WebhookTokenAuthenticator:
    """Asks a webhook. `audiences` are those of this API server, which a webhook means that names none."""

    ask: Ask
    version: str
    audiences: tuple[str, ...]
    clock: Clock
    seconds_kept: float = 120.0
    _known: ExpiringCache[Key, Authenticated | None] = field(init=False)
    _flight: SingleFlight[Key, Authenticated | None] = field(default_factory=SingleFlight)

    def __post_init__(self) -> None:
        self._known = ExpiringCache(self.clock, REMEMBERED)

    async def authenticate_token(self, token: str, audiences: Sequence[str]) -> Authenticated | None:
        """The user that the webhook tells; None for a token that it does not know. BadToken when it cannot be asked, or says why."""
        key = hashlib.sha256(token.encode()).digest(), tuple(audiences)
        known = self._known.get(key, UNASKED)
        if not isinstance(known, Unasked):
            return known
        return await self._flight.run(key, lambda: self._remembered(key, token))

    async def _remembered(self, key: Key, token: str) -> Authenticated | None:
        known = await self._authenticated(token, key[1])
        if self.seconds_kept:
            self._known.put(key, known, self.seconds_kept)
        return known

    async def _authenticated(self, token: str, audiences: tuple[str, ...]) -> Authenticated | None:
        status = await self._status(token, audiences)
        told = tuple(status.audiences or self.audiences)
        common = tuple(audience for audience in audiences if audience in told)
        if audiences and not common:
            return None
        if not status.authenticated:
            if status.error:
                raise BadToken(status.error)
            return None
        user = status.user
        extra = {key: tuple(values) for key, values in (user.extra or {}).items()}
        return Authenticated(User(user.username, user.uid, tuple(user.groups or ()), extra), common)

    async def _status(self, token: str, audiences: tuple[str, ...]) -> ReviewStatus:
        spec: dict[str, Any] = {"token": token, **({"audiences": audiences} if audiences else {})}
        api_version = f"authentication.k8s.io/{self.version}"
        review = {"kind": "TokenReview", "apiVersion": api_version, "metadata": {}, "spec": spec, "status": {"user": {}}}
        try:
            answer = await self.ask(msgspec.json.encode(review))
        except AskFailed as error:
            raise BadToken(str(error)) from error
        try:
            return msgspec.json.decode(answer, type=Review).status
        except msgspec.DecodeError as error:
            raise BadToken(f"the token webhook's answer is no TokenReview: {error}") from error
