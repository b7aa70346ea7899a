"""Values in the store that cannot be decoded fail their own objects, in upstream's words (KEP-3926), and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from pilothouse.api.types.core_v1 import ConfigMap
from pilothouse.apiserver.auth.user import ADMIN
from pilothouse.client.client import Client
from pilothouse.client.informer import Informer, keys_of
from pilothouse.kit.clock import SystemClock
from pilothouse.machinery.errors import StatusError
from pilothouse.machinery.meta_v1 import Status, StatusCause, StatusDetails
from tests.unit.apiserver.serving import Served, serving

MAPS = "/api/v1/namespaces/default/configmaps"
KEY = "/registry/configmaps/default/bad"
VALUE = b'{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":5}}'
PROBLEM = "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.name of type string"
IGNORE = "ignoreStoreReadErrorWithClusterBreakingPotential"
Place = tuple[Served, aiohttp.ClientSession, int]


@pytest.fixture(params=["before it is read", "when it is shown already"])
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    """A server whose store has one good and one bad ConfigMap; the revision of the bad one."""
    async with serving(tmp_path, user=ADMIN) as served, aiohttp.ClientSession(served.url) as session:
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}}
        await session.post("/api/v1/namespaces", json=namespace)
        storage = served.registry.store.storage
        expected = 0
        if request.param == "when it is shown already":
            made = await answered(session, "POST", MAPS, {"metadata": {"name": "bad"}, "data": {"a": "b"}})
            expected = int(made[1]["metadata"]["resourceVersion"])
        revision = await storage.commit(KEY, VALUE, expected)
        await served.registry.store.caches.wait_for_revision(revision)
        await answered(session, "POST", MAPS, {"metadata": {"name": "good"}, "data": {"a": "b"}})
        yield served, session, revision


async def answered(session: aiohttp.ClientSession, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
    async with session.request(method, path, json=body, headers=headers) as answer:
        return answer.status, await answer.json()


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_the_object_cannot_be_read(place: Place, method: str) -> None:
    code, status = await answered(place[1], method, f"{MAPS}/bad")
    key = KEY.removeprefix("/registry")
    text = f"StorageError: corrupt object, Code: 7, Key: {key}, ResourceVersion: 0, AdditionalErrorMsg: object not decodable revision="
    assert (code, status["reason"]) == (500, "InternalError")
    assert status["message"] == f"Internal error occurred: {text}{place[2]}: {PROBLEM}"


@pytest.mark.parametrize("path", [MAPS, "/api/v1/configmaps", f"{MAPS}?limit=1"])
async def test_a_consistent_list_of_its_kind_fails(place: Place, path: str) -> None:
    code, status = await answered(place[1], "GET", path)
    text = f"StorageError: corrupt object, Code: 7, Key: {KEY}, ResourceVersion: 0, AdditionalErrorMsg: object not decodable revision="
    assert (code, status["reason"], status["details"]["name"]) == (500, "StorageReadError", "list")
    assert status["message"] == f"failed to read one or more configmaps from the storage: {text}{place[2]}: {PROBLEM}"
    assert [cause["field"] for cause in status["details"]["causes"]] == [KEY]


async def test_others_are_read_and_written(place: Place) -> None:
    assert (await answered(place[1], "GET", f"{MAPS}/good"))[0] == 200
    code, listed = await answered(place[1], "GET", f"{MAPS}?resourceVersion=0")
    assert (code, [item["metadata"]["name"] for item in listed["items"] if item["metadata"]["name"] != "bad"]) == (200, ["good"])
    assert (await answered(place[1], "GET", "/api/v1/namespaces"))[0] == 200
    assert (await answered(place[1], "POST", MAPS, {"metadata": {"name": "new"}}))[0] == 201


@pytest.mark.parametrize(
    ("method", "body", "headers"),
    [("PUT", {"metadata": {"name": "bad"}}, {}), ("PATCH", {"data": {"x": "y"}}, {"Content-Type": "application/merge-patch+json"})],
)
async def test_it_cannot_be_changed(place: Place, method: str, body: Any, headers: dict[str, str]) -> None:
    code, status = await answered(place[1], method, f"{MAPS}/bad", body, **headers)
    assert (code, status["message"]) == (500, f"object not decodable revision={place[2]}: {PROBLEM}")


async def test_its_name_is_taken(place: Place) -> None:
    code, status = await answered(place[1], "POST", MAPS, {"metadata": {"name": "bad"}})
    assert (code, status["message"]) == (409, 'configmaps "bad" already exists')


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gracePeriodSeconds": 5}, "cannot be set together with .gracePeriodSeconds"),
        ({"propagationPolicy": "Orphan"}, "cannot be set together with .propagationPolicy"),
        ({"orphanDependents": True}, "cannot be set together with .orphanDependents"),
        ({"preconditions": {"uid": "x"}}, "cannot be set together with .preconditions"),
    ],
)
async def test_its_removal_goes_with_no_other_option(place: Place, options: dict[str, Any], message: str) -> None:
    code, status = await answered(place[1], "DELETE", f"{MAPS}/bad", {IGNORE: True, **options})
    assert code == 422
    assert status["message"] == f'DeleteOptions.meta.k8s.io "" is invalid: {IGNORE}: Invalid value: true: {message}'


async def test_it_is_removed_by_the_option_made_for_it(place: Place) -> None:
    session = place[1]
    removed = {"name": "bad", "kind": "ConfigMap"}
    code, status = await answered(session, "DELETE", f"{MAPS}/bad?{IGNORE}=true&dryRun=All")
    assert (code, status["status"], status["details"]) == (200, "Success", removed)
    assert (await answered(session, "GET", f"{MAPS}/bad"))[0] == 500
    code, status = await answered(session, "DELETE", f"{MAPS}/bad", {IGNORE: True})
    assert (code, status["status"], status["details"]) == (200, "Success", removed)
    code, listed = await answered(session, "GET", MAPS)
    assert code == 200
    assert "good" in [item["metadata"]["name"] for item in listed["items"]]


async def test_what_can_be_read_is_not_removed_by_it(place: Place) -> None:
    code, status = await answered(place[1], "DELETE", f"{MAPS}/good", {IGNORE: True})
    assert code == 409
    assert status["message"].endswith("unsafe deletion is not allowed because the object is decodable from storage")
    assert (await answered(place[1], "DELETE", f"{MAPS}/nobody", {IGNORE: True}))[0] == 404


async def test_informers_go_on_with_the_others(place: Place) -> None:
    client = Client(place[0].registry.transport(ADMIN))
    informer = Informer(client, ConfigMap, clock=SystemClock())
    task = asyncio.ensure_future(informer.run())
    await asyncio.wait_for(informer.synced.wait(), 10)
    assert informer.get("default", "good") is not None
    task.cancel()


def test_what_a_list_could_not_read_is_named_by_its_causes() -> None:
    details = StatusDetails(causes=[StatusCause(field=KEY), StatusCause(field="/registry/minions/n1")])
    error = StatusError(Status(details=details))
    assert {("default", "bad"), ("", "n1")} <= set(keys_of(error))
