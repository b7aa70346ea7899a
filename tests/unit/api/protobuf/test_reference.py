"""Objects as kube-apiserver 1.37 writes them in protobuf and in JSON: the same bytes are written, and read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pilothouse.api.catalogue import resources
from pilothouse.api.protobuf import envelope
from pilothouse.api.protobuf.decoder import decode_message
from pilothouse.machinery import codec

OBJECTS = json.loads((Path(__file__).parent / "tables" / "reference.json").read_text())


def kind_of(obj: dict[str, Any]) -> type[Any]:
    """The struct class of an object."""
    return next(each.type for each in resources() if (each.api_version, each.kind) == (obj["apiVersion"], obj["kind"]))


@pytest.mark.parametrize("row", [pytest.param(row, id=row["object"]["kind"]) for row in OBJECTS if "only_read" not in row])
def test_an_object_has_upstreams_bytes(row: dict[str, Any]) -> None:
    obj = codec.decode_as(json.dumps(row["object"], separators=(",", ":")).encode(), kind_of(row["object"]), strictness="Strict").object
    assert envelope.encode(obj).hex() == row["hex"]


@pytest.mark.parametrize("row", [pytest.param(row, id=row["object"]["kind"]) for row in OBJECTS])
def test_upstreams_bytes_are_read_as_its_json(row: dict[str, Any]) -> None:
    api_version, kind, message = envelope.decode_envelope(bytes.fromhex(row["hex"]))
    assert (api_version, kind) == (row["object"]["apiVersion"], row["object"]["kind"])
    assert codec.to_dict(decode_message(message, kind_of(row["object"]))) == row["object"]
