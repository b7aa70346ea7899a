"""TokenRequests beside upstream's server of 1.37: claims, and what is said of requests that are not valid."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import aiohttp

from tests.unit.apiserver.serving import serving

TABLE = json.loads((Path(__file__).parent / "tables" / "token_requests.json").read_text())
NAMESPACE = "/api/v1/namespaces/asked"
POD: dict[str, Any] = {"serviceAccountName": "robot", "automountServiceAccountToken": False, "containers": [{"name": "c", "image": "x"}]}


async def ask(session: aiohttp.ClientSession, path: str, body: Any) -> tuple[int, Any, list[str]]:
    async with session.post(path, json=body) as answer:
        return answer.status, await answer.json(), answer.headers.getall("Warning", [])


async def made(session: aiohttp.ClientSession) -> dict[str, str]:
    """What tokens are bound to; the uids by the names that the table has for them."""
    await ask(session, "/api/v1/namespaces", {"metadata": {"name": "asked"}})
    objects = {
        "robot": (f"{NAMESPACE}/serviceaccounts", {"metadata": {"name": "robot"}}),
        "other": (f"{NAMESPACE}/serviceaccounts", {"metadata": {"name": "other"}}),
        "node": ("/api/v1/nodes", {"metadata": {"name": "here"}}),
        "pod": (f"{NAMESPACE}/pods", {"metadata": {"name": "pod"}, "spec": {**POD, "nodeName": "here"}}),
        "pod2": (f"{NAMESPACE}/pods", {"metadata": {"name": "pod2"}, "spec": {**POD, "nodeName": "gone-n"}}),
        "pod3": (f"{NAMESPACE}/pods", {"metadata": {"name": "pod3"}, "spec": POD}),
        "secret": (f"{NAMESPACE}/secrets", {"metadata": {"name": "s"}}),
    }
    answers = {name: await ask(session, path, body) for name, (path, body) in objects.items()}
    assert {status for status, _, _ in answers.values()} == {201}, answers
    return {name: body["metadata"]["uid"] for name, (_, body, _) in answers.items()}


def shown(status: int, body: Any, warnings: list[str]) -> list[Any]:
    """An answer as the table has it: the claims beside, their times as seconds since the token was issued."""
    if status != 201:
        return [status, [body.get("message"), body.get("reason")], warnings]
    claims = json.loads(base64.urlsafe_b64decode(body["status"]["token"].split(".")[1] + "=="))
    for place, name in ((claims, "exp"), (claims, "nbf"), (claims["kubernetes.io"], "warnafter")):
        if name in place:
            place[name] -= claims["iat"]
    claims |= {"iat": 0, "jti": "x"}
    status_ = {"token": "<token>", "expirationTimestamp": "<time>"}
    left = {name: value for name, value in body.items() if name != "metadata"}
    return [status, {**left, "status": status_, "claims": claims}, warnings]


async def test_answers_are_upstreams(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, aiohttp.ClientSession(served.url) as session:
        uids = await made(session)
        differences = []
        for row in TABLE:
            body = json.loads(json.dumps({"spec": row["spec"], "metadata": row.get("metadata", {})}).replace("NODE", "here"))
            answer = await ask(session, f"{NAMESPACE}/serviceaccounts/{row.get('account', 'robot')}/token", body)
            text = json.dumps(shown(*answer)).replace("asked", "NAMESPACE").replace('"here"', '"NODE"').replace('\\"here\\"', '\\"NODE\\"')
            for name, uid in uids.items():
                text = text.replace(uid, f"<{name}>")
            if json.loads(text) != row["answer"]:
                differences.append((row["case"], json.loads(text), row["answer"]))
        assert differences == []
