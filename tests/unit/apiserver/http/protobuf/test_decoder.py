"""Kubernetes' protobuf envelope, written here by hand as Go writes it."""

from __future__ import annotations

from typing import Any

import pytest

from pilothouse.apiserver.http.protobuf.decoder import MAGIC, decode


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


LABEL = field(11, field(1, "a") + field(2, "b"))
METADATA = field(1, field(1, "one") + field(2, "") + field(3, "default") + field(7, 0) + field(8, b"") + LABEL)
PORT_NUMBER = field(2, field(1, 0) + field(2, 80))
PORT_NAME = field(2, field(1, 1) + field(3, "http"))
CPU = field(1, field(1, "cpu") + field(2, field(1, "100m")))


def pod(*container: bytes, spec: bytes = b"") -> dict[str, Any]:
    made: dict[str, Any] = decode(envelope("v1", "Pod", METADATA, field(2, field(2, b"".join(container)) + spec)))
    return made["spec"] if spec else made["spec"]["containers"][0]


def test_metadata_without_the_zeros_that_go_writes() -> None:
    found = decode(envelope("v1", "ConfigMap", METADATA, field(2, field(1, "k") + field(2, "v"))))
    metadata = {"name": "one", "namespace": "default", "labels": {"a": "b"}}
    assert found == {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"k": "v"}}


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


def test_delete_options_of_any_group() -> None:
    found = decode(envelope("apps/v1", "DeleteOptions", field(1, 0), field(4, "Background")))
    assert (found["gracePeriodSeconds"], found["propagationPolicy"]) == (0, "Background")


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"{}", id="no envelope"),
        pytest.param(MAGIC, id="an empty envelope"),
        pytest.param(MAGIC + b"\x0a\xff", id="cut off"),
        pytest.param(envelope("v1", "Pot"), id="unknown kind"),
        pytest.param(envelope("v1", "Pod", b"\x0a\x05ab"), id="a field longer than the body"),
        pytest.param(envelope("v1", "Pod", b"\x0f"), id="unknown wire type"),
        pytest.param(envelope("v1", "Pod", field(1, 7)), id="a number for a message"),
        pytest.param(envelope("v1", "Pod", b"\x80" * 12), id="an endless number"),
        pytest.param(envelope("v1", "ConfigMap", field(1, field(1, b"\xff\xfe"))), id="no UTF-8"),
    ],
)
def test_broken_bytes_are_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode(data)
