"""Tokens of Secrets, which have no end: whom they stand for, how their use is noted, and what ends them."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import jwt
import pytest

from pilothouse.api import legacytokens
from pilothouse.api.types.core_v1 import ObjectReference, Secret, ServiceAccount
from pilothouse.apiserver.auth.credentials import BadToken
from pilothouse.apiserver.auth.keys import ServiceAccountKeys
from pilothouse.apiserver.auth.legacytokens import AUTO_GENERATED, LegacyTokenAuthenticator
from pilothouse.cluster import certificates
from pilothouse.controllers.builtin.serviceaccounttoken import signed
from pilothouse.kit.virtual_clock import VirtualClock
from pilothouse.machinery.meta_v1 import ObjectMeta


class World:
    """A ServiceAccount with a Secret of its own, and who verifies its token."""

    def __init__(self, folder: Path) -> None:
        if not (folder / "sa.key").exists():
            certificates.make_service_account_key(folder)
        self.account = ServiceAccount(metadata=ObjectMeta(name="robot", namespace="default", uid="u-robot"))
        self.secret = Secret(metadata=ObjectMeta(name="robot-token", namespace="default", uid="u-secret"))
        self.token = signed(str(folder / "sa.key"), self.account, self.secret)
        self.hold(self.token)
        self.objects: dict[tuple[type[Any], str], Any] = {(ServiceAccount, "robot"): self.account, (Secret, "robot-token"): self.secret}
        self.noted: list[tuple[str, str]] = []
        self.keys = ServiceAccountKeys(folder / "sa.key")
        self.clock = VirtualClock()
        self.authenticator = LegacyTokenAuthenticator(self.keys, self.lookup, self.clock, self.note, ("api",))

    def hold(self, token: str) -> None:
        self.secret.data = {"token": base64.b64encode(token.encode()).decode()}

    async def lookup(self, kind: type[Any], name: str, namespace: str) -> Any:
        return self.objects.get((kind, name))

    async def note(self, secret: Secret, day: str) -> None:
        self.noted.append((secret.metadata.name, day))
        secret.metadata.labels[legacytokens.LAST_USED] = day

    async def refusal(self, token: str) -> str:
        """Why a token is not valid: "" for one that is, "unknown" for one of another kind."""
        try:
            return "unknown" if await self.authenticator.authenticate_token(token) is None else ""
        except BadToken as error:
            return str(error)


@pytest.fixture
def world(folder: Path) -> World:
    return World(folder)


async def test_a_secrets_token_is_good_for_ever_and_its_use_is_noted_once_a_day(world: World) -> None:
    for _ in range(2):
        known = await world.authenticator.authenticate_token(world.token)
        assert known is not None
        assert (known.user.name, known.user.uid, known.audiences) == ("system:serviceaccount:default:robot", "u-robot", ("api",))
        assert known.warnings == ()
    assert world.noted == [("robot-token", "2025-01-01")]
    await world.clock.advance(400 * 24 * 3600)
    assert await world.refusal(world.token) == ""
    assert world.noted[1:] == [("robot-token", "2026-02-05")]
    assert world.authenticator.uses.counts == {"legacy_tokens": 3, "legacy_manual_token_uses": 3}


async def test_who_uses_an_old_generated_token_is_warned(world: World) -> None:
    world.account.secrets = [ObjectReference(name="robot-token")]
    known = await world.authenticator.authenticate_token(world.token)
    assert known is not None
    assert known.warnings == (AUTO_GENERATED,)


async def test_a_token_that_is_marked_invalid_is_noted_and_refused(world: World) -> None:
    world.secret.metadata.labels[legacytokens.INVALID_SINCE] = "2024-12-01"
    refusal = await world.refusal(world.token)
    assert refusal.startswith(
        "the token in secret default/robot-token for service account default/robot has been marked invalid. Use tokens"
    )
    assert world.noted == [("robot-token", "2025-01-01")]


def gone(world: World) -> None:
    del world.objects[Secret, "robot-token"]


def ending(world: World) -> None:
    world.secret.metadata.deletionTimestamp = "2025-01-01T00:00:00Z"


def another_token(world: World) -> None:
    world.hold("x")


def no_account(world: World) -> None:
    del world.objects[ServiceAccount, "robot"]


def another_account(world: World) -> None:
    world.account.metadata.uid = "u-other"


def account_ending(world: World) -> None:
    world.account.metadata.deletionTimestamp = "2025-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        (gone, "Token has been invalidated"),
        (ending, "Token has been invalidated"),
        (another_token, "Token does not match server's copy"),
        (no_account, 'serviceaccounts "robot" not found'),
        (another_account, "ServiceAccount UID (u-other) does not match claim (u-robot)"),
        (account_ending, "ServiceAccount default/robot has been deleted"),
    ],
)
async def test_what_ends_a_token(world: World, change: Any, refusal: str) -> None:
    change(world)
    assert await world.refusal(world.token) == refusal


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"iss": "other"}, "unknown"),
        ({"sub": ""}, "sub claim is missing"),
        ({"sub": "system:serviceaccount:default:admin"}, "sub claim is invalid"),
        ({legacytokens.NAMESPACE: ""}, "namespace claim is missing"),
        ({legacytokens.SECRET_NAME: None}, "secretName claim is missing"),
        ({legacytokens.ACCOUNT_NAME: 5}, "serviceAccountName claim is missing"),
        ({legacytokens.ACCOUNT_UID: ""}, "serviceAccountUID claim is missing"),
        ({"aud": ["vault"]}, 'token audiences ["vault"] is invalid for the target audiences ["api"]'),
    ],
)
async def test_claims_must_fit(world: World, changes: dict[str, Any], refusal: str) -> None:
    claims = {**legacytokens.claims_of(world.account, world.secret), **changes}
    token = jwt.encode(claims, world.keys.private, "RS256", headers={"kid": world.keys.id})
    assert await world.refusal(token) == refusal
