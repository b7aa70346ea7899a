"""Odd credentials: impersonation of nobody, claims of the wrong types, tokens in odd places, many failures in a row."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import pytest

from pilothouse.apiserver.auth.failed_logins import BURST, DELAY_SECONDS, WAITING_LIMIT, FailedLogins
from pilothouse.apiserver.auth.user import ADMIN
from pilothouse.kit.virtual_clock import VirtualClock
from pilothouse.machinery.errors import StatusError
from tests.unit.apiserver.auth.test_tokens import World
from tests.unit.apiserver.serving import Served, serving

WHO = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
REVIEW = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
Place = tuple[Served, aiohttp.ClientSession]


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    async with serving(tmp_path, user=ADMIN) as served, aiohttp.ClientSession(served.url) as session:
        yield served, session


async def who(session: aiohttp.ClientSession, headers: Any) -> tuple[int, Any]:
    async with session.post(WHO, json=REVIEW, headers=headers) as answer:
        body = await answer.json()
        return answer.status, body["status"]["userInfo"] if answer.status == 201 else body["message"]


@pytest.mark.parametrize(
    ("headers", "shown"),
    [
        ([("Impersonate-Group", "a"), ("Impersonate-Group", "b")], 'UID:"", Groups:[]string{"a", "b"}, Extra:map[string][]string(nil)'),
        ([("Impersonate-Uid", "u")], 'UID:"u", Groups:[]string(nil), Extra:map[string][]string(nil)'),
        ([("Impersonate-Extra-Foo", "x")], 'UID:"", Groups:[]string(nil), Extra:map[string][]string{"foo":[]string{"x"}}'),
        ([("impersonate-extra-", "x")], 'UID:"", Groups:[]string(nil), Extra:map[string][]string{"":[]string{"x"}}'),
        ([("Impersonate-User", ""), ("Impersonate-Group", "a")], 'UID:"", Groups:[]string{"a"}, Extra:map[string][]string(nil)'),
    ],
)
async def test_impersonation_of_nobody_is_refused(place: Place, headers: list[tuple[str, str]], shown: str) -> None:
    message = f'requested &user.DefaultInfo{{Name:"", {shown}}} without impersonating a user name'
    assert await who(place[1], headers) == (400, message)


@pytest.mark.parametrize(
    ("headers", "user"),
    [
        ({"Impersonate-User": ""}, {"username": "kubernetes-admin", "groups": ["system:masters", "system:authenticated"]}),
        (
            {"Impersonate-User": "jane", "Impersonate-Extra-A%2fB": "x"},
            {"username": "jane", "groups": ["system:authenticated"], "extra": {"a/b": ["x"]}},
        ),
        (
            {"Impersonate-User": "jane", "Impersonate-Extra-A%zz": "x"},
            {"username": "jane", "groups": ["system:authenticated"], "extra": {"a%zz": ["x"]}},
        ),
        ({"Impersonate-User": "system:serviceaccount:a"}, {"username": "system:serviceaccount:a", "groups": ["system:authenticated"]}),
        (
            {"Impersonate-User": "system:serviceaccount:A B:b"},
            {"username": "system:serviceaccount:A B:b", "groups": ["system:authenticated"]},
        ),
        (
            {"Impersonate-User": "system:serviceaccount:a:b"},
            {
                "username": "system:serviceaccount:a:b",
                "groups": ["system:serviceaccounts", "system:serviceaccounts:a", "system:authenticated"],
            },
        ),
    ],
)
async def test_who_is_impersonated(place: Place, headers: dict[str, str], user: dict[str, Any]) -> None:
    assert await who(place[1], headers) == (201, user)


@pytest.mark.parametrize(
    "changes",
    [
        *(
            {"aud": 5},
            {"aud": [5]},
            {"exp": "x"},
            {"exp": float("inf")},
            {"nbf": True},
            {"sub": 5},
            {"sub": "system:masters"},
        ),
        *({"kubernetes.io": None}, {"kubernetes.io": []}, {"kubernetes.io": {}}, {"kubernetes.io": {"namespace": "default"}}, {"jti": 5}),
        {"kubernetes.io": {"namespace": "default", "serviceaccount": {"name": "robot", "uid": 5}}},
        {"kubernetes.io": {"namespace": ["default"], "serviceaccount": {"name": "robot", "uid": "u-robot"}}},
        {"kubernetes.io": {"namespace": "default", "serviceaccount": {"name": "robot", "uid": "u-robot"}, "pod": "x"}},
    ],
    ids=str,
)
async def test_claims_of_other_types_are_no_token(folder: Path, changes: dict[str, Any]) -> None:
    world = World(folder)
    issued = await world.issue()
    claims = {**jwt.decode(issued.status.token, options={"verify_signature": False}), **changes}
    keys = world.tokens.keys
    token = jwt.api_jws.encode(json.dumps(claims).encode(), keys.private, "RS256", headers={"kid": keys.id})
    assert await world.refusal(token)


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "." * 1000, "e30.e30.", "eyJraWQiOltdfQ.e30.x", "[" * 5000, "\u0661.\u0662.\u0663"])
async def test_what_is_no_token_is_none(folder: Path, token: str) -> None:
    assert await World(folder).refusal(token) == "unknown"


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Authorization": "Bearer x"}, 401),
        ({"Authorization": "bearer x y"}, 401),
        ({"Authorization": "Bearer  x"}, 201),
        ({"Authorization": "Bearer"}, 201),
        ({"Authorization": "Basic x"}, 201),
        ({"Sec-WebSocket-Protocol": "base64url.bearer.authorization.k8s.io.eA, x"}, 201),
        ({"Sec-WebSocket-Protocol": "base64url.bearer.authorization.k8s.io.eA, x", "Upgrade": "websocket", "Connection": "Upgrade"}, 401),
        ({"Sec-WebSocket-Protocol": "base64url.bearer.authorization.k8s.io.!!, x", "Upgrade": "websocket", "Connection": "Upgrade"}, 401),
        ({"Sec-WebSocket-Protocol": "base64url.bearer.authorization.k8s.io.eA", "Upgrade": "websocket", "Connection": "Upgrade"}, 401),
    ],
)
async def test_where_a_token_may_stand(place: Place, headers: dict[str, str], code: int) -> None:
    assert (await who(place[1], headers))[0] == code


async def test_failures_beyond_the_burst_wait_and_the_rest_are_told_to_come_again() -> None:
    clock = VirtualClock()
    failures = FailedLogins(clock)
    for _ in range(int(BURST)):
        await failures.note("10.0.0.1")
    waiting = failures.note("10.0.0.1")
    waiting.send(None)  # it sleeps
    assert failures.waiting == 1
    await failures.note("10.0.0.2")  # another address is not held up
    failures.waiting = WAITING_LIMIT
    with pytest.raises(StatusError, match="Too many requests"):
        await failures.note("10.0.0.1")
    waiting.close()
    assert DELAY_SECONDS > 0


async def test_metrics_have_no_labels_from_clients(place: Place) -> None:
    served, session = place
    paths = ("/api/v1/secret-labels", "/apis/evil/v1/things", "/api/v1/namespaces/default/pods/x/evil", "/evil")
    for path in paths:
        for method in ("GET", "POST", "BREW"):
            async with session.request(method, path) as answer:
                assert 400 <= answer.status < 500
    labels = {value for series in served.server.api.metrics.series for value in series}
    assert not [value for value in labels if "evil" in value or "secret" in value or value == "BREW"]
