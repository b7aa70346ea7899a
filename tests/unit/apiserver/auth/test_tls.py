"""Who a client is over TLS: by its certificate, by its token, or nobody known."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from pilothouse.cluster import certificates
from pilothouse.kit.clock import SystemClock
from pilothouse.kit.entropy import Entropy
from pilothouse.kit.virtual_clock import VirtualClock
from tests.unit.apiserver.serving import Caller, Served, serving

WHO = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
REVIEW = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
ACCOUNT = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "robot"}}
TOKEN = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
ACCOUNTS = "/api/v1/namespaces/default/serviceaccounts"


@pytest.fixture
async def served(folder: Path) -> AsyncIterator[Served]:
    async with serving(folder, tls=True) as one:
        yield one


def session_of(served: Served, user: str = "") -> aiohttp.ClientSession:
    context = ssl.create_default_context(cafile=str(served.folder / "ca.crt"))
    if user:
        context.load_cert_chain(str(served.folder / f"{user}.crt"), str(served.folder / f"{user}.key"))
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context))


async def who(call: Caller, **headers: str) -> Any:
    review = (await call("POST", WHO, REVIEW, **headers)).json()
    assert review["metadata"]["creationTimestamp"], "the review says when it was"
    return review["status"]["userInfo"]


async def test_a_certificate_names_user_and_groups(served: Served) -> None:
    async with session_of(served, "developer") as session:
        call = Caller(served.url, session)
        found = await who(call)
        assert (found["username"], found["groups"]) == ("jane", ["developers", "system:authenticated"])
        shown = ssl.PEM_cert_to_DER_cert((served.folder / "developer.crt").read_text())
        assert found["extra"] == {"authentication.kubernetes.io/credential-id": [f"X509SHA256={sha256(shown).hexdigest()}"]}
        assert (await call("GET", "/api/v1/nodes")).status == 403
        assert (await call("GET", "/apis")).status == 200


async def test_a_certificate_whose_time_is_over_is_refused_in_words(served: Served) -> None:
    long_ago = VirtualClock(datetime(2001, 1, 1, tzinfo=UTC))
    authority = certificates._load_authority(served.folder, "ca", SystemClock())
    assert authority is not None
    stale = certificates.Subject("stale", "jane", ["system:masters"])
    certificates._make_leaf(served.folder, stale, authority, long_ago, Entropy())
    async with session_of(served, "stale") as session:
        answer = await Caller(served.url, session)("GET", "/version")
        assert (answer.status, answer.json()["message"]) == (401, "Unauthorized")


async def test_without_credentials_nearly_everything_is_forbidden(served: Served) -> None:
    async with session_of(served) as session:
        call = Caller(served.url, session)
        assert (await call("GET", "/api/v1/nodes")).status == 403
        assert (await call("GET", "/version")).status == 200
        unknown = await call("GET", "/version", Authorization="Bearer nonsense")
        assert (unknown.status, unknown.json()["message"]) == (401, "Unauthorized")


async def test_a_service_account_is_known_by_its_token_until_it_is_gone(served: Served) -> None:
    async with session_of(served, "admin") as admin, session_of(served) as other:
        call, robot = Caller(served.url, admin), Caller(served.url, other)
        await call("POST", ACCOUNTS, ACCOUNT)
        issued = await call("POST", f"{ACCOUNTS}/robot/token", TOKEN)
        assert issued.status == 201, issued.body
        header = f"Bearer {issued.json()['status']['token']}"
        found = await who(robot, Authorization=header)
        assert found["username"] == "system:serviceaccount:default:robot"
        assert found["groups"] == ["system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated"]
        assert found["extra"]["authentication.kubernetes.io/credential-id"][0].startswith("JTI=")
        await call("DELETE", f"{ACCOUNTS}/robot")
        assert (await robot("POST", WHO, REVIEW, Authorization=header)).status == 401


async def test_a_token_is_reviewed(served: Served) -> None:
    async with session_of(served, "admin") as session:
        call = Caller(served.url, session)
        await call("POST", ACCOUNTS, ACCOUNT)
        token = (await call("POST", f"{ACCOUNTS}/robot/token", TOKEN)).json()["status"]["token"]
        path = "/apis/authentication.k8s.io/v1/tokenreviews"
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}}
        good = (await call("POST", path, review)).json()["status"]
        assert (good["authenticated"], good["user"]["username"]) == (True, "system:serviceaccount:default:robot")
        bad = (await call("POST", path, {**review, "spec": {"token": "x"}})).json()["status"]
        assert "authenticated" not in bad


async def test_keys_are_published(served: Served) -> None:
    async with session_of(served, "admin") as session:
        call = Caller(served.url, session)
        configuration = (await call("GET", "/.well-known/openid-configuration")).json()
        assert configuration["issuer"] == "https://kubernetes.default.svc.cluster.local"
        keys = (await call("GET", "/openid/v1/jwks")).json()["keys"]
        assert [(one["kty"], one["alg"], one["use"]) for one in keys] == [("RSA", "RS256", "sig")]


async def test_access_is_reviewed(served: Served) -> None:
    async with session_of(served, "admin") as session:
        call = Caller(served.url, session)
        path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
        attributes = {"verb": "list", "resource": "pods", "namespace": "default"}
        spec = {"user": "jane", "resourceAttributes": attributes}
        review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
        assert (await call("POST", path, review)).json()["status"] == {"allowed": False}
        review["spec"] = {"user": "system:kube-scheduler", "resourceAttributes": attributes}
        assert (await call("POST", path, review)).json()["status"] == {
            "allowed": True,
            "reason": 'RBAC: allowed by ClusterRoleBinding "system:kube-scheduler" of ClusterRole "system:kube-scheduler" to User '
            '"system:kube-scheduler"',
        }
        review["spec"] = {"user": "jane"}
        refused = await call("POST", path, review)
        assert (refused.status, "exactly one of nonResourceAttributes or resourceAttributes" in refused.json()["message"]) == (422, True)
