"""YAML as go-yaml v2 writes it: the bytes of kube-apiserver's answers."""

from __future__ import annotations

from typing import Any

import pytest

from pilothouse.machinery import yaml, yaml_emitter


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param({"a": "b"}, "a: b\n", id="plain text"),
        pytest.param({"a": ""}, 'a: ""\n', id="empty text"),
        pytest.param({"a": "1"}, 'a: "1"\n', id="text that is a number"),
        pytest.param({"a": "0x1f"}, 'a: "0x1f"\n', id="text that is a hexadecimal number"),
        pytest.param({"a": "1:30"}, 'a: "1:30"\n', id="text that was a number once"),
        pytest.param({"a": "true"}, 'a: "true"\n', id="text that is a boolean"),
        pytest.param({"y": "no"}, '"y": "no"\n', id="words that were booleans once"),
        pytest.param({"a": "2026-01-01T00:00:00Z"}, 'a: "2026-01-01T00:00:00Z"\n', id="a time"),
        pytest.param({"a": "2026-01-01"}, 'a: "2026-01-01"\n', id="a day"),
        pytest.param({"a": "2026-13-01"}, "a: 2026-13-01\n", id="what looks like a day"),
        pytest.param({"a": "b: c"}, "a: 'b: c'\n", id="text with an indicator"),
        pytest.param({"a": "b\nc\n"}, "a: |\n  b\n  c\n", id="lines"),
        pytest.param({"a": "b\nc"}, "a: |-\n  b\n  c\n", id="lines without an end"),
        pytest.param({"a": None, "b": True, "c": 1, "d": 1.5}, "a: null\nb: true\nc: 1\nd: 1.5\n", id="what is no text"),
        pytest.param({"a": [], "b": {}}, "a: []\nb: {}\n", id="nothing in it"),
        pytest.param({"a": [{"b": 1, "c": [2]}]}, "a:\n- b: 1\n  c:\n  - 2\n", id="lists are not indented"),
        pytest.param({"a10": 1, "a2": 2, "a02": 3}, "a2: 2\na02: 3\na10: 1\n", id="numbers in keys by value"),
        pytest.param({"b": 1, "B": 2, ".": 3, "f:a": 4}, ".: 3\nB: 2\nb: 1\nf:a: 4\n", id="letters after signs"),
        pytest.param({'k:{"name":"x"}': {}}, 'k:{"name":"x"}: {}\n', id="a key of managed fields"),
    ],
)
def test_values_are_written_as_go_yaml_writes_them(value: Any, text: str) -> None:
    assert yaml_emitter.dump(value).decode() == text


def test_long_text_is_folded_at_eighty_columns() -> None:
    lines = yaml_emitter.dump({"a": "word " * 40 + "end"}).decode().splitlines()
    assert len(lines) == 3
    assert all(len(line) <= 86 for line in lines)


@pytest.mark.parametrize(
    "value", [{"a": "1_000"}, {"a": "~"}, {"a": ".inf"}, {"a": " b"}, {"a": "b #c"}, {"a": "ä\tb"}, {"a": "-"}, {"a": "\u2028"}]
)
def test_what_is_written_is_read_back(value: Any) -> None:
    assert yaml.parse(yaml_emitter.dump(value)) == value
