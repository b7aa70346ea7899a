"""Requests about custom kinds, definitions, webhooks and policies, as kube-apiserver 1.37 answered them: each table in its order, on one
server. What a server chooses by itself is masked; the order of fields, and of what an object's schema refuses, is not compared.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.apiserver.extensions.definitions import DEFINITIONS
from tests.unit.apiserver.serving import Answer, Caller, calling

TABLES = Path(__file__).parent / "tables"
NAMESPACE = "ext-hunt"
AGE = (r'"(\d+[smh]|<invalid>)"', '"AGE"')
MASKS = (
    (r'"(uid|resourceVersion|creationTimestamp|deletionTimestamp|time|lastTransitionTime|continue)":( ?)("[^"]*"|null)', r'"\1":"*"'),
    (r'(resourceVersion\\*":\\*")\d+', r"\1*"),
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}", "*"),
    (r"20[2-9]\d-\d\d-\d\dT[0-9:]+Z", "TIME"),
    (r'(resourceVersion: "|in record \(|current: )\d+', r"\1*"),
    (r"\bA-[a-z0-9]{5}\b", "A-*"),
)
Map = dict[str, Any]


def summary(status: int, content_type: str, warnings: list[str], text: str) -> Map:
    """An answer as tables have it."""
    for pattern, instead in (*MASKS, *([AGE] if '"kind":"Table"' in text else [])):
        text = re.sub(pattern, instead, text)
    found = [normal(document) for document in documents(text)]
    return {"status": status, "type": content_type, **({"warnings": warnings} if warnings else {}), "body": found}


def documents(text: str) -> Iterator[Any]:
    """The JSON documents that a body holds one after another, or the whole as text."""
    decoder, at = json.JSONDecoder(), 0
    while at < len(text.rstrip()):
        try:
            value, at = decoder.raw_decode(text, at)
        except ValueError:
            yield text[at:]
            return
        yield value
        while at < len(text) and text[at].isspace():
            at += 1


def normal(value: Any) -> Any:
    """A document without prose; the problems of an object in one order, for upstream looks at its fields at random; managers, too, whose
    order is that of the seconds in which they wrote."""
    if not isinstance(value, dict):
        return value
    for column in value.get("columnDefinitions", ()):
        column.pop("description", None)
    for document in (value, *(value.get("items") or ())):
        managers = (document.get("metadata") or {}).get("managedFields") or []
        managers.sort(key=lambda entry: (entry.get("manager", ""), entry["operation"], entry.get("subresource", "")))
    details = value.get("details")
    if value.get("kind") == "Status" and isinstance(details, dict) and len(details.get("causes") or ()) > 1:
        details["causes"].sort(key=lambda cause: (cause.get("field", ""), cause.get("message", "")))
        value["message"] = value["message"].partition("[")[0]  # the causes say the rest
    return value


@pytest.mark.parametrize("table", sorted(path.stem for path in TABLES.glob("*.jsonl")))
async def test_every_request_is_answered_as_upstream_answers_it(table: str, tmp_path: Path) -> None:
    rows = [json.loads(line) for line in (TABLES / f"{table}.jsonl").read_text().splitlines()]
    wrong = []
    async with calling(tmp_path) as call:
        await call("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
        for row in rows:
            given = await answered(call, *row["send"])
            if row["send"][1].startswith(DEFINITIONS):
                await settled(call)
            row["answer"]["body"] = [normal(document) for document in row["answer"]["body"]]
            if given != row["answer"]:
                wrong.append(f"{row['send']}\n  is answered {given}\n  not         {row['answer']}")
    assert not wrong, f"{len(wrong)} of {len(rows)}:\n" + "\n".join(wrong[:5])


async def answered(call: Caller, method: str, path: str, body: Any, content_type: str, accept: str) -> Map:
    sent = None if body is None else (body if isinstance(body, str) else json.dumps(body)).encode()
    types = {"Content_Type": content_type} if body is not None else {}
    answer: Answer = await call(method, path, sent, Accept=accept, User_Agent="hunt/1", **types)
    warnings = sorted(answer.headers.getall("Warning", []))
    return summary(answer.status, answer.headers.get("Content-Type", ""), warnings, answer.body.decode(errors="replace"))


async def settled(call: Caller) -> None:
    """Return when two looks at the definitions show the same."""
    before = b""
    for _ in range(100):
        await asyncio.sleep(0.03)
        now = (await call("GET", DEFINITIONS)).body
        if now == before:
            return
        before = now
    raise AssertionError("the definitions do not come to rest")
