"""Authentication by a front proxy: what its headers say, and of whom they are believed."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from pilothouse.apiserver.auth.requestheader import STANDARD, RequestHeaders
from pilothouse.apiserver.auth.user import User
from tests.unit.apiserver.serving import serving

REVIEWS = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
AUTHENTICATED = "system:authenticated"
OTHER = RequestHeaders((), ("X-User", "X-Remote-User"), (), ("X-Group", "X-Other-Group"), ("X-Extra-", "X-More-"))


@pytest.mark.parametrize(
    ("believed", "headers", "user"),
    [
        pytest.param(STANDARD, {}, None, id="nobody"),
        pytest.param(STANDARD, {"x-remote-user": [""], "x-remote-group": ["a"]}, None, id="an empty name"),
        pytest.param(STANDARD, {"x-remote-user": ["jane", "joe"]}, User("jane", groups=(AUTHENTICATED,)), id="the first of two names"),
        pytest.param(
            STANDARD,
            {"x-remote-user": ["jane"], "x-remote-group": ["a", "", "b"], "x-remote-uid": ["1"]},
            User("jane", "1", ("a", "b", AUTHENTICATED)),
            id="groups and a uid",
        ),
        pytest.param(
            STANDARD, {"x-remote-user": ["jane"], "x-remote-group": [AUTHENTICATED]}, User("jane", groups=(AUTHENTICATED,)), id="once"
        ),
        pytest.param(
            STANDARD,
            {"x-remote-user": ["system:anonymous"], "x-remote-group": ["system:unauthenticated"]},
            User("system:anonymous", groups=("system:unauthenticated",)),
            id="anonymous",
        ),
        pytest.param(
            STANDARD,
            {"x-remote-user": ["jane"], "x-remote-extra-acme.com%2fproject": ["a", "b"], "x-remote-extra-bad%zz": ["c"]},
            User("jane", groups=(AUTHENTICATED,), extra={"acme.com/project": ("a", "b"), "bad%zz": ("c",)}),
            id="extra keys are escaped",
        ),
        pytest.param(
            OTHER,
            {"x-remote-user": ["jane"], "x-user": [""], "x-other-group": ["b"], "x-group": ["a"], "x-more-k": ["2"], "x-extra-k": ["1"]},
            User("jane", groups=("a", "b", AUTHENTICATED), extra={"k": ("1", "2")}),
            id="other headers, in their order",
        ),
    ],
)
def test_headers_name_a_user(believed: RequestHeaders, headers: dict[str, list[str]], user: User | None) -> None:
    assert believed.user_of(headers) == user


def context_of(folder: Path, leaf: str) -> ssl.SSLContext:
    """A client that shows a certificate; "" shows none."""
    context = ssl.create_default_context(cafile=str(folder / "ca.crt"))
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if leaf:
        context.load_cert_chain(folder / f"{leaf}.crt", folder / f"{leaf}.key")
    return context


async def asked(url: str, context: ssl.SSLContext, headers: dict[str, str]) -> tuple[int, Any]:
    """The answer's code, and who the server takes the client for."""
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    async with aiohttp.ClientSession() as session, session.post(url + REVIEWS, json=body, headers=headers, ssl=context) as answer:
        said = await answer.json()
    return answer.status, said["status"]["userInfo"]["username"] if answer.status == 201 else said["reason"]


JANE = {"X-Remote-User": "jane", "X-Remote-Group": "system:masters"}


@pytest.mark.parametrize(
    ("leaf", "headers", "allowed", "expected"),
    [
        pytest.param("front-proxy-client", JANE, ("front-proxy-client",), (201, "jane"), id="the front proxy"),
        pytest.param("front-proxy-client", JANE, (), (201, "jane"), id="any name of its authority"),
        pytest.param("front-proxy-client", JANE, ("another",), (401, "Unauthorized"), id="another name"),
        pytest.param("front-proxy-client", {}, ("front-proxy-client",), (401, "Unauthorized"), id="it is nobody itself"),
        pytest.param("admin", JANE, (), (201, "kubernetes-admin"), id="an administrator who says so"),
        pytest.param("admin", {}, (), (201, "kubernetes-admin"), id="an administrator"),
        pytest.param("", JANE, (), (403, "Forbidden"), id="without a certificate"),
    ],
)
async def test_only_the_front_proxys_own_certificate_makes_headers_believed(
    tmp_path: Path, leaf: str, headers: dict[str, str], allowed: tuple[str, ...], expected: tuple[int, str]
) -> None:
    async with serving(tmp_path, tls=True, request_headers=RequestHeaders(allowed)) as served:
        assert await asked(served.url, context_of(tmp_path, leaf), headers) == expected
