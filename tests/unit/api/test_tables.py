"""Every kind's documents, each wrong once, as kube-apiserver 1.37 answered them: the statuses, all problems in
their order and words, the warnings, and what the server made of what is right.

A row sends its `of` document (`create`), or its stored self (`update`, or a subresource), changed by `with`: places and
their new values, or none where the place goes. `made` is what the answer has beyond what was sent. Nothing is kept but
the stored documents and the rows that say so.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.unit.apiserver.serving import Caller, calling

TABLES = Path(__file__).parent / "tables"
GONE = "(gone)"
CONFLICT = 409
SETTLE_SECONDS = 0.02
SERVERS = ("uid", "creationTimestamp", "resourceVersion", "managedFields")
SURROUNDINGS = (
    ("/api/v1/namespaces", {"metadata": {"name": "compare"}}),
    ("/api/v1/namespaces/compare/serviceaccounts", {"metadata": {"name": "default"}}),
    ("/apis/scheduling.k8s.io/v1/priorityclasses", {"metadata": {"name": "prio"}, "value": 77}),
    ("/apis/node.k8s.io/v1/runtimeclasses", {"metadata": {"name": "rc"}, "handler": "runc"}),
)


@pytest.mark.parametrize("group", sorted(folder.name for folder in TABLES.iterdir()))
def test_every_document_is_answered_as_upstream_answers_it(group: str) -> None:
    tables = {path.stem: json.loads(path.read_text()) for path in sorted((TABLES / group).iterdir())}
    wrong = asyncio.run(differences(tables))
    assert not wrong, "\n".join(wrong)


async def differences(tables: dict[str, Any]) -> list[str]:
    found = []
    with tempfile.TemporaryDirectory() as folder:
        async with calling(Path(folder)) as call:
            for path, body in SURROUNDINGS:
                await call("POST", path, body)
            for kind, table in tables.items():
                found += [f"{kind}: {line}" async for line in differences_of(table, call)]
    return found


async def differences_of(table: dict[str, Any], call: Caller) -> AsyncIterator[str]:
    path = table["path"]
    stored: dict[str, Any] = {}
    query = "" if path.endswith("reviews") else "?dryRun=All"
    for row in table["rows"]:
        of, document = row["of"], table["documents"][row["of"]]
        if row["to"] == "create":
            method, place, sent = "POST", path + query, changed(document, row.get("with", []))
        else:
            name = table["stored"][of]
            if of not in stored:
                named = {**document, "metadata": {**document["metadata"], "name": name}}
                await call("POST", path, named)
                stored[of] = await settled(f"{path}/{name}", call)
            sub = "" if row["to"] == "update" else f"/{row['to']}"
            method, place = "PUT", f"{path}/{name}{sub}{'' if row.get('keep') else query}"
            sent = changed(stored[of], row.get("with", []))
        answer = await call(method, place, sent)
        if answer.status == CONFLICT != row["status"]:  # a controller of the server has written meanwhile
            newest = (await call("GET", f"{path}/{table['stored'][of]}")).json()["metadata"]["resourceVersion"]
            sent["metadata"]["resourceVersion"] = stored[of]["metadata"]["resourceVersion"] = newest
            answer = await call(method, place, sent)
        if row.get("keep"):
            stored[of] = answer.json()
            continue
        expected = {"status": row["status"], "says": row.get("says", []), "made": row.get("made", {}), "warns": row.get("warns", [])}
        given = summary(answer, sent)
        if given != expected:
            yield f"{of} {row['to']} {row['is']}: " + "; ".join(
                f"{part} is {given[part]!r}, not {expected[part]!r}" for part in expected if given[part] != expected[part]
            )
    for one in stored.values():
        await call("DELETE", f"{path}/{one['metadata']['name']}?gracePeriodSeconds=0")


async def settled(path: str, call: Caller) -> dict[str, Any]:
    """An object that controllers of the server have written what they write."""
    before: dict[str, Any] = {}
    while True:
        now: dict[str, Any] = (await call("GET", path)).json()
        if now == before:
            return now
        before = now
        await asyncio.sleep(SETTLE_SECONDS)


def summary(answer: Any, sent: dict[str, Any]) -> dict[str, Any]:
    body = answer.json()
    warnings = sorted(answer.headers.getall("Warning", []))
    if answer.status >= 400:
        causes = [f"{cause.get('field')}: {cause.get('message')}" for cause in (body.get("details") or {}).get("causes", [])]
        return {"status": answer.status, "says": causes or [body["message"]], "made": {}, "warns": warnings}
    return {"status": answer.status, "says": [], "made": made(sent, body), "warns": warnings}


def made(sent: dict[str, Any], answered: dict[str, Any]) -> dict[str, Any]:
    """What the server added, changed and took away, by place."""
    before, after = dict(leaves(sent)), dict(leaves(answered))
    gone = {place: GONE for place in before if not any(each == place or each.startswith(place + "/") for each in after)}
    new = {place: value for place, value in after.items() if place not in before or repr(before[place]) != repr(value)}
    own = ("kind", "apiVersion", *(f"metadata/{name}" for name in SERVERS))
    return {place: value for place, value in {**gone, **new}.items() if not place.startswith(own)}


def leaves(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    if value and isinstance(value, dict | list):
        for step, each in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(each, f"{place}/{step}" if place else str(step))
    else:
        yield place, value


def changed(document: dict[str, Any], changes: list[list[Any]]) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(json.dumps(document))
    for place, *values in json.loads(json.dumps(changes)):
        change(result, [step.replace("~1", "/").replace("~0", "~") for step in place.split("/")], values)
    return result


def change(at: Any, steps: list[str], values: list[Any]) -> None:
    """Go to a place, making what is not there on the way, and set it, or take it away."""
    for step, following in pairwise(steps):
        if isinstance(at, dict):
            at = at.setdefault(step, [] if following.isdigit() else {})
        else:
            if int(step) >= len(at):
                at.append({})
            at = at[int(step)]
    last = steps[-1]
    if isinstance(at, list):
        at[int(last) : int(last) + 1] = values
    elif values:
        at[last] = values[0]
    else:
        at.pop(last, None)
