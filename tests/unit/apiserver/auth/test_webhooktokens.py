"""Tokens of which a webhook is asked, over real TLS, by a kubeconfig."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web

from pilothouse.apiserver.auth.credentials import BadToken
from pilothouse.apiserver.auth.user import User
from pilothouse.apiserver.auth.webhookcalls import Asker
from pilothouse.apiserver.auth.webhooktokens import WebhookTokenAuthenticator
from pilothouse.apiserver.webhooks.client import WebhookClient
from pilothouse.apiserver.webhooks.kubeconfig import ConfiguredWebhook, endpoint_in, no_service
from pilothouse.kit.clock import SystemClock
from pilothouse.kit.entropy import Entropy
from tests.unit.apiserver.webhooks.servers import Handler, WebhookServer, certificate, serving_webhook


def kubeconfig(folder: Path, server: str, cluster: dict[str, Any] | None = None, user: dict[str, Any] | None = None) -> Path:
    """A kubeconfig of one context in a new file."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": server, **(cluster or {})}}],
        "users": [{"name": "u", "user": user or {}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    path = folder / "webhook.kubeconfig"
    path.write_bytes(msgspec.json.encode(config))
    return path


@asynccontextmanager
async def asking(folder: Path, handler: Handler, version: str = "v1", kept: float = 60.0, **user: Any) -> Any:
    """An authenticator, and the webhook that it asks."""
    async with serving_webhook(handler, certificate(folder)) as webhook:
        path = kubeconfig(folder, f"{webhook.url}/authenticate", {"certificate-authority-data": webhook.bundle}, user)
        client = WebhookClient(no_service)
        post = ConfiguredWebhook(client, endpoint_in(path), 5.0).post
        ask = Asker(post, SystemClock(), Entropy(1)).ask
        yield WebhookTokenAuthenticator(ask, version, ("api",), SystemClock(), kept), webhook
        await client.aclose()


async def outcome(authenticator: WebhookTokenAuthenticator, token: str, audiences: tuple[str, ...] = ("api",)) -> Any:
    """The user and the audiences of a token, or why it has none."""
    try:
        known = await authenticator.authenticate_token(token, audiences)
    except BadToken as error:
        return str(error)
    return None if known is None else (known.user, known.audiences)


JANE = {"username": "jane", "uid": "7", "groups": ["a"], "extra": {"k": ["v"]}}
USER = User("jane", "7", ("a",), {"k": ("v",)})


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        pytest.param({"authenticated": True, "user": JANE}, (USER, ("api",)), id="known"),
        pytest.param({"authenticated": True, "user": JANE, "audiences": ["api", "x"]}, (USER, ("api",)), id="for this server"),
        pytest.param({"authenticated": True, "user": JANE, "audiences": ["x"]}, None, id="for another"),
        pytest.param({"authenticated": False}, None, id="unknown"),
        pytest.param({"authenticated": False, "error": "expired"}, "expired", id="refused"),
    ],
)
async def test_a_webhook_tells_who_it_is(tmp_path: Path, status: dict[str, Any], expected: Any) -> None:
    async with asking(tmp_path, lambda review: {**review, "status": status}, token="secret") as (authenticator, webhook):
        assert await outcome(authenticator, "t") == expected
        asked: WebhookServer = webhook
        assert (asked.reviews[0]["apiVersion"], asked.reviews[0]["spec"]) == (
            "authentication.k8s.io/v1",
            {"token": "t", "audiences": ["api"]},
        )
        assert (asked.requests[0].path_qs, asked.requests[0].headers["Authorization"]) == ("/authenticate?timeout=5s", "Bearer secret")


async def test_answers_are_remembered_for_a_while(tmp_path: Path) -> None:
    async with asking(tmp_path, lambda review: {**review, "status": {}}, "v1beta1", kept=0.2) as (authenticator, webhook):
        await asyncio.gather(*(outcome(authenticator, "t") for _ in range(5)))
        assert await outcome(authenticator, "t") is None
        assert len(webhook.reviews) == 1, "those who ask at the same time share one question"
        assert webhook.reviews[0]["apiVersion"] == "authentication.k8s.io/v1beta1"
        await outcome(authenticator, "t", ("x",))
        assert len(webhook.reviews) == 2, "another audience is another question"
        await asyncio.sleep(0.25)
        await outcome(authenticator, "t")
        assert len(webhook.reviews) == 3


@pytest.mark.parametrize(
    ("answer", "times", "expected"),
    [
        pytest.param(lambda: web.Response(status=500, text="x"), 5, "an error on the server", id="what may pass is asked again"),
        pytest.param(lambda: web.Response(status=403, text="x"), 1, "x", id="a refusal is not"),
        pytest.param(lambda: web.Response(text="[", content_type="application/json"), 1, "is no TokenReview", id="no review"),
    ],
)
async def test_errors_are_told_and_not_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: Callable[[], web.Response], times: int, expected: str
) -> None:
    monkeypatch.setattr("pilothouse.apiserver.auth.webhookcalls.FIRST_SECONDS", 0.001)
    async with asking(tmp_path, lambda review: answer()) as (authenticator, webhook):
        assert expected in await outcome(authenticator, "t")
        assert len(webhook.reviews) == times
        await outcome(authenticator, "t")
        assert len(webhook.reviews) == 2 * times


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"current-context": ""}, "invalid configuration: no current-context"),
        ({"current-context": "y"}, 'invalid configuration: context "y" does not exist'),
        ({"clusters": []}, 'invalid configuration: no server found for cluster "c"'),
        ({"clusters": [{"name": "c", "cluster": {"server": "ftp://x"}}]}, 'invalid configuration: server "ftp://x" is no URL'),
    ],
)
def test_a_kubeconfig_that_names_nobody_is_refused(tmp_path: Path, changes: dict[str, Any], problem: str) -> None:
    path = kubeconfig(tmp_path, "https://localhost")
    path.write_bytes(msgspec.json.encode({**msgspec.json.decode(path.read_bytes()), **changes}))
    with pytest.raises(ValueError, match=r"webhook\.kubeconfig") as caught:
        endpoint_in(path)
    assert str(caught.value) == f"{path}: {problem}"


async def test_nobody_is_dialled_at_an_address_of_many(tmp_path: Path) -> None:
    post = ConfiguredWebhook(WebhookClient(no_service), endpoint_in(kubeconfig(tmp_path, "https://0.0.0.0:1")), 5.0).post
    authenticator = WebhookTokenAuthenticator(Asker(post, SystemClock(), Entropy(1)).ask, "v1", ("api",), SystemClock())
    assert "address not allowed" in await outcome(authenticator, "t")
