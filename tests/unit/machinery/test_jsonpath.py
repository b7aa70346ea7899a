"""JSONPath: expressions, what they find, and what is said of those that are none. Recorded from client-go."""

from __future__ import annotations

import json
import re

import pytest

from pilothouse.machinery import jsonpath

DATA = {
    "spec": {
        "size": 3,
        "ratio": 0.5,
        "on": True,
        "null": None,
        "list": ["x", "y", "z"],
        "a.b": 1,
        "items": [{"name": "a", "port": 80, "tls": True}, {"name": "b", "port": 443}],
    },
    "metadata": {"labels": {"app.kubernetes.io/name": "w"}},
}
FOUND = [
    (".spec.size", "[3]"),
    (".missing", "[]"),
    (".missing.deeper", "[]"),
    (".spec.null", "[null]"),
    (".spec.null.x", "[]"),
    (".spec.list[0]", '["x"]'),
    (".spec.list[-1]", '["z"]'),
    (".spec.list[0:2]", '["x","y"]'),
    (".spec.list[1:]", '["y","z"]'),
    (".spec.list[:2]", '["x","y"]'),
    (".spec.list[::2]", '["x","z"]'),
    (".spec.list[*]", '["x","y","z"]'),
    (".spec.list[1:1]", "[]"),
    (".spec.list[0,2]", '["x","z"]'),
    (".spec.list[]", '["x"]'),
    (".spec.items[*].name", '["a","b"]'),
    ('.spec.items[?(@.name=="b")].port', "[443]"),
    (".spec.items[?(@.port>80)].name", '["b"]'),
    (".spec.items[?(@.port>=80)].name", '["a","b"]'),
    (".spec.items[?(@.port<443)].name", '["a"]'),
    (".spec.items[?(@.port<=443)].name", '["a","b"]'),
    ('.spec.items[?(@.name!="b")].port', "[80]"),
    (".spec.items[?(@.tls)].name", '["a"]'),
    (".spec.items[?(@.tls==true)].name", '["a"]'),
    ('.spec.items[?(@.missing=="x")].name', "[]"),
    (".spec['size']", "[3]"),
    (".spec['a\\.b']", "[1]"),
    (".spec.a\\.b", "[1]"),
    ("$.spec.size", "[3]"),
    ("..name", '["a","b"]'),
    ('"text"', '["text"]'),
    ("'text'", '["text"]'),
    ("5", "[5]"),
    ("+5", "[5]"),
    ("5.5", "[5.5]"),
    ("true", "[true]"),
    (".spec.items[0]['name','port']", '["a",80]'),
    (".spec.ratio", "[0.5]"),
    (".spec.on", "[true]"),
    (".metadata.labels.app\\.kubernetes\\.io/name", '["w"]'),
    (".spec.items[*]['name']", '["a","b"]'),
    (".", "[]"),
]
WRONG = [
    (".spec.list[a]", "invalid array index a"),
    ("....name", "invalid multiple recursive descent"),
    (".spec.items[", "unterminated array"),
    ('.spec.items[?(@.name=="b")', "unclosed array expect ]"),
    ('.spec.items[?(@.name=="b"', "unterminated filter"),
    ('.spec.items[?(@.name=="b)"].x', "unterminated filter"),
    ('"text', "unterminated quoted string"),
    ("5.5.5", "cannot parse number 5.5.5"),
    ("#", "unrecognized character in action: U+0023 '#'"),
    ("..*", "unrecognized character in action: U+002A '*'"),
]
UNFIT = [
    (".spec.list[7]", "array index out of bounds: index 7, length 3"),
    (".spec.list[-7]", "array index out of bounds: index -4, length 3"),
    (".spec.list[2:1]", "starting index 2 is greater than ending index 1"),
    (".spec.list[::0]", "step must be > 0"),
    ('.spec.items[?(@.port=="x")].name', "incompatible types for comparison"),
    (".spec.items[?(@.port>0.5)].name", "incompatible types for comparison"),
    (".spec.items[?(@.tls<true)].name", "invalid type for comparison"),
    (".spec.size[0]", "int64 is not array or slice"),
    (".spec.size[?(@.x)]", "3 is not array or slice and cannot be filtered"),
    ("spec.size", "unrecognized identifier spec"),
    ("[0]", "map[string]interface {} is not array or slice"),
]


@pytest.mark.parametrize(("path", "values"), FOUND, ids=[path for path, _ in FOUND])
def test_what_an_expression_finds(path: str, values: str) -> None:
    assert jsonpath.compile(path).find(DATA) == json.loads(values)


@pytest.mark.parametrize(("path", "message"), WRONG, ids=[path for path, _ in WRONG])
def test_what_is_no_expression(path: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        jsonpath.compile(path)


@pytest.mark.parametrize(("path", "message"), UNFIT, ids=[path for path, _ in UNFIT])
def test_what_does_not_fit_the_data(path: str, message: str) -> None:
    with pytest.raises(jsonpath.PathError) as raised:
        jsonpath.compile(path).find(DATA)
    assert str(raised.value) == message


def test_everything_below_comes_with_what_it_is_in() -> None:
    assert jsonpath.compile("..").find({"a": ["x"]}) == [{"a": ["x"]}, ["x"], "x"]


def test_the_field_that_an_expression_begins_with() -> None:
    assert [jsonpath.compile(path).head for path in (".spec.size", "$.metadata.name", "[0]", "..name")] == ["spec", "metadata", "", ""]
