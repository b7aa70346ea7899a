"""461 requests that grant rights, one after the other, answered as kube-apiserver 1.37 answered them: status, reason and message.

People write roles and bindings in every way (create, update, three patches, apply, dry run) with more or less than they hold.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import aiohttp

from tests.unit.apiserver.serving import serving

STEPS = [json.loads(line) for line in (Path(__file__).parent / "tables" / "escalation.jsonl").read_text().splitlines()]


async def outcome(session: aiohttp.ClientSession, step: dict[str, Any]) -> dict[str, Any]:
    headers = [("Content-Type", step["type"])]
    headers += [("Impersonate-User", step["user"])] if step["user"] else []
    headers += [("Impersonate-Group", group) for group in step.get("groups", ())]
    data = None if step["body"] is None else json.dumps(step["body"]).encode()
    async with session.request(step["verb"], step["path"], data=data, headers=headers) as response:
        if response.status < 300:
            return {"code": response.status}
        text = await response.text()
        said = json.loads(text) if text.startswith("{") else {"message": text}
        return {"code": response.status, "reason": said.get("reason", ""), "message": said["message"]}


async def test_nobody_grants_more_than_he_has(tmp_path: Path) -> None:
    differing = []
    async with serving(tmp_path) as served, aiohttp.ClientSession(served.url, skip_auto_headers={"User-Agent"}) as session:
        for number, step in enumerate(STEPS):
            expected = {name: step[name] for name in ("code", "reason", "message") if name in step}
            found = await outcome(session, step)
            if found != expected:
                differing.append((number, step["user"], step["verb"], step["path"], expected, found))
    assert differing == []
    assert len(STEPS) == 461
