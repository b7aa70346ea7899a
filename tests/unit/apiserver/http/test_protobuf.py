"""Protobuf over HTTP: bodies, answers, lists, watches, failures, as Go clients ask for them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from pilothouse.api.protobuf import envelope
from pilothouse.api.protobuf.decoder import decode_message
from pilothouse.api.protobuf.encoder import encode_message
from pilothouse.api.protobuf.wire import raw_fields
from pilothouse.api.types.core_v1 import ConfigMap
from pilothouse.machinery.meta_v1 import DeleteOptions, ObjectMeta, Status
from tests.unit.apiserver.serving import Caller, calling

MAPS = "/api/v1/namespaces/default/configmaps"
PROTOBUF = "application/vnd.kubernetes.protobuf"
ACCEPT = {"Accept": f"{PROTOBUF},application/json"}
BODY = {**ACCEPT, "Content_Type": PROTOBUF}
METADATA = {"Accept": f"{PROTOBUF};as=PartialObjectMetadata;g=meta.k8s.io;v=v1"}
METADATA_LIST = {"Accept": f"{PROTOBUF};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"}


@pytest.fixture
async def call(folder: Path) -> AsyncIterator[Caller]:
    async with calling(folder) as caller:
        yield caller


def config(name: str, **data: str) -> bytes:
    return envelope.encode(ConfigMap(metadata=ObjectMeta(name=name), data=data))


def decoded(body: bytes, kind: str, cls: type[Any]) -> Any:
    api_version, found, message = envelope.decode_envelope(body)
    assert (api_version.rpartition("/")[2], found) == ("v1", kind)
    return decode_message(message, cls)


def items(body: bytes) -> list[bytes]:
    return [value for field, _, value in raw_fields(envelope.decode_envelope(body)[2]) if field == 2 and isinstance(value, bytes)]


def events(body: bytes) -> Iterator[tuple[str, bytes]]:
    """Type and enveloped object of each frame."""
    position = 0
    while position < len(body):
        length = int.from_bytes(body[position : position + 4], "big")
        event = {field: value for field, _, value in raw_fields(body[position + 4 : position + 4 + length])}
        (_, _, raw) = next(iter(raw_fields(event[2])))  # type: ignore[arg-type]
        yield event[1].decode(), raw  # type: ignore[union-attr, misc]
        position += 4 + length


async def test_an_object_is_made_read_and_deleted(call: Caller) -> None:
    made = await call("POST", MAPS, config("a", k="v"), **BODY)
    assert (made.status, made.headers["Content-Type"]) == (201, PROTOBUF)
    got = await call("GET", f"{MAPS}/a", **ACCEPT)
    found = decoded(got.body, "ConfigMap", ConfigMap)
    assert (got.status, found.data, found.metadata.namespace) == (200, {"k": "v"}, "default")
    options = envelope.enveloped(envelope.head_of("v1", "DeleteOptions"), encode_message(DeleteOptions(gracePeriodSeconds=0)))
    gone = await call("DELETE", f"{MAPS}/a", options, **BODY)
    assert decoded(gone.body, "Status", Status).status == "Success"


async def test_a_list_joins_the_objects(call: Caller) -> None:
    for name in "ab":
        await call("POST", MAPS, config(name), **BODY)
    listed = await call("GET", MAPS, **ACCEPT)
    assert envelope.decode_envelope(listed.body)[1] == "ConfigMapList"
    assert [decode_message(item, ConfigMap).metadata.name for item in items(listed.body)] == ["a", "b"]


async def test_metadata_alone(call: Caller) -> None:
    await call("POST", MAPS, config("a", k="v"), **BODY)
    got = await call("GET", f"{MAPS}/a", **METADATA)
    assert decoded(got.body, "PartialObjectMetadata", ConfigMap).data == {}
    listed = await call("GET", MAPS, **METADATA_LIST)
    assert [decode_message(item, ConfigMap).metadata.name for item in items(listed.body)] == ["a"]
    wrong = await call("GET", MAPS, **METADATA)
    assert (wrong.status, wrong.headers["Content-Type"]) == (406, "application/json")


async def test_a_watch_is_a_row_of_frames(call: Caller) -> None:
    await call("POST", MAPS, config("a", k="v"), **BODY)
    query = "watch=1&timeoutSeconds=1&allowWatchBookmarks=true"
    watched = await call("GET", f"{MAPS}?{query}", **ACCEPT)
    assert watched.headers["Content-Type"] == f"{PROTOBUF};stream=watch"
    seen = [(type, decoded(raw, "ConfigMap", ConfigMap).metadata.name) for type, raw in events(watched.body)]
    assert seen == [("ADDED", "a"), ("BOOKMARK", "")]
    partial = await call("GET", f"{MAPS}?watch=1&timeoutSeconds=1", **METADATA)
    assert [envelope.decode_envelope(raw)[1] for _, raw in events(partial.body)] == ["PartialObjectMetadata"]


async def test_a_failure_is_a_status_in_protobuf(call: Caller) -> None:
    missing = await call("GET", f"{MAPS}/a", **ACCEPT)
    status = decoded(missing.body, "Status", Status)
    assert (missing.status, status.code, status.reason, status.details.name) == (404, 404, "NotFound", "a")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param(b"{}", "the object provided is unrecognized (must be of type ConfigMap): provided data does not appear", id="JSON"),
        pytest.param(config("a")[:-20], "the object provided is unrecognized (must be of type ConfigMap): unexpected EOF", id="cut off"),
        pytest.param(
            envelope.enveloped(envelope.head_of("v1", "ConfigMap"), b"\x08\x01"),
            'ConfigMap in version "v1" cannot be handled as a ConfigMap: proto: wrong wireType',
            id="another message",
        ),
        pytest.param(envelope.enveloped(envelope.head_of("v1", "Secret"), b""), "Secret in version", id="another kind"),
    ],
)
async def test_a_body_that_is_none_is_refused(call: Caller, body: bytes, message: str) -> None:
    refused = await call("POST", MAPS, body, **BODY)
    status = decoded(refused.body, "Status", Status)
    assert status.code == 400
    assert message in status.message


async def test_items_of_a_list_have_no_kind_of_their_own(call: Caller) -> None:
    await call("POST", MAPS, config("a"), **BODY)
    listed = (await call("GET", MAPS)).json()
    assert [sorted(item) for item in listed["items"]] == [["metadata"]]
