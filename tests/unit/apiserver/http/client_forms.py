"""Requests as client libraries send them (client-go's reflectors, controller-runtime, fabric8 and the official Java client), and answers
brought into a form that two servers can be compared by: what a server chooses by itself is masked.
"""

from __future__ import annotations

import gzip
import re
from typing import Any

import msgspec

Map = dict[str, Any]
NAMESPACE = "forms"
GROUP = "forms.example.com"
MAPS = f"/api/v1/namespaces/{NAMESPACE}/configmaps"
FORMS = f"/apis/{GROUP}/v1/namespaces/{NAMESPACE}/forms"
JSON, PROTOBUF = "application/json", "application/vnd.kubernetes.protobuf"
PARTIAL, PARTIALS = ";as=PartialObjectMetadata;g=meta.k8s.io;v=v1", ";as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
TABLE = ";as=Table;g=meta.k8s.io;v=v1"
STREAMED = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=1"
FROM_0 = "watch=1&resourceVersion=0&allowWatchBookmarks=true&timeoutSeconds=1"

SETUP: list[tuple[str, Any]] = [
    ("/api/v1/namespaces", {"metadata": {"name": NAMESPACE}}),
    (
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
        {
            "metadata": {"name": f"forms.{GROUP}"},
            "spec": {
                "group": GROUP,
                "scope": "Namespaced",
                "names": {"plural": "forms", "kind": "Form"},
                "versions": [
                    {
                        "name": "v1",
                        "served": True,
                        "storage": True,
                        "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
                    }
                ],
            },
        },
    ),
]
OBJECTS: list[tuple[str, Any]] = [
    (path, {"metadata": {"name": name, "labels": {"app": name}, "annotations": {"note": "x"}}, **content})
    for path, content in ((MAPS, {"data": {"key": "value"}}), (FORMS, {"apiVersion": f"{GROUP}/v1", "kind": "Form", "spec": {"size": 1}}))
    for name in ("a", "b")
]
OF_MAPS = "fieldSelector=metadata.name!%3Dkube-root-ca.crt"
"""Only the reference has controllers beside it that make this one, or the other way round."""


def rows() -> dict[str, tuple[str, str]]:
    """(path, Accept) by name."""
    made: dict[str, tuple[str, str]] = {}
    for kind, path, more in (("built-in", MAPS, f"&{OF_MAPS}"), ("custom", FORMS, "")):
        for form, accept in (
            ("JSON", JSON),
            ("protobuf", PROTOBUF),
            ("protobuf or JSON", f"{PROTOBUF},{JSON}"),
            ("metadata in JSON", JSON + PARTIALS),
            ("metadata in protobuf", PROTOBUF + PARTIALS),
            ("metadata as controller-runtime asks", f"{PROTOBUF}{PARTIALS},{JSON}{PARTIALS},{JSON}"),
            ("a table", f"{JSON}{TABLE},{JSON}"),
            ("nothing that is known", "text/csv"),
        ):
            made[f"list {kind} from the cache, {form}"] = (f"{path}?resourceVersion=0{more}", accept)
            made[f"list {kind} by pages, {form}"] = (f"{path}?limit=1{more}", accept)
        for form, accept in (
            ("JSON", JSON),
            ("protobuf", PROTOBUF),
            ("protobuf or JSON", f"{PROTOBUF},{JSON}"),
            ("JSON as a stream", f"{JSON};stream=watch"),
            ("protobuf as a stream", f"{PROTOBUF};stream=watch"),
            ("metadata in JSON", JSON + PARTIAL),
            ("metadata in protobuf", PROTOBUF + PARTIAL),
            ("metadata as controller-runtime asks", f"{PROTOBUF}{PARTIAL},{JSON}{PARTIAL},{JSON}"),
            ("a table", f"{JSON}{TABLE},{JSON}"),
        ):
            made[f"watch {kind} from 0, {form}"] = (f"{path}?{FROM_0}{more}", accept)
            made[f"watch {kind} with initial events, {form}"] = (f"{path}?{STREAMED}{more}", accept)
        for form, accept in (
            ("JSON", JSON),
            ("protobuf", PROTOBUF),
            ("metadata in JSON", JSON + PARTIAL),
            ("metadata in protobuf", PROTOBUF + PARTIAL),
            ("metadata of lists", JSON + PARTIALS),
        ):
            made[f"get {kind}, {form}"] = (f"{path}/a", accept)
            made[f"get {kind} that is not there, {form}"] = (f"{path}/none", accept)
        made[f"list {kind} not older than 0"] = (f"{path}?resourceVersion=0&resourceVersionMatch=NotOlderThan{more}", JSON)
        made[f"list {kind} exactly at 0"] = (f"{path}?resourceVersion=0&resourceVersionMatch=Exact{more}", JSON)
        made[f"list {kind} with a match and no version"] = (f"{path}?resourceVersionMatch=NotOlderThan{more}", JSON)
        made[f"list {kind} that is no version"] = (f"{path}?resourceVersion=x{more}", JSON)
        made[f"list {kind} with initial events"] = (f"{path}?sendInitialEvents=true{more}", JSON)
        made[f"watch {kind} with initial events and no match"] = (f"{path}?watch=1&sendInitialEvents=true&timeoutSeconds=1{more}", JSON)
        made[f"watch {kind} with initial events and no bookmarks"] = (
            f"{path}?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&timeoutSeconds=1{more}",
            JSON,
        )
        made[f"watch {kind} without initial events"] = (
            f"{path}?watch=1&sendInitialEvents=false&resourceVersionMatch=NotOlderThan&timeoutSeconds=1{more}",
            JSON,
        )
        made[f"watch {kind} by labels"] = (f"{path}?{FROM_0}&labelSelector=app%3Da", JSON)
        made[f"watch {kind} of one name"] = (f"{path}?{FROM_0}&fieldSelector=metadata.name%3Da", JSON)
        made[f"watch {kind} by the old path"] = (
            f"{path.replace('/v1/', '/v1/watch/')}?resourceVersion=0&timeoutSeconds=1{more}",
            JSON,
        )
    return made


ROWS = rows()
UID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
AGES = re.compile(r"^\d+(?:s|m|m\d+s|h|ms)$")
MANAGER = re.compile(r"^(?:Python|unknown|aiohttp|Go-http-client).*")


def normal(status: int, content_type: str, body: bytes) -> Any:
    """An answer in a form that is the same for two servers that say the same."""
    if body[:2] == b"\x1f\x8b":
        body = gzip.decompress(body)
    if PROTOBUF in content_type:
        return [status, content_type, messages(body) if "stream=watch" in content_type else message(body)]
    if "watch" not in content_type and status != 200:
        return [status, content_type, masked(msgspec.json.decode(body))]
    values = [masked(msgspec.json.decode(line)) for line in body.splitlines() if line]
    return [status, content_type, values]


def masked(value: Any, name: str = "") -> Any:
    """JSON without what a server chooses; the record of fields is for other tests."""
    if isinstance(value, dict):
        return {key: masked(inner, key) for key, inner in sorted(value.items()) if key != "managedFields"}
    if isinstance(value, list):
        return [masked(inner, name) for inner in value]
    if name == "description":  # in a source tree that was never built there is no prose
        return ""
    return mask(name, value) if isinstance(value, str) else value


def mask(name: str, text: str) -> str:
    if name in ("resourceVersion", "continue") and text:
        return "*" if text != "0" else text
    text = TIME.sub("TIME", UID.sub("UID", text))
    return "AGE" if AGES.match(text) else text


def messages(body: bytes) -> list[Any]:
    """The messages of a watch in protobuf: each behind its length in four bytes. They are WatchEvents, with no envelope of their own."""
    found, at = [], 0
    while at < len(body):
        size = int.from_bytes(body[at : at + 4], "big")
        found.append(message(body[at + 4 : at + 4 + size]))
        at += 4 + size
    return found


def message(data: bytes) -> Any:
    """A protobuf message as its field numbers and values; envelopes are opened."""
    if data.startswith(b"k8s\0"):
        return {"envelope": message(data[4:])}
    found: list[Any] = []
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        if tag & 7 == 0:
            value, at = varint(data, at)
            found.append([tag >> 3, "TIME" if value > 1_600_000_000 else value])
        elif tag & 7 == 2 and tag >> 3:
            size, at = varint(data, at)
            if at + size > len(data):
                raise ValueError("longer than the message")
            found.append([tag >> 3, leaf(data[at : at + size])])
            at += size
        else:
            raise ValueError(f"wire type {tag & 7}")
    return found


def leaf(data: bytes) -> Any:
    """A text, or a message in the message."""
    if data.startswith(b"k8s\0"):
        return message(data)
    if not data.isascii() or (data and data[0] < 32):
        try:
            return message(data)
        except (ValueError, IndexError):
            return data.hex()
    text = data.decode()
    if text.isdigit() or text.startswith("eyJ"):
        return "*"  # a version, or where a list goes on
    if text.startswith('{"f:') or len(text) > 100:
        return "LONG"
    return TIME.sub("TIME", UID.sub("UID", text))


def varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
