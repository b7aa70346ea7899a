"""Lists, reads and watches in the forms that client libraries ask for, as kube-apiserver 1.37.2 answers them (client_forms.json)."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from tests.unit.apiserver.extensions.definitions import with_condition
from tests.unit.apiserver.http.client_forms import GROUP, OBJECTS, ROWS, SETUP, normal
from tests.unit.apiserver.serving import Caller, calling

RECORDED: dict[str, Any] = json.loads(Path(__file__).with_name("client_forms.json").read_text())
AT_ONCE = 8


async def seen(call: Caller, path: str, accept: str) -> Any:
    answer = await call("GET", path, Accept=accept)
    return normal(answer.status, answer.headers.get("Content-Type", ""), answer.body)


async def test_answers_are_upstreams(tmp_path: Path) -> None:
    async with calling(tmp_path) as call:
        for path, obj in SETUP:
            assert (await call("POST", path, obj)).status == 201
        await with_condition(call, f"forms.{GROUP}", "Established")
        for path, obj in OBJECTS:
            assert (await call("POST", path, obj, User_Agent="unknown")).status == 201
        limit = asyncio.Semaphore(AT_ONCE)

        async def row(name: str) -> Any:
            async with limit:
                return await seen(call, *ROWS[name])

        found = dict(zip(ROWS, await asyncio.gather(*map(row, ROWS)), strict=True))
    assert found.keys() == RECORDED.keys()
    wrong = {name: (found[name], RECORDED[name]) for name in ROWS if found[name] != RECORDED[name]}
    assert not wrong
