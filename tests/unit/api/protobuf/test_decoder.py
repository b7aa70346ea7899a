"""Kubernetes' protobuf envelope, written here by hand as Go writes it."""

from __future__ import annotations

from typing import Any

import pytest

from pilothouse.api import catalogue
from pilothouse.api.protobuf.decoder import decode_message
from pilothouse.api.protobuf.envelope import MAGIC, decode_envelope
from pilothouse.api.types import core_v1
from pilothouse.machinery import codec
from pilothouse.machinery.meta_v1 import DeleteOptions


def varint(value: int) -> bytes:
    value &= 0xFFFFFFFFFFFFFFFF
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


def field(number: int, value: Any) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def envelope(api_version: str, kind: str, *body: bytes) -> bytes:
    return MAGIC + field(1, field(1, api_version) + field(2, kind)) + field(2, b"".join(body)) + field(3, "") + field(4, "")


def decode(data: bytes) -> dict[str, Any]:
    api_version, kind, message = decode_envelope(data)
    group, _, version = api_version.rpartition("/")
    resource = catalogue.known().by_kind(group, version, kind)
    assert resource is not None
    return codec.to_dict(decode_message(message, resource.type))


LABEL = field(11, field(1, "a") + field(2, "b"))
METADATA = field(1, field(1, "one") + field(2, "") + field(3, "default") + field(7, 0) + field(8, b"") + LABEL)
PORT_NUMBER = field(2, field(1, 0) + field(2, 80))
PORT_NAME = field(2, field(1, 1) + field(3, "http"))
CPU = field(1, field(1, "cpu") + field(2, field(1, "100m")))


def pod(*container: bytes, spec: bytes = b"") -> dict[str, Any]:
    """What was said of a container, or of the spec, beside what is always written."""
    made = decode(envelope("v1", "Pod", METADATA, field(2, field(2, b"".join(container)) + spec)))
    plain = codec.to_dict(core_v1.Container())
    return made["spec"] if spec else {key: value for key, value in made["spec"]["containers"][0].items() if key not in plain or value}


def test_metadata_without_the_zeros_that_go_writes() -> None:
    found = decode(envelope("v1", "ConfigMap", METADATA, field(2, field(1, "k") + field(2, "v"))))
    metadata = {"name": "one", "namespace": "default", "labels": {"a": "b"}}
    expected = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"k": "v"}}
    assert {key: value for key, value in found.items() if value} == expected


@pytest.mark.parametrize(
    ("container", "expected"),
    [
        pytest.param(field(6, field(2, 0) + field(3, 80)), {"ports": [{"containerPort": 80}]}, id="zero of a plain field is absence"),
        pytest.param(field(15, field(4, 0)), {"securityContext": {"runAsUser": 0}}, id="zero of a pointer is a value"),
        pytest.param(
            field(10, field(1, field(2, field(1, "/") + PORT_NUMBER))),
            {"livenessProbe": {"httpGet": {"path": "/", "port": 80}}},
            id="inlined message, number of IntOrString",
        ),
        pytest.param(
            field(10, field(1, field(2, PORT_NAME))), {"livenessProbe": {"httpGet": {"port": "http"}}}, id="string of IntOrString"
        ),
        pytest.param(field(8, CPU), {"resources": {"limits": {"cpu": "100m"}}}, id="map of quantities"),
        pytest.param(field(3, "sh") + field(3, "-c"), {"command": ["sh", "-c"]}, id="list of strings"),
        pytest.param(field(99, "later"), {}, id="unknown fields are passed over"),
    ],
)
def test_fields_of_a_container(container: bytes, expected: dict[str, Any]) -> None:
    assert pod(container) == expected


def test_negative_numbers() -> None:
    assert pod(spec=field(25, -5))["priority"] == -5


def test_times_and_bytes() -> None:
    meta = field(1, field(1, "one") + field(8, field(1, 1735689600) + field(2, 0)))
    found = decode(envelope("v1", "Secret", meta, field(2, field(1, "k") + field(2, b"\x00\x01"))))
    assert found["metadata"]["creationTimestamp"] == "2025-01-01T00:00:00Z"
    assert found["data"] == {"k": "AAE="}


def test_what_is_no_utf_8_is_shown_as_go_shows_it() -> None:
    message = decode_envelope(envelope("v1", "ConfigMap", field(1, field(1, b"a\xff"))))[2]
    assert decode_message(message, core_v1.ConfigMap).metadata.name == "a\ufffd"


def test_numbers_of_a_list_may_be_packed() -> None:
    context = core_v1.PodSecurityContext
    numbers = varint(1) + varint(2)
    assert decode_message(field(4, numbers) + field(4, 3), context).supplementalGroups == [1, 2, 3]


def test_numbers_of_32_bits_lose_what_is_above() -> None:
    assert decode_message(field(25, (1 << 40) + 7), core_v1.PodSpec).priority == 7
    assert decode_message(field(25, 1 << 31), core_v1.PodSpec).priority == -(1 << 31)


def test_delete_options() -> None:
    found = decode_message(field(1, 0) + field(4, "Background"), DeleteOptions)
    assert (found.gracePeriodSeconds, found.propagationPolicy) == (0, "Background")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(b"", "expected prefix", id="nothing"),
        pytest.param(b"{}", "expected prefix", id="no envelope"),
        pytest.param(MAGIC + b"\x0a\xff", "unexpected EOF", id="cut off"),
        pytest.param(envelope("v1", "Pod", b"\x0a\x05ab"), "unexpected EOF", id="a field longer than the body"),
        pytest.param(envelope("v1", "Pod", b"\x0a"), "unexpected EOF", id="a field without its length"),
        pytest.param(envelope("v1", "Pod", b"\xff\x01"), "illegal wireType", id="unknown wire type"),
        pytest.param(envelope("v1", "Pod", field(1, 7)), "wrong wireType", id="a number for a message"),
        pytest.param(envelope("v1", "Pod", b"\x80" * 12), "integer overflow", id="an endless number"),
        pytest.param(envelope("v1", "Pod", field(1, field(8, field(1, 1 << 62)))), "out of range", id="a time beyond all years"),
        pytest.param(
            envelope("v1", "Pod", field(2, field(2, field(8, field(1, field(1, "cpu") + field(2, field(1, "much"))))))),
            "quantities must match",
            id="a quantity that is none",
        ),
        pytest.param(envelope("v1", "Pod", field(1, field(17, field(7, field(1, "[]"))))), "no JSON object", id="a list for an object"),
        pytest.param(envelope("v1", "Pod", field(1, field(17, field(7, field(1, "{"))))), "no JSON", id="raw bytes that are no JSON"),
    ],
)
def test_broken_bytes_are_a_value_error(data: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        decode_message(decode_envelope(data)[2], core_v1.Pod)
