"""1,274 requests by 14 identities, answered as kube-apiserver 1.37 answered them: status, message, decision.

Two nodes with their Pods, volumes, claims, Leases and slices. Who asks: both kubelets, users who only look like one, a machine that
joins, components, controllers, people with `view`, `edit` and `admin` in a namespace, and nobody. Writes are dry runs, so that each
request meets the same world.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import aiohttp

from tests.unit.apiserver.serving import serving

LINES = [json.loads(line) for line in (Path(__file__).parent / "tables" / "requests.jsonl").read_text().splitlines()]
WHO = LINES[0]["who"]
SETUP = [line["setup"] for line in LINES if "setup" in line]
REQUESTS = [line for line in LINES if "answers" in line]
UID_OF = re.compile(r"\$UID\(([^)]*)\)")
UID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
SHOWN = ("allowed", "denied", "reason", "incomplete", "evaluationError", "error")
OTHERS = {("the-edit", "/api/v1/namespaces/na/pods/p1/log"): "this server knows no kubelets, the other one no address of the node"}


class World:
    """A served API and who asks it."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session
        self._uids: dict[str, str] = {}

    async def ask(self, verb: str, path: str, body: Any = None, type_: str = "application/json", who: Any = None) -> tuple[int, Any]:
        headers = [("Content-Type", type_)]
        if who is not None:
            headers += [("Impersonate-User", who[0]), *(("Impersonate-Group", group) for group in who[1])]
        data = None if body is None else await self._filled(json.dumps(body))
        async with self._session.request(verb, path, data=data, headers=headers) as response:
            text = await response.text()
            return response.status, json.loads(text) if text.startswith("{") else {"message": text}

    async def _filled(self, text: str) -> str:
        """With the uids of the objects that it names by their paths."""
        for path in set(UID_OF.findall(text)) - set(self._uids):
            self._uids[path] = (await self.ask("GET", path))[1].get("metadata", {}).get("uid", "")
        return UID_OF.sub(lambda match: self._uids[match[1]], text)


def shown(code: int, said: Any) -> dict[str, Any]:
    if code >= 300:
        return {"code": code, "message": UID.sub("U", said["message"])}
    if said.get("kind", "").endswith("Review"):
        return {"code": code, "status": {name: said["status"][name] for name in SHOWN if name in said["status"]}}
    return {"code": code}


async def test_everybody_is_answered_as_by_upstream(tmp_path: Path) -> None:
    differing = []
    async with serving(tmp_path) as served, aiohttp.ClientSession(served.url, skip_auto_headers={"User-Agent"}) as session:
        world = World(session)
        for verb, path, body in SETUP:
            assert (await world.ask(verb, path, body))[0] == 201, path
        for line in REQUESTS:
            for name, expected in line["answers"].items():
                if (name, line["path"]) in OTHERS:
                    continue
                answer = shown(*await world.ask(line["verb"], line["path"], line["body"], line["type"], WHO[name]))
                if answer != expected:
                    differing.append((name, line["verb"], line["path"], expected, answer))
    assert differing == []


def test_the_table_is_whole() -> None:
    answers = [answer for line in REQUESTS for answer in line["answers"].values()]
    assert (len(REQUESTS), len(answers), len(WHO)) == (255, 1274, 14)
    assert {answer["code"] for answer in answers} >= {200, 201, 403, 404, 409, 422}
