"""A kube-apiserver started with flags of authentication: who is let in, what a changed file does, what stops the start."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from pilothouse.apiserver.server import ApiServer
from pilothouse.apiserver.storage.memory import MemoryStorage
from pilothouse.cmd.envtest import flags
from pilothouse.cmd.envtest.apiserver import wire_by
from pilothouse.cmd.envtest.authentication import authentication_of
from pilothouse.kit.clock import SystemClock
from pilothouse.kit.component import run_all
from pilothouse.kit.entropy import Entropy
from tests.unit.apiserver.auth.oidc.issuer_server import IssuerServer, issuer_server

REVIEW = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
WHO = "/apis/authentication.k8s.io/v1/selfsubjectreviews"


@asynccontextmanager
async def served(*arguments: str) -> AsyncIterator[aiohttp.ClientSession]:
    """A server in process, started by flags."""
    clock, entropy = SystemClock(), Entropy()
    modes = [] if any("authorization-" in argument for argument in arguments) else ["--authorization-mode=RBAC"]
    api = wire_by(flags.parse([*modes, *arguments]), MemoryStorage(), clock, entropy)
    server = ApiServer(
        api.registry,
        clock=clock,
        entropy=entropy,
        authenticators=api.authenticators,
        authorizer=api.authorizer,
        tokens=api.tokens,
        collectors=api.collectors,
    )
    task = asyncio.create_task(run_all([api.registry, server, *api.components]))
    await server.started.wait()
    await api.registry.start()
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as session:
            yield session
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def ask(session: aiohttp.ClientSession, path: str, token: str = "", body: Any = None) -> tuple[int, Any]:
    """Status and body of an answer."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with session.request("POST" if body else "GET", path, json=body, headers=headers) as answer:
        text = await answer.text()
        return answer.status, json.loads(text) if text.startswith("{") else text


async def who(session: aiohttp.ClientSession, token: str) -> str | int:
    """The user's name, or the code of the refusal."""
    status, body = await ask(session, WHO, token, REVIEW)
    return body["status"]["userInfo"]["username"] if status == 201 else status


def configuration(issuer: IssuerServer, prefix: str = "", **more: Any) -> bytes:
    authenticator = {
        "issuer": {"url": issuer.url, "audiences": ["x"], "certificateAuthority": issuer.authority},
        "claimMappings": {"username": {"claim": "sub", "prefix": prefix}},
    }
    head = {"apiVersion": "apiserver.config.k8s.io/v1beta1", "kind": "AuthenticationConfiguration"}
    return msgspec.json.encode({**head, "jwt": [authenticator], **more})


async def until(session: aiohttp.ClientSession, token: str, name: str) -> None:
    for _ in range(100):
        if await who(session, token) == name:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"nobody became {name}")


async def test_a_configuration_acts_and_is_read_again(tmp_path: Path) -> None:
    async with issuer_server(tmp_path) as issuer:
        file, tokens = tmp_path / "authentication.json", tmp_path / "tokens.csv"
        file.write_bytes(configuration(issuer, anonymous={"enabled": True, "conditions": [{"path": "/livez"}]}))
        tokens.write_text("secret,admin,1,system:masters\n")
        async with served(f"--authentication-config={file}", f"--token-auth-file={tokens}") as session:
            await until(session, issuer.token(), "jane")
            assert [(await ask(session, path))[0] for path in ("/livez", "/livez/ping", "/version")] == [200, 401, 401]
            assert await who(session, issuer.token(aud="other")) == 401
            review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": issuer.token(aud="other")}}
            _, body = await ask(session, "/apis/authentication.k8s.io/v1/tokenreviews", "secret", review)
            said = 'oidc: verify token: oidc: expected audience "x" got ["other"]'
            assert body["status"] == {"user": {}, "error": f"[invalid bearer token, {said}]"}
            file.write_bytes(configuration(issuer, "new:", anonymous={"enabled": True, "conditions": [{"path": "/livez"}]}))
            await until(session, issuer.token(), "new:jane")
            file.write_bytes(configuration(issuer, "newer:"))  # anonymous requests are as they were at the start
            await asyncio.sleep(1.5)
            assert await who(session, issuer.token()) == "new:jane"
            _, metrics = await ask(session, "/metrics", "secret")
            total = "apiserver_authentication_config_controller_automatic_reloads_total"
            assert {
                line.split("status=")[1].split('"')[1]: line.split()[-1] for line in metrics.splitlines() if line.startswith(total)
            } == {
                "success": "1.0",
                "failure": "1.0",
            }
            assert "serviceaccount_legacy_tokens_total 0.0" in metrics


async def test_where_everybody_may_do_everything_nobody_is_anonymous() -> None:
    async with served("--authorization-mode=AlwaysAllow") as session:
        assert (await ask(session, "/version"))[0] == 401


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (
            ["--authentication-config=FILE", "--oidc-issuer-url=https://a"],
            "authentication-config file and oidc-* flags are mutually exclusive",
        ),
        (
            ["--authentication-config=FILE", "--anonymous-auth"],
            "anonymous: Forbidden: --anonymous-auth flag cannot be set when anonymous field",
        ),
        (["--oidc-issuer-url=https://a"], "oidc-issuer-url and oidc-client-id must be specified together"),
        (["--oidc-issuer-url=https://a", "--oidc-client-id=x", "--oidc-signing-algs=HS256"], 'oidc: unsupported signing alg: "HS256"'),
        (["--oidc-issuer-url=http://a", "--oidc-client-id=x"], "URL scheme must be https"),
        (["--service-account-issuer=a", "--service-account-issuer=a"], 'service-account-issuer "a" is already specified'),
        (["--service-account-issuer="], "service-account-issuer should not be an empty string"),
        (["--service-account-max-token-expiration=1m"], "the service-account-max-token-expiration must be between 1 hour and 2^32 seconds"),
        (["--service-account-jwks-uri=http://a"], "service-account-jwks-uri requires https scheme, parsed as: http://a"),
        (["--anonymous-auth=maybe"], 'invalid argument "maybe" for "--anonymous-auth" flag'),
        (
            ["--authentication-token-webhook-config-file=FILE", "--authentication-token-webhook-version=v2"],
            "unsupported authentication webhook",
        ),
        (["--authentication-token-webhook-config-file=/nowhere"], "/nowhere: no such file or directory"),
    ],
)
def test_what_stops_the_start(tmp_path: Path, arguments: Sequence[str], problem: str) -> None:
    file = tmp_path / "authentication.yaml"
    file.write_text("apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\nanonymous: {enabled: true}\n")
    parsed = flags.parse([argument.replace("FILE", str(file)) for argument in arguments])
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        authentication_of(parsed, SystemClock(), allows_all=False)
    assert problem in str(caught.value)
