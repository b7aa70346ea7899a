"""YAML 1.1 as upstream's library resolves plain scalars."""

from __future__ import annotations

import pytest

from pilothouse.machinery import yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", True), ("y", True), ("On", True), ("n", False), ("OFF", False), ("true", True), ("yEs", "yEs"),
        ("0777", 511), ("0o17", 15), ("0x1F", 31), ("08", 8), ("1_000", 1000), ("-3", -3),
        ("12:30:45", "12:30:45"), ("2024-01-02", "2024-01-02"), ("=", "="), ("1.5", 1.5), ("1e3", 1000.0), ("1.2.3", "1.2.3"),
        ("~", None), ("null", None), ("", None), ("'yes'", "yes"), ("[a, 1]", ["a", 1]), ("{1: a, yes: b}", {"1": "a", "true": "b"}),
    ],
)  # fmt: skip
def test_scalars(text: str, value: object) -> None:
    assert yaml.parse(text) == value


@pytest.mark.parametrize("text", ["a: b: c", "- a\nb", "a: [", "{[a]: b}", "!!python/object:os.system x", "\x00"])
def test_what_is_none_is_a_yaml_error(text: str) -> None:
    with pytest.raises(yaml.YamlError, match=r"^yaml: "):
        yaml.parse(text)


def test_merge_keys_are_flattened() -> None:
    assert yaml.parse("base: &b {x: 1, z: 0}\nthing: {<<: *b, x: 2}") == {"base": {"x": 1, "z": 0}, "thing": {"x": 2, "z": 0}}
