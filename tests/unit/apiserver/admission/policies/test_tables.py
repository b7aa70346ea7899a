"""Policies with their bindings, and requests under them, as kube-apiserver 1.37 answered them: status, reason, message, warnings, and what
the answer has beyond what was sent.

Each row has a namespace of its own, whose name stands for `NS`; `refused` are the messages of its policies that could not be made.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest

from tests.unit.api.test_tables import made
from tests.unit.apiserver.serving import Answer, Caller, calling

TABLES = Path(__file__).parent / "tables"
API = "/apis/admissionregistration.k8s.io/v1"
PLURALS = {
    "ValidatingAdmissionPolicy": "validatingadmissionpolicies",
    "ValidatingAdmissionPolicyBinding": "validatingadmissionpolicybindings",
    "MutatingAdmissionPolicy": "mutatingadmissionpolicies",
    "MutatingAdmissionPolicyBinding": "mutatingadmissionpolicybindings",
}
NOISE = ("uid", "creationTimestamp", "resourceVersion", "managedFields", "generation")


@pytest.mark.parametrize("table", sorted(path.stem for path in TABLES.iterdir()))
def test_every_request_is_answered_as_upstream_answers_it(table: str) -> None:
    rows = json.loads((TABLES / f"{table}.json").read_text())
    wrong = asyncio.run(differences(rows))
    assert not wrong, "\n".join(wrong)


async def differences(rows: list[dict[str, Any]]) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        async with calling(Path(folder)) as call:
            return [line for index, row in enumerate(rows) for line in await differences_of(row, f"case-{index}", call)]


async def differences_of(row: dict[str, Any], namespace: str, call: Caller) -> list[str]:
    row = json.loads(json.dumps(row).replace("NS", namespace))
    found = []
    await call("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
    await call("POST", f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": "default"}})
    for config in row.get("objects", []):
        await call("POST", f"/api/v1/namespaces/{namespace}/configmaps", config)
    configured = [*row.get("policies", []), *row.get("bindings", [])]
    answers = [await call("POST", f"{API}/{PLURALS[one['kind']]}", one) for one in configured]
    refused = [answer.json()["message"] for answer in answers if answer.status != 201]
    if refused != row.get("refused", []):
        found.append(f"{row['is']}: refused are {refused}, not {row.get('refused', [])}")
    for expected in row["requests"]:
        method, path, body, *kind = expected.pop("send")
        answer = await call(method, path, body, **({"Content_Type": kind[0]} if kind else {}))
        given = summary(answer, body)
        if given != expected:
            found.append(f"{row['is']}: {method} {path} gives {given}, not {expected}")
    for one in configured:
        await call("DELETE", f"{API}/{PLURALS[one['kind']]}/{one['metadata']['name']}")
    return found


def summary(answer: Answer, sent: dict[str, Any] | None) -> dict[str, Any]:
    body = answer.json()
    given: dict[str, Any] = {"status": answer.status}
    if body.get("kind") == "Status":
        given |= {name: body[name] for name in ("reason", "message") if name in body}
    else:
        for name in NOISE:
            body.get("metadata", {}).pop(name, None)
        given |= {"made": changes} if (changes := made(sent or {}, body)) else {}
    warnings = sorted(answer.headers.getall("Warning", []))
    return given | ({"warnings": warnings} if warnings else {})
