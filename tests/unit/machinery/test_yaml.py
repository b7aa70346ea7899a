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


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0X1f", 31), ("0b11", 3), ("-0b11", -3), ("0b12", "0b12"), ("0o8", "0o8"), ("00", 0), ("0_7", 7), ("1_", 1), ("_1", "_1"),
        ("-0", 0), ("5.", 5), (".5", 0.5), ("1e20", 10**20), ("1e400", "1e400"), ("18446744073709551615", 2**64 - 1), ("+5", 5),
        ("!!str 3", "3"), ("!!int '3'", 3), ("!!float 3", 3), ("!!binary aGk=", "hi"), ("!foo bar", "bar"),
        ("!!set {a, b}", {"a": None, "b": None}),
        ("!!timestamp 2024-01-02", "2024-01-02"), ("! 5", "5"), ("!!python/object:os.system x", "x"), ("\ufeffa: 1", {"a": 1}),
        ("{1.5: a, 1e3: b, .inf: c}", {"1.5": "a", "1000": "b", ".inf": "c"}), ("--- a\n--- b", "a"), ("# nothing", None),
        ("\u0661", "\u0661"),
    ],
)  # fmt: skip
def test_scalars_and_tags_are_go_yamls(text: str, value: object) -> None:
    assert yaml.parse(text) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: b: c", "yaml: mapping values are not allowed in this context"),
        ("- a\nb", "yaml: line 3: could not find expected ':'"),
        ("a: [", "yaml: line 1: did not find expected node content"),
        ("{[a]: b}", 'yaml: invalid map key: []interface {}{"a"}'),
        ("{null: 1}", "unsupported map key of type: %!s(<nil>), key: <nil>, value: 1"),
        ("!!int abc", "yaml: cannot decode !!str `abc` as a !!int"),
        ("!!bool 3", "yaml: cannot decode !!int `3` as a !!bool"),
        ("!!timestamp 2001-13-14", "yaml: cannot decode !!str `2001-13-14` as a !!timestamp"),
        ("!!binary ???", "yaml: !!binary value contains invalid base64 data"),
        ("a: *b", "yaml: unknown anchor 'b' referenced"),
        ("a: &a [*a]", "yaml: anchor 'a' value contains itself"),
        ("a: {<<: 5}", "yaml: map merge requires map or sequence of maps as the value"),
        ("a: .inf", "json: unsupported value: +Inf"),
        ("\x00", "yaml: control characters are not allowed"),
        ("{!!int x: [", "yaml: line 1: did not find expected node content"),
    ],
)
def test_what_is_none_is_refused_in_go_yamls_words(text: str, message: str) -> None:
    with pytest.raises(yaml.YamlError) as refused:
        yaml.parse(text)
    assert str(refused.value) == message


@pytest.mark.parametrize("data", [b"\xff", b"a: \xc3(", b"\xed\xa0\x80"])
def test_what_is_no_utf8_is_refused(data: bytes) -> None:
    with pytest.raises(yaml.YamlError, match="yaml: "):
        yaml.parse(data)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("base: &b {x: 1, z: 0}\nthing: {<<: *b, x: 2}", {"x": 2, "z": 0}),
        ("thing: {x: 2, <<: {x: 1, z: 3}}", {"x": 1, "z": 3}),
        ("thing: {<<: [{x: 1}, {x: 2, z: 3}]}", {"x": 1, "z": 3}),
        ("thing: {'<<': 1}", {"<<": 1}),
    ],
)
def test_merged_keys_stand_where_they_are_merged(text: str, value: object) -> None:
    assert yaml.parse(text)["thing"] == value


def test_repeated_keys_are_told_with_the_line_of_their_value() -> None:
    repeated: list[str] = []
    assert yaml.parse("a: 1\nb: {c: 1, c: 2}\na:\n  3", repeated) == {"a": 3, "b": {"c": 2}}
    assert repeated == ['line 2: key "c" already set in map', 'line 4: key "a" already set in map']


def test_every_document() -> None:
    assert yaml.parse_all("a: 1\n---\n---\nb") == [{"a": 1}, None, "b"]
