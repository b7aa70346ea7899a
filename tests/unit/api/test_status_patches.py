"""A patch of a status and a PUT of the same status are answered alike, by every kind, whichever field of it is missing."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from tests.unit.api.test_tables import SURROUNDINGS, TABLES, settled, summary
from tests.unit.apiserver.serving import Caller, calling


def test_a_status_is_patched_as_it_is_put() -> None:
    counts, wrong = asyncio.run(differences())
    assert not wrong, "\n".join(wrong)
    assert sum(counts.values()) > 200
    assert {"services", "nodes", "deployments"} <= counts.keys()


async def differences() -> tuple[dict[str, int], list[str]]:
    counts: dict[str, int] = {}
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        async with calling(Path(folder)) as call:
            for path, body in SURROUNDINGS:
                await call("POST", path, body)
            for file in sorted(TABLES.glob("*/*.json")):
                table = json.loads(file.read_text())
                collection = table["path"].rpartition("/")[2]
                if "full" in table["documents"] and "status" in table["documents"]["full"]:
                    async for problem in differences_of(table["path"], table["documents"]["full"], call):
                        counts[collection] = counts.get(collection, 0) + 1
                        wrong += [f"{collection}: {problem}"] if problem else []
    return counts, wrong


async def differences_of(path: str, document: dict[str, Any], call: Caller) -> AsyncIterator[str]:
    """A text, empty where there is no difference, for each field of the document's status."""
    created = await call("POST", path, document)
    place = f"{path}/{document['metadata']['name']}"
    if created.status != 201 or (await call("GET", f"{place}/status")).status != 200:
        return
    stored = await settled(place, call)
    for status in without_a_leaf(document["status"]):
        version = (await call("GET", place)).json()["metadata"]["resourceVersion"]
        whole = {
            **stored,
            "metadata": {**stored["metadata"], "resourceVersion": version},
            "status": merged(stored.get("status", {}), status),
        }
        put = await call("PUT", f"{place}/status?dryRun=All", whole)
        patched = await call("PATCH", f"{place}/status?dryRun=All", {"status": status}, Content_Type="application/merge-patch+json")
        told, other = (summary(answer, whole) for answer in (put, patched))
        yield "" if told == other else f"{status}: PUT {told}, PATCH {other}"
    await call("DELETE", f"{place}?gracePeriodSeconds=0")


def merged(before: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """What a merge patch makes of a value."""
    changes = {key: merged(before.get(key) or {}, each) if isinstance(each, dict) else each for key, each in patch.items()}
    return before | changes


def without_a_leaf(value: Any) -> Iterator[Any]:
    """The value as often as it has leaves, each time with another one gone."""
    for key, each in value.items() if isinstance(value, dict) else enumerate(value):
        for smaller in without_a_leaf(each) if isinstance(each, dict | list) and each else (None,):
            copy = value.copy()
            if smaller is None:
                del copy[key]
            else:
                copy[key] = smaller
            yield copy
