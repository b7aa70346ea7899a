"""The OpenAPI documents over HTTP: in which form, under which hash."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.apiserver.extensions.definitions import define, definition
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


V2 = {"JSON": JSON, "protobuf": "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"}


@pytest.mark.parametrize("form", V2)
async def test_version_two_follows_definitions_and_is_the_same_with_and_without_gzip(form: str, tmp_path: Path) -> None:
    path = b"/apis/example.com/v1/namespaces/{namespace}/widgets/{name}"
    async with calling(tmp_path) as call:
        before = await call("GET", "/openapi/v2", Accept=V2[form])
        await define(call, definition())
        plain = await call("GET", "/openapi/v2", Accept=V2[form], Accept_Encoding="identity")
        packed = await call("GET", "/openapi/v2", Accept=V2[form], Accept_Encoding="gzip")
        known = await call("GET", "/openapi/v2", Accept=V2[form], If_None_Match=plain.headers["ETag"])
    assert (path in before.body, path in plain.body) == (False, True)
    assert (plain.headers.get("Content-Encoding"), packed.headers["Content-Encoding"]) == (None, "gzip")
    assert plain.body == packed.body
    assert (known.status, known.body) == (304, b"")
