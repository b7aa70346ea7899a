"""Headers that every answer bears, as kube-apiserver 1.37 sends them: who asked, by which flow, and what is not to be guessed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp
import pytest

from pilothouse.apiserver.auth.user import User
from tests.unit.apiserver.serving import calling

WHO = User("administrator", "administrator", groups=("system:masters", "system:authenticated"))
AUDIT, FLOW, SNIFFING = "Audit-Id", "X-Kubernetes-Pf-Flowschema-Uid", "X-Content-Type-Options"
PODS = "/api/v1/namespaces/default/pods"

ROWS = (
    ("a list", "GET", PODS, {}, 200, {AUDIT, FLOW}),
    ("a watch", "GET", f"{PODS}?watch=1&timeoutSeconds=1", {}, 200, {AUDIT, FLOW}),
    ("a refusal", "GET", f"{PODS}/nope", {}, 404, {AUDIT, FLOW}),
    ("a timeout that cannot be read", "GET", f"{PODS}?timeout=x", {}, 400, {AUDIT}),
    ("a connection that may last", "GET", f"{PODS}/nope/log", {}, 404, {AUDIT}),
    ("an impersonation without a user", "GET", PODS, {"Impersonate-Group": "g"}, 400, {AUDIT, SNIFFING}),
    ("what the user may not do", "GET", PODS, {"Impersonate-User": "jane"}, 403, {AUDIT, FLOW, SNIFFING}),
    ("a health check", "GET", "/livez/ping", {}, 200, {AUDIT, FLOW}),
    ("all health checks", "GET", "/livez", {}, 200, {AUDIT, FLOW, SNIFFING}),
    ("a page that is not there", "GET", "/nope", {}, 404, {AUDIT, FLOW, SNIFFING}),
)


@pytest.mark.parametrize(("method", "path", "headers", "status", "expected"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_answers_bear_the_headers_of_upstream(
    method: str, path: str, headers: dict[str, str], status: int, expected: set[str], tmp_path: Path
) -> None:
    async def ask() -> None:
        async with (
            calling(tmp_path, user=WHO) as call,
            aiohttp.ClientSession() as session,
            session.request(method, call.url + path, headers=headers) as answer,
        ):
            assert answer.status == status
            assert {name for name in (AUDIT, FLOW, SNIFFING) if name in answer.headers} == expected

    asyncio.run(ask())


def test_the_audit_id_is_the_clients_own_where_it_says_one(tmp_path: Path) -> None:
    async def ask() -> None:
        async with calling(tmp_path, user=WHO) as call, aiohttp.ClientSession() as session:
            async with session.get(call.url + PODS, headers={AUDIT: "mine"}) as answer:
                assert answer.headers[AUDIT] == "mine"
            async with session.get(call.url + PODS) as one, session.get(call.url + PODS) as other:
                assert one.headers[AUDIT] != other.headers[AUDIT]

    asyncio.run(ask())
