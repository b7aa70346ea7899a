"""JSON of any kind is kept as the client wrote it."""

from __future__ import annotations

import msgspec
import pytest

from pilothouse.api.protobuf.decoder import decode_message
from pilothouse.api.protobuf.encoder import encode_message
from pilothouse.api.types.apps_v1 import ControllerRevision
from pilothouse.api.types.resource_v1 import AllocatedDeviceStatus, DeviceClass, OpaqueDeviceConfiguration
from pilothouse.machinery import codec, rawextension
from pilothouse.machinery.shape import shape_of

TYPED = '{"kind":"ControllerRevision","apiVersion":"apps/v1",'


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        (b'{ "z": 1.0, "b":{"y":"<&>\\u003c\\/", "a":1e3}}', rb'{"z":1.0,"b":{"y":"\u003c\u0026\u003e\u003c\/","a":1e3}}'),
        (b'\n[ 1 ,\t"a \\" b", { } ]\r\n', b'[1,"a \\" b",{}]'),
        ('"\u2028 \u2029 é"'.encode(), '"\\u2028 \\u2029 é"'.encode()),
        (b'"\\\\" ', b'"\\\\"'),
        (b"{}", b"{}"),
    ],
)
def test_text_is_compact_and_escaped(written: bytes, kept: bytes) -> None:
    assert rawextension.compact(written) == kept
    assert rawextension.compact(kept) == kept


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ({"b": 1.0, "a": 1e3, "$patch": "replace"}, b'{"$patch":"replace","a":1000,"b":1}'),
        ([{"z": None, "a": "<"}, 0.5], b'[{"a":"\\u003c","z":null},0.5]'),
        (None, b"null"),
    ],
)
def test_values_are_written_as_go_does(value: object, written: bytes) -> None:
    assert bytes(rawextension.of_value(value)) == written


@pytest.mark.parametrize(
    "body",
    [
        f'{TYPED}"metadata":{{"name":"a"}},"data": {{"z": 1.0,\n "a":[2, {{"c":null}}]}},"revision":1}}',
        f'{TYPED}"metadata":{{"name":"a","creationTimestamp":null}},"data": {{"z": 1.0, "a":[2, {{"c":null}}]}},"revision":1}}',
        f'{TYPED}"metadata":{{"name":"a","labels":null}},"data": {{"z": 1.0, "a":[2, {{"c":null}}]}},"revision":1}}',
        f'{TYPED}"odd":1,"metadata":{{"name":"a"}},"data": {{"z": 1.0, "a":[2, {{"c":null}}]}},"revision":1}}',
    ],
    ids=["as it is", "null time", "null elsewhere", "unknown field"],
)
def test_json_keeps_order_and_numbers(body: str) -> None:
    made = codec.decode_as(body.encode(), ControllerRevision).object
    assert bytes(made.data) == b'{"z":1.0,"a":[2,{"c":null}]}'
    assert b'"data":{"z":1.0,"a":[2,{"c":null}]}' in codec.encode(made)


def test_yaml_is_written_anew() -> None:
    body = b"apiVersion: apps/v1\nkind: ControllerRevision\nmetadata: {name: a}\ndata: {z: 1.0, a: <b>}\nrevision: 1\n"
    made = codec.decode_as(body, ControllerRevision, content_type="application/yaml").object
    assert bytes(made.data) == rb'{"a":"\u003cb\u003e","z":1}'


@pytest.mark.parametrize("said", ["", '"data":null,'])
def test_what_nobody_gave_is_null(said: str) -> None:
    made = codec.decode_as(f'{TYPED}{said}"revision":1}}'.encode(), ControllerRevision).object
    assert rawextension.is_absent(made.data)
    assert b'"data":null' in codec.encode(made)
    assert decode_message(encode_message(made), ControllerRevision).data == made.data
    assert codec.encode(AllocatedDeviceStatus(driver="d", pool="p", device="e")).find(b"data") == -1


def test_protobuf_keeps_it_both_ways() -> None:
    made = ControllerRevision(data=msgspec.Raw(b'{"z":1.0,"a":1e3}'), revision=2)
    data = encode_message(made)
    assert b'{"z":1.0,"a":1e3}' in data
    assert bytes(decode_message(data, ControllerRevision).data) == b'{"z":1.0,"a":1e3}'


def test_below_lists_and_structs_too() -> None:
    body = (
        '{"apiVersion":"resource.k8s.io/v1","kind":"DeviceClass","metadata":{"name":"a","labels":null},'
        '"spec":{"config":[{"opaque":{"driver":"d","parameters":{"b": 1, "a":1e1}}}]}}'
    )
    made = codec.decode_as(body.encode(), DeviceClass).object
    opaque = made.spec.config[0].opaque
    assert opaque == OpaqueDeviceConfiguration(driver="d", parameters=msgspec.Raw(b'{"b":1,"a":1e1}'))
    again = codec.from_dict(codec.to_dict(made), DeviceClass)
    assert bytes(again.spec.config[0].opaque.parameters) == b'{"a":10,"b":1}'
    rawextension.copy_original_text(again, made, shape_of(DeviceClass))
    assert again == made


def test_an_older_level_keeps_it() -> None:
    made = ControllerRevision(data=msgspec.Raw(b'{"z":1.0,"a":1e3}'), revision=2)
    assert codec.at_level(made, "1.34") == made
