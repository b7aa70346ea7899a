"""A ControllerRevision's data through every verb, as a kube-apiserver 1.37 answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.apiserver.serving import Caller, calling

PATH = "/apis/apps/v1/namespaces/default/controllerrevisions"
DATA = b'{"z":1,"b":{"y":"<","a":1e3}}'
KEPT = rb'{"z":1,"b":{"y":"\u003c","a":1e3}}'
SORTED = rb'{"b":{"a":1000,"y":"\u003c"},"z":1}'
JSON, MERGE, STRATEGIC, APPLY = (
    f"application/{kind}" for kind in ("json-patch+json", "merge-patch+json", "strategic-merge-patch+json", "apply-patch+yaml")
)


def body(data: bytes) -> bytes:
    return b'{"apiVersion":"apps/v1","kind":"ControllerRevision","metadata":{"name":"a"},"revision":1,"data":' + data + b"}"


async def made(call: Caller, data: bytes = DATA) -> None:
    answer = await call("POST", PATH, body(data), Content_Type="application/json")
    assert answer.status == 201, answer.body


async def test_it_comes_back_as_it_was_sent(tmp_path: Path) -> None:
    async with calling(tmp_path) as call:
        await made(call)
        got = await call("GET", f"{PATH}/a")
        assert KEPT in got.body
        assert b'"f:data":{}' in got.body
        assert KEPT in (await call("GET", PATH)).body
        protobuf = await call("GET", f"{PATH}/a", Accept="application/vnd.kubernetes.protobuf")
        assert KEPT in protobuf.body
        put = await call("PUT", f"{PATH}/a", got.body, Content_Type="application/json")
        assert (put.status, KEPT in put.body) == (200, True)


@pytest.mark.parametrize(
    ("kind", "patch"),
    [(JSON, b'[{"op":"add","path":"/metadata/labels","value":{"a":"b"}}]'), (MERGE, b'{"metadata":{"labels":{"a":"b"}}}')],
    ids=["json", "merge"],
)
async def test_patches_of_other_fields_leave_it(tmp_path: Path, kind: str, patch: bytes) -> None:
    async with calling(tmp_path) as call:
        await made(call)
        answer = await call("PATCH", f"{PATH}/a", patch, Content_Type=kind)
        assert (answer.status, KEPT in answer.body) == (200, True), answer.body


async def test_a_strategic_patch_writes_it_anew(tmp_path: Path) -> None:
    """So that it succeeds only where the data was written as Go writes it."""
    patch = b'{"metadata":{"labels":{"a":"b"}}}'
    async with calling(tmp_path) as call:
        await made(call)
        answer = await call("PATCH", f"{PATH}/a", patch, Content_Type=STRATEGIC)
        message = 'ControllerRevision.apps "a" is invalid: data: Invalid value: ' + SORTED.decode() + ": field is immutable"
        assert (answer.status, answer.json()["message"]) == (422, message)
        await call("DELETE", f"{PATH}/a")
        await made(call, SORTED)
        answer = await call("PATCH", f"{PATH}/a", patch, Content_Type=STRATEGIC)
        assert (answer.status, SORTED in answer.body) == (200, True), answer.body


async def test_an_apply_owns_it_as_a_whole(tmp_path: Path) -> None:
    async with calling(tmp_path) as call:
        for code in (201, 200):
            answer = await call("PATCH", f"{PATH}/a?fieldManager=m", body(DATA), Content_Type=APPLY)
            assert (answer.status, SORTED in answer.body, b'"f:data":{}' in answer.body) == (code, True, True), answer.body


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"[1]", "data must be a valid JSON object"),
        (b'"x"', "data must be a valid JSON object"),
        (b"1", "data must be a valid JSON object"),
        (b"null", "data is mandatory"),
    ],
)
async def test_it_must_be_an_object(tmp_path: Path, data: bytes, problem: str) -> None:
    async with calling(tmp_path) as call:
        answer = await call("POST", PATH, body(data), Content_Type="application/json")
        assert (answer.status, answer.json()["message"]) == (
            422,
            f'ControllerRevision.apps "a" is invalid: data: Required value: {problem}',
        )
