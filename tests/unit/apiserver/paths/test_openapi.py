"""The OpenAPI documents over HTTP: in which form, under which hash."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.apiserver.serving import calling

JSON = "application/json"
PROTOBUF = "application/com.github.proto-openapi.spec.v3.v1.0+protobuf"
OLD = "application/com.github.proto-openapi.spec.v3@v1.0+protobuf"
FORMS = {
    "any": ("*/*", 200, JSON),
    "JSON": (JSON, 200, JSON),
    "protobuf": (PROTOBUF, 200, PROTOBUF),
    "protobuf by its older name": (OLD, 200, PROTOBUF),
    "protobuf before JSON": (f"{PROTOBUF}, {JSON}", 200, PROTOBUF),
    "JSON before protobuf": (f"{PROTOBUF};q=0.5, {JSON}", 200, JSON),
    "the form of version 2": (PROTOBUF.replace("v3", "v2"), 406, ""),
}


@pytest.mark.parametrize("name", FORMS)
async def test_a_document_comes_in_the_form_asked_for(name: str, tmp_path: Path) -> None:
    accept, status, content_type = FORMS[name]
    async with calling(tmp_path) as call:
        answer = await call("GET", "/openapi/v3/apis/node.k8s.io/v1", Accept=accept)
    assert (answer.status, answer.headers.get("Content-Type", "")) == (status, content_type)
    if status == 200:
        assert answer.body.startswith(b"{" if content_type == JSON else b"\x0a\x053.0.0")


async def test_a_hash_that_is_no_longer_served_leads_to_the_one_that_is(tmp_path: Path) -> None:
    async with calling(tmp_path) as call:
        url = (await call("GET", "/openapi/v3")).json()["paths"]["apis/node.k8s.io/v1"]["serverRelativeURL"]
        assert (await call("GET", url)).headers["Cache-Control"] == "public, immutable"
        async with call.session.get(f"{call.url}/openapi/v3/apis/node.k8s.io/v1?hash=old", allow_redirects=False) as moved:
            assert (moved.status, moved.headers["Location"], await moved.read()) == (301, url, b"")
