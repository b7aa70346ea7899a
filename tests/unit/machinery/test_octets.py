"""Bytes in base64: what Go takes, what it refuses and how it says so."""

from __future__ import annotations

import pytest

from pilothouse.api.types.core_v1 import ConfigMap, Secret
from pilothouse.machinery import codec, octets
from pilothouse.machinery.errors import StatusError
from pilothouse.machinery.resource import Resource

SECRETS = Resource(Secret, "secrets")
PLACE = 'Secret in version "v1" cannot be handled as a Secret: '


@pytest.mark.parametrize(
    ("text", "byte"),
    [
        pytest.param("###", 0, id="a strange character"),
        pytest.param("YWJj#", 4, id="one further on"),
        pytest.param("ü", 0, id="no ASCII"),
        pytest.param("YWJjZA", 4, id="no padding"),
        pytest.param("YWJjZ", 4, id="a lone character"),
        pytest.param("=", 0, id="nothing but padding"),
        pytest.param("YWI=YWI=", 4, id="more after the padding"),
        pytest.param("YW==YW==", 4, id="more after two signs of padding"),
        pytest.param("YW=", 3, id="half of the padding"),
        pytest.param("YW=x", 2, id="a character amid the padding"),
        pytest.param("YW\nJj#", 5, id="line breaks count"),
    ],
)
def test_what_is_no_base64_is_told(text: str, byte: int) -> None:
    assert octets.parse_error(text) == f"illegal base64 data at input byte {byte}"


@pytest.mark.parametrize(("text", "written"), [("", ""), ("YWI=", "YWI="), ("YW\r\nI=\n", "YWI="), ("YR==", "YQ=="), ("####", "####")])
def test_base64_is_written_in_one_line(text: str, written: str) -> None:
    assert octets.canonical(text) == written


@pytest.mark.parametrize("content_type", ["application/json", "application/yaml"])
def test_a_value_that_is_none_is_refused_before_validation(content_type: str) -> None:
    with pytest.raises(StatusError) as caught:
        codec.decode(b'{"data": {"a": "YWI=", "b": "###"}}', SECRETS, content_type=content_type)
    assert (caught.value.code, str(caught.value)) == (400, f"{PLACE}illegal base64 data at input byte 0")


def test_a_value_of_another_type_is_called_as_go_does() -> None:
    with pytest.raises(StatusError) as caught:
        codec.decode(b'{"data": {"a": 1}}', SECRETS)
    assert str(caught.value) == f"{PLACE}json: cannot unmarshal number into Go struct field Secret.data of type []uint8"


def test_line_breaks_go() -> None:
    body = b'{"binaryData": {"a": "YW\\nI="}, "data": {"b": "YW\\nI="}}'
    found = codec.decode(body, Resource(ConfigMap, "configmaps"), strictness="Strict").object
    assert (found.binaryData, found.data) == ({"a": "YWI="}, {"b": "YW\nI="})
