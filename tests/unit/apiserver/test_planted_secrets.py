"""Planted values of Secrets and tokens are found nowhere in what a server writes: database, write-ahead log, log lines, metrics, errors,
events, audit lines of the policy that we ship. The control of the search is that it finds them where nothing is encrypted."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from pilothouse.apiserver.audit.metrics import AuditMetrics
from pilothouse.apiserver.audit.options import AuditOptions, auditor_of
from pilothouse.apiserver.auth.user import ADMIN
from pilothouse.apiserver.registry.encryption import encrypted
from pilothouse.apiserver.storage.encryption.effective import Encryption
from pilothouse.apiserver.storage.sqlite import SqliteStorage
from pilothouse.cluster import encryption as at_rest
from pilothouse.cluster.audit import POLICY
from pilothouse.kit.clock import SystemClock
from pilothouse.kit.entropy import Entropy
from pilothouse.kit.logs import KeyValueFormatter
from pilothouse.kit.secure_random import SecureRandom
from tests.unit.apiserver.serving import Served, serving

PLANTED = ("pl4nted-Value-0ne", "pl4nted-Value-Tw0", "pl4nted-Value-Thr33")
NEEDLES = tuple(needle for value in PLANTED for needle in (value.encode(), base64.b64encode(value.encode()).rstrip(b"=")[:-1]))
SECRETS = "/api/v1/namespaces/default/secrets"
MERGE = {"Content-Type": "application/merge-patch+json"}


def found_in(folder: Path) -> list[str]:
    """The files below a folder that have a planted value."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [path.name for path in files if any(needle in path.read_bytes() for needle in NEEDLES)]


@asynccontextmanager
async def served(folder: Path, *, is_encrypted: bool) -> AsyncIterator[tuple[Served, aiohttp.ClientSession]]:
    (folder / "state").mkdir()
    (folder / "server").mkdir()
    key, policy = folder / "key.yaml", folder / "policy.yaml"
    key.write_bytes(at_rest.first_configuration(SecureRandom()))
    policy.write_text(POLICY)
    encryption = Encryption(SystemClock(), Entropy(), key if is_encrypted else None)
    await encryption.start()
    storage = encrypted(SqliteStorage(folder / "state" / "store.db"), encryption)
    async with serving(folder / "server", user=ADMIN, storage=storage) as server:
        options = {"audit-policy-file": str(policy), "audit-log-path": str(folder / "state" / "audit.log")}
        server.registry.auditor = auditor_of(AuditOptions(options), SystemClock(), Entropy(), AuditMetrics())
        async with aiohttp.ClientSession(server.url) as session:
            yield server, session
            await asyncio.sleep(0.1)
    await storage.close()


async def use(session: aiohttp.ClientSession) -> list[str]:
    """Secrets made, read, changed, refused and removed; the answers other than Secrets themselves."""
    told: list[str] = []

    async def ask(method: str, path: str, body: Any = None, **headers: str) -> Any:
        async with session.request(method, path, json=body, headers=headers) as answer:
            text = await answer.text()
            if answer.status >= 400:
                told.append(text)
            return text

    await ask("POST", "/api/v1/namespaces", {"metadata": {"name": "default"}})
    await ask("POST", "/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "robot"}})
    for number, value in enumerate(PLANTED):
        secret = {"metadata": {"name": f"s{number}"}, "stringData": {"v": value}}
        await ask("POST", SECRETS, secret)
        await ask("POST", SECRETS, secret)  # it is there already
        await ask("POST", SECRETS, {**secret, "metadata": {"name": "BAD"}})
        await ask("PUT", f"{SECRETS}/missing", secret)
        await ask("PATCH", f"{SECRETS}/s{number}", {"stringData": {"other": value}}, **MERGE)
        await ask("GET", f"{SECRETS}/s{number}")
        await ask("GET", f"{SECRETS}?limit=1&fieldSelector=metadata.name%3Ds{number}")
    await ask("POST", "/api/v1/namespaces/default/serviceaccounts/robot/token", {"spec": {}})
    await ask("POST", "/apis/authentication.k8s.io/v1/tokenreviews", {"spec": {"token": PLANTED[0]}})
    await ask("GET", SECRETS, None, Authorization=f"Bearer {PLANTED[1]}")
    await ask("DELETE", f"{SECRETS}/s2")
    told.append(await ask("GET", "/metrics"))
    told.append(await ask("GET", "/api/v1/events"))
    return told


async def test_no_planted_value_is_found(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.handler.setFormatter(KeyValueFormatter())
    async with served(tmp_path, is_encrypted=True) as (_, session):
        told = await use(session)
        while_it_runs = found_in(tmp_path / "state")
    assert while_it_runs == []
    assert found_in(tmp_path / "state") == []
    lines = "\n".join(KeyValueFormatter().format(record) for record in caplog.records)
    for value in PLANTED:
        assert value not in lines, "in the log"
        assert not any(value in answer for answer in told), "in an error, a metric or an event"


async def test_the_search_finds_what_is_not_encrypted(tmp_path: Path) -> None:
    async with served(tmp_path, is_encrypted=False) as (_, session):
        await use(session)
        assert any(name.startswith("store.db") for name in found_in(tmp_path / "state"))


async def test_the_policy_that_is_shipped_records_who_did_what_and_no_body(tmp_path: Path) -> None:
    async with served(tmp_path, is_encrypted=True) as (_, session):
        await use(session)
    events = [json.loads(line) for line in (tmp_path / "state" / "audit.log").read_text().splitlines()]
    assert {event["level"] for event in events} == {"Metadata"}
    assert not any("requestObject" in event or "responseObject" in event for event in events)
    created = [event for event in events if event["verb"] == "create" and event["objectRef"]["resource"] == "secrets"]
    assert created[0]["objectRef"]["name"] == "s0"
