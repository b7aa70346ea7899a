"""The API over HTTP: codes, headers, forms and errors as clients see them."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from pilothouse.apiserver.auth.user import ANONYMOUS, User
from tests.unit.apiserver.serving import Caller, calling, serving

MAPS = "/api/v1/namespaces/default/configmaps"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


def config_map(name: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


@pytest.fixture
async def call(folder: Path) -> AsyncIterator[Caller]:
    async with calling(folder) as one:
        yield one


async def test_an_object_goes_through_all_verbs(call: Caller) -> None:
    created = await call("POST", MAPS, config_map("one", a="1"))
    assert (created.status, created.json()["data"]) == (201, {"a": "1"})
    read = await call("GET", f"{MAPS}/one")
    assert (read.status, read.json()) == (200, created.json())
    replaced = await call("PUT", f"{MAPS}/one", {**read.json(), "data": {"a": "2"}})
    assert (replaced.status, replaced.json()["data"]) == (200, {"a": "2"})
    patched = await call("PATCH", f"{MAPS}/one", b'{"data":{"b":"3"}}', Content_Type="application/merge-patch+json")
    assert (patched.status, patched.json()["data"]) == (200, {"a": "2", "b": "3"})
    listed = (await call("GET", MAPS)).json()
    assert (listed["kind"], listed["apiVersion"], [one["metadata"]["name"] for one in listed["items"]]) == ("ConfigMapList", "v1", ["one"])
    deleted = await call("DELETE", f"{MAPS}/one")
    assert (deleted.status, deleted.json()["status"]) == (200, "Success")
    gone = await call("GET", f"{MAPS}/one")
    assert (gone.status, gone.json()["reason"], gone.json()["message"]) == (404, "NotFound", 'configmaps "one" not found')


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
async def test_evictions_of_old_clients_are_understood(call: Caller, version: str) -> None:
    body = {"apiVersion": f"policy/{version}", "kind": "Eviction", "metadata": {"name": "one"}}
    answer = await call("POST", "/api/v1/namespaces/default/pods/one/eviction", body)
    assert (answer.status, answer.json()["message"]) == (404, 'pods "one" not found')


LIMITS = "/api/v1/namespaces/default/limitranges/one"


async def test_a_write_that_makes_what_it_names_says_so(call: Caller) -> None:
    limits = {"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "one"}, "spec": {"limits": []}}
    assert [(await call("PUT", LIMITS, limits)).status for _ in range(2)] == [201, 200]
    applied = b"{apiVersion: v1, kind: ConfigMap, metadata: {name: one}}"
    path, form = f"{MAPS}/one?fieldManager=me", "application/apply-patch+yaml"
    assert [(await call("PATCH", path, applied, Content_Type=form)).status for _ in range(2)] == [201, 200]


REVIEW = {
    "apiVersion": "authorization.k8s.io/v1",
    "kind": "SelfSubjectAccessReview",
    "spec": {"nonResourceAttributes": {"path": "/", "verb": "get"}},
}


@pytest.mark.parametrize(
    ("accept", "status", "kind"),
    [
        pytest.param(TABLE, 406, "Status", id="nothing but a table"),
        pytest.param(f"{TABLE},application/json", 201, "SelfSubjectAccessReview", id="or the review itself"),
        pytest.param("application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io", 201, "PartialObjectMetadata", id="its metadata"),
    ],
)
async def test_what_is_only_answered_has_no_table(call: Caller, accept: str, status: int, kind: str) -> None:
    answer = await call("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", REVIEW, Accept=accept)
    assert (answer.status, answer.json()["kind"]) == (status, kind)


@pytest.mark.parametrize(
    ("query", "subject"),
    [
        pytest.param("", "configmaps", id="all"),
        pytest.param("?fieldSelector=metadata.name%3Done", 'configmaps "one"', id="the one of a name"),
        pytest.param("?watch=1&fieldSelector=metadata.name%3Done", 'configmaps "one"', id="a watch of it"),
        pytest.param("?fieldSelector=metadata.name!%3Done", "configmaps", id="all but one"),
        pytest.param("?fieldSelector=nonsense", "configmaps", id="a selector that is none"),
    ],
)
async def test_a_list_by_name_asks_for_the_right_to_that_object(folder: Path, query: str, subject: str) -> None:
    async with (
        serving(folder, user=User("jane")) as served,
        aiohttp.ClientSession() as session,
        session.get(f"{served.url}{MAPS}{query}") as answer,
    ):
        assert (await answer.json())["message"].startswith(f'{subject} is forbidden: User "jane" cannot ')


async def test_a_body_of_another_kind_deletes_nothing(call: Caller) -> None:
    await call("POST", MAPS, config_map("one"))
    refused = await call("DELETE", f"{MAPS}/one", {"apiVersion": "v1", "kind": "ConfigMap"})
    told = 'no kind "ConfigMap" is registered for version "v1" in scheme "pkg/runtime/scheme.go:111"'
    assert (refused.status, refused.json()["message"]) == (400, told)
    assert (await call("GET", f"{MAPS}/one")).status == 200
    assert (await call("DELETE", f"{MAPS}/one", {"apiVersion": "v1", "kind": "DeleteOptions"})).status == 200


async def test_a_replacement_must_bear_the_name(call: Caller) -> None:
    await call("POST", MAPS, config_map("one"))
    nameless = await call("PUT", f"{MAPS}/one", {"apiVersion": "v1", "kind": "ConfigMap"})
    text = "the name of the object (one based on URL) was undeterminable: name must be provided"
    assert (nameless.status, nameless.json()["message"]) == (400, text)


async def test_a_collection_is_deleted_by_selector(call: Caller) -> None:
    for name in ("one", "two"):
        await call("POST", MAPS, {**config_map(name), "metadata": {"name": name, "labels": {"name": name}}})
    await call("DELETE", f"{MAPS}?labelSelector=name%3Done")
    assert [one["metadata"]["name"] for one in (await call("GET", MAPS)).json()["items"]] == ["two"]


@pytest.mark.parametrize(
    ("method", "path", "code", "reason"),
    [
        pytest.param("GET", "/api/v1/pots", 404, "NotFound", id="no such resource"),
        pytest.param("GET", "/apis/apps/v7/deployments", 404, "NotFound", id="no such version"),
        pytest.param("GET", "/api/v2", 404, "NotFound", id="no such version of the core"),
        pytest.param("GET", "/api/v1/namespaces/default/pods/a/nothing", 404, "NotFound", id="no such subresource"),
        pytest.param("GET", "/api/v1/namespaces/default/nodes", 404, "NotFound", id="a cluster's resource in a namespace"),
        pytest.param("PUT", MAPS, 405, "MethodNotAllowed", id="update of a collection"),
        pytest.param("POST", "/api/v1/configmaps", 405, "MethodNotAllowed", id="create without a namespace"),
        pytest.param("DELETE", "/api/v1/configmaps", 405, "MethodNotAllowed", id="delete across namespaces"),
        pytest.param("POST", f"{MAPS}/one", 405, "MethodNotAllowed", id="create with a name"),
        pytest.param(
            "GET", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", 405, "MethodNotAllowed", id="a verb that the kind lacks"
        ),
        pytest.param("POST", "/version", 405, "MethodNotAllowed", id="post to a plain path"),
        pytest.param("GET", f"{MAPS}?limit=many", 400, "BadRequest", id="a number that is none"),
        pytest.param("GET", f"{MAPS}?resourceVersionMatch=Exact", 422, "Invalid", id="a match without a version"),
        pytest.param("GET", f"{MAPS}?labelSelector=a%3D%3D%3Db", 400, "BadRequest", id="a broken selector"),
        pytest.param("DELETE", f"{MAPS}/one?propagationPolicy=Maybe", 422, "Invalid", id="a policy that there is not"),
        pytest.param("GET", f"{MAPS}/..%2f..%2fx", 400, "BadRequest", id="a name with slashes"),
        pytest.param("GET", f"{MAPS}/a%25b", 400, "BadRequest", id="a name with a percent sign"),
    ],
)
async def test_a_bad_request_is_answered_with_a_status(call: Caller, method: str, path: str, code: int, reason: str) -> None:
    answer = await call(method, path)
    status = answer.json()
    assert (answer.status, status["kind"], status["code"], status["reason"]) == (code, "Status", code, reason)


@pytest.mark.parametrize(
    ("body", "content_type", "code", "text"),
    [
        pytest.param(b"{", "application/json", 400, "unexpected end of JSON input", id="broken JSON"),
        pytest.param(b"a: b: c", "application/yaml", 400, "yaml", id="broken YAML"),
        pytest.param(b"[]", "application/json", 400, "cannot unmarshal array", id="no object"),
        pytest.param(b'{"a":' * 2000 + b"1" + b"}" * 2000, "application/json", 400, "exceeded max depth", id="nested without end"),
        pytest.param(b"[" * 100_000, "application/yaml", 400, "exceeded max depth", id="YAML nested without end"),
        pytest.param(b"{}", "text/plain", 415, "unknown format", id="a form that is not read"),
        pytest.param(b"k8s\x00\xff\xff", "application/vnd.kubernetes.protobuf", 400, "unexpected EOF", id="broken protobuf"),
        pytest.param(b"x" * (3 << 20) + b"x", "application/json", 413, "Request entity too large: limit is 3145728", id="too large"),
        pytest.param(
            b'{"apiVersion":"v1","kind":"Secret","metadata":{"name":"a"}}', "application/json", 400, "ConfigMap", id="another kind"
        ),
    ],
)
async def test_a_bad_body_is_refused(call: Caller, body: bytes, content_type: str, code: int, text: str) -> None:
    answer = await call("POST", MAPS, body, Content_Type=content_type)
    assert (answer.status, text in answer.json()["message"]) == (code, True), answer.json()["message"]


async def test_unknown_fields_are_ignored_warned_of_or_refused(call: Caller) -> None:
    body = {**config_map("one"), "daata": {}}
    warned = await call("POST", f"{MAPS}?dryRun=All&fieldValidation=Warn", body)
    assert (warned.status, warned.headers["Warning"]) == (201, '299 - "unknown field \\"daata\\""')
    ignored = await call("POST", f"{MAPS}?dryRun=All&fieldValidation=Ignore", body)
    assert (ignored.status, "Warning" in ignored.headers) == (201, False)
    refused = await call("POST", f"{MAPS}?fieldValidation=Strict", body)
    assert (refused.status, 'strict decoding error: unknown field "daata"' in refused.json()["message"]) == (400, True)
    unknown = await call("POST", f"{MAPS}?fieldValidation=Perhaps", body)
    assert 'fieldValidation: Unsupported value: "Perhaps": supported values: "", "Ignore", "Strict", "Warn"' in unknown.json()["message"]


async def test_failures_and_discovery_come_in_the_clients_form(call: Caller) -> None:
    yaml = (await call("GET", f"{MAPS}/none", Accept="application/yaml")).body.decode()
    assert "kind: Status\n" in yaml
    assert 'message: configmaps "none" not found\n' in yaml
    read = await call("GET", f"{MAPS}/none", User_Agent="curl/8.0")
    assert (read.status, read.body[:10]) == (404, b'{\n  "kind"')
    discovered = await call("GET", "/api/v1", Accept="application/yaml")
    assert (discovered.status, "kind: APIResourceList\n" in discovered.body.decode()) == (200, True)
    refused = await call("GET", f"{MAPS}/none", Accept="text/html")
    assert (refused.status, refused.json()["reason"]) == (406, "NotAcceptable")


async def test_the_same_objects_as_yaml_table_and_metadata(call: Caller) -> None:
    await call("POST", MAPS, config_map("one", a="1"))
    text = (await call("GET", f"{MAPS}/one", Accept="application/yaml")).body.decode()
    assert "kind: ConfigMap\n" in text
    table = (await call("GET", MAPS, Accept=TABLE)).json()
    assert (table["kind"], table["columnDefinitions"][0]["name"], table["rows"][0]["cells"][0]) == ("Table", "Name", "one")
    assert table["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
    partial = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
    metadata = (await call("GET", MAPS, Accept=partial)).json()
    assert (metadata["kind"], sorted(metadata["items"][0])) == ("PartialObjectMetadataList", ["apiVersion", "kind", "metadata"])
    pretty = (await call("GET", f"{MAPS}/one?pretty=true")).body
    assert pretty.startswith(b'{\n  "kind"')
    assert (await call("GET", MAPS, Accept="text/html")).status == 406


async def test_a_list_comes_in_pages(call: Caller) -> None:
    for number in range(5):
        await call("POST", MAPS, config_map(f"map-{number}"))
    first = (await call("GET", f"{MAPS}?limit=2")).json()
    assert (len(first["items"]), first["metadata"]["remainingItemCount"]) == (2, 3)
    rest = (await call("GET", f"{MAPS}?limit=9&continue={first['metadata']['continue']}")).json()
    assert [one["metadata"]["name"] for one in rest["items"]] == ["map-2", "map-3", "map-4"]
    assert "continue" not in rest["metadata"]


async def test_large_answers_are_compressed_for_who_asks(call: Caller) -> None:
    await call("POST", MAPS, config_map("large", a="x" * 200_000))
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        other = Caller(call.url, session)
        packed = await other("GET", f"{MAPS}/large", Accept_Encoding="gzip")
        plain = await other("GET", f"{MAPS}/large", Accept_Encoding="identity")
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body


async def lines(content: aiohttp.StreamReader, count: int) -> list[dict[str, Any]]:
    return [msgspec.json.decode(await asyncio.wait_for(content.readline(), 60)) for _ in range(count)]


async def test_a_watch_streams_events_as_lines(call: Caller) -> None:
    await call("POST", MAPS, config_map("one"))
    async with call.session.get(f"{call.url}{MAPS}?watch=true") as response:
        assert response.headers["Content-Type"] == "application/json"
        (first,) = await lines(response.content, 1)
        await call("DELETE", f"{MAPS}/one")
        (second,) = await lines(response.content, 1)
    assert [(one["type"], one["object"]["metadata"]["name"]) for one in (first, second)] == [("ADDED", "one"), ("DELETED", "one")]


async def test_a_watch_of_tables_names_the_columns_once(call: Caller) -> None:
    await call("POST", MAPS, config_map("one"))
    await call("POST", MAPS, config_map("two"))
    async with call.session.get(f"{call.url}{MAPS}?watch=1", headers={"Accept": TABLE}) as response:
        first, second = await lines(response.content, 2)
    assert (first["object"]["rows"][0]["cells"][0], bool(first["object"]["columnDefinitions"])) == ("one", True)
    assert (second["object"]["rows"][0]["cells"][0], bool(second["object"]["columnDefinitions"])) == ("two", False)


async def test_a_watch_over_websocket(call: Caller) -> None:
    await call("POST", MAPS, config_map("one"))
    async with call.session.ws_connect(f"{call.url}{MAPS}?watch=true") as socket:
        event = await socket.receive_json(timeout=60)
    assert (event["type"], event["object"]["metadata"]["name"]) == ("ADDED", "one")


async def test_a_client_that_closes_its_websocket_is_answered_and_its_watch_ends(call: Caller) -> None:
    async with call.session.ws_connect(f"{call.url}{MAPS}?watch=true") as socket:
        await socket.send_str("is ignored")
        await socket.ping()
        await socket.close()
        assert socket.close_code == aiohttp.WSCloseCode.OK, "the server has closed it, too"


async def test_a_websocket_is_closed_when_the_time_of_its_watch_is_over(call: Caller) -> None:
    async with call.session.ws_connect(f"{call.url}{MAPS}?watch=true&timeoutSeconds=1") as socket:
        message = await socket.receive(timeout=60)
    assert message.type == aiohttp.WSMsgType.CLOSE


async def test_a_watch_ends_when_its_time_is_over(call: Caller) -> None:
    answer = await call("GET", f"{MAPS}?watch=true&timeoutSeconds=1")
    assert (answer.status, answer.body) == (200, b"")


async def test_a_watch_from_a_revision_that_is_no_number_is_refused(call: Caller) -> None:
    assert (await call("GET", f"{MAPS}?watch=true&resourceVersion=yesterday")).status == 500  # upstream's own answer
    assert (await call("GET", f"{MAPS}/one?resourceVersion=yesterday")).status == 500, "upstream's answer"


async def test_a_watch_knows_no_yaml(call: Caller) -> None:
    assert (await call("GET", f"{MAPS}?watch=true&timeoutSeconds=1", Accept="application/yaml")).status == 406


async def test_a_revision_that_is_forgotten_is_told_in_the_stream(folder: Path) -> None:
    """As upstream: a watcher gets a 200 and then the news."""
    async with serving(folder) as served, aiohttp.ClientSession() as session:
        storage = served.registry.store.storage
        await storage.compact(await storage.revision())
        async with session.get(f"{served.url}{MAPS}?watch=true&resourceVersion=1") as response:
            assert response.status == 200
            event = msgspec.json.decode(await asyncio.wait_for(response.read(), 60))
    assert event["type"] == "ERROR"
    assert (event["object"]["code"], event["object"]["reason"]) == (410, "Expired")


async def test_stopping_the_server_ends_its_watches(folder: Path) -> None:
    async with aiohttp.ClientSession() as session:
        async with serving(folder) as served:
            response = await session.get(f"{served.url}{MAPS}?watch=true")
        assert await asyncio.wait_for(response.read(), 60) == b""


async def test_health_version_and_metrics(call: Caller) -> None:
    assert (await call("GET", "/healthz")).body == b"ok"
    assert (await call("GET", "/livez/ping")).body == b"ok"
    assert (await call("GET", "/livez/nothing")).status == 404
    verbose = (await call("GET", "/readyz?verbose")).body.decode()
    assert verbose.startswith("[+]ping ok\n")
    assert verbose.endswith("readyz check passed\n")
    assert (await call("GET", "/version")).json()["gitVersion"].startswith("v1.37.0")
    await call("GET", MAPS)
    text = (await call("GET", "/metrics")).body.decode()
    wanted = 'apiserver_request_total{code="200",component="apiserver",dry_run="",group="",resource="configmaps",scope="namespace"'
    assert wanted in text


async def test_nobody_known_may_ask_for_health_only(folder: Path) -> None:
    async with calling(folder, user=ANONYMOUS) as call:
        assert (await call("GET", "/readyz")).status == 200
        refused = await call("GET", MAPS)
        path = await call("GET", "/metrics")
    message = (
        'configmaps is forbidden: User "system:anonymous" cannot list resource "configmaps" in API group "" in the namespace "default"'
    )
    assert (refused.status, refused.json()["message"]) == (403, message)
    assert path.json()["message"] == 'forbidden: User "system:anonymous" cannot get path "/metrics"'


async def test_an_administrator_acts_as_somebody_else(call: Caller) -> None:
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    mine = (await call("POST", path, review)).json()["status"]["userInfo"]
    assert mine["username"] == "kubernetes-admin"
    other = (await call("POST", path, review, Impersonate_User="jane", Impersonate_Group="developers")).json()["status"]["userInfo"]
    assert (other["username"], other["groups"]) == ("jane", ["developers", "system:authenticated"])
    assert (await call("GET", MAPS, Impersonate_User="jane")).status == 403


async def exchanged(url: str, data: bytes) -> bytes:
    """What a client gets that writes these bytes and reads until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
    try:
        writer.write(data)
        return await asyncio.wait_for(reader.read(), 60)
    finally:
        writer.close()


async def test_a_watch_of_a_client_without_chunks_ends_with_its_connection(call: Caller) -> None:
    await call("POST", MAPS, config_map("one"))
    data = await exchanged(call.url, f"GET {MAPS}?watch=1&timeoutSeconds=1 HTTP/1.0\r\n\r\n".encode())
    head, _, body = data.partition(b"\r\n\r\n")
    assert b"Transfer-Encoding" not in head
    assert [msgspec.json.decode(line)["type"] for line in body.splitlines()] == ["ADDED"]


async def test_a_request_in_the_form_for_proxies_is_understood(call: Caller) -> None:
    data = await exchanged(call.url, b"GET https://cluster/readyz/ping?verbose HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert data.startswith(b"HTTP/1.1 200 OK\r\n")
    assert data.endswith(b"\r\n\r\nok")


@pytest.mark.parametrize(
    ("headers", "query", "code", "text"),
    [
        pytest.param(
            {"Content_Encoding": "gzip", "Content_Type": "application/json"},
            "",
            400,
            "json parse error",
            id="a body that is not what it says",
        ),
        pytest.param({"Connection": "Upgrade", "Upgrade": "websocket"}, "?watch=1", 400, "Unsupported version", id="half a handshake"),
    ],
)
async def test_odd_headers_are_the_clients_fault(call: Caller, headers: dict[str, str], query: str, code: int, text: str) -> None:
    method = "GET" if query else "POST"
    answer = await call(method, MAPS + query, None if query else b"\x00", **headers)
    assert (answer.status, text in answer.json()["message"]) == (code, True), answer.body
