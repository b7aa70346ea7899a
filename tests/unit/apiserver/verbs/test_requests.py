"""Requests of all verbs as kube-apiserver 1.37 answered them: forms, options, selectors, bodies, deletes, paths.

A line of a file in tables/ is a request and its answer, with what a server chooses by itself masked; long answers are known by their
status alone. They are sent in their order: the first ones make what the others ask for.
"""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from yarl import URL

from pilothouse.apiserver.auth.user import User
from tests.unit.apiserver.serving import calling

TABLES = sorted((Path(__file__).parent / "tables").glob("*.jsonl"))
WHO = User("administrator", "administrator", groups=("system:masters", "system:authenticated"))
MASKS = (
    (r'"(uid|resourceVersion|creationTimestamp|deletionTimestamp|time)":"[^"]*"', r'"\1":"*"'),
    (r'"(\d+[smhd])+"', '"AGE"'),
    (r"kube-api-access-\w{5}", "kube-api-access-*"),
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "UUID"),
    (r"20\d\d-\d\d-\d\dT[0-9:]{8}Z", "TIME"),
    (r"record \(\d+\)", "record (N)"),
    (r"resourceVersion: .\d+.", "resourceVersion: N"),
)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.stem)
def test_requests_are_answered_as_upstream_answers_them(table: Path, tmp_path: Path) -> None:
    wrong = asyncio.run(differences(list(map(json.loads, table.read_text().splitlines())), tmp_path))
    assert not wrong, "\n".join(wrong)


async def differences(rows: list[dict[str, Any]], folder: Path) -> list[str]:
    """The requests that are answered otherwise."""
    wrong = []
    async with calling(folder, user=WHO) as call, aiohttp.ClientSession() as session:
        for row in rows:
            given = await answer_of(session, call.url, row)
            expected = {name: row[name] for name in ("status", "answer", "warnings") if name in row}
            different = [f"{name} is {given[name]!r}, not {value!r}" for name, value in expected.items() if given[name] != value]
            if different:
                wrong.append(f"{row['method']} {row['path']} {row.get('body', '')}: {'; '.join(different)}")
    return wrong


async def answer_of(session: aiohttp.ClientSession, url: str, row: dict[str, Any]) -> dict[str, Any]:
    headers = {"Accept": row.get("accept", "application/json"), "User-Agent": "cmp/1"}
    body = row.get("body")
    if body is not None:
        headers["Content-Type"] = row.get("type", "application/json")
    data = None if body is None else body.encode()
    skip = ("Content-Type",) if body is None else ()
    async with session.request(
        row["method"], URL(url + row["path"], encoded=True), data=data, headers=headers, skip_auto_headers=skip
    ) as response:
        return {
            "status": response.status,
            "answer": masked((await response.read()).decode().rstrip()),
            "warnings": response.headers.getall("Warning", []),
        }


def masked(text: str) -> str:
    for pattern, instead in MASKS:
        text = re.sub(pattern, instead, text)
    return text
