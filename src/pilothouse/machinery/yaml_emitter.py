"""Plain data as YAML, in the bytes of go-yaml v2, which Kubernetes answers with.

- Text that would be read back as anything else stands in double quotes, text of several lines as a literal block.
- Keys stand in go-yaml's order: letters after all else, numbers in names by their value (`a2` before `a10`).
"""

from __future__ import annotations

import re
from functools import cache, cmp_to_key
from typing import Any

import yaml

from pilothouse.machinery import strconv
from pilothouse.machinery.yaml_scalars import STRING, is_moment, resolve

SEXAGESIMAL = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?")
LONGEST_DIGITS = 18
SEQUENCE, MAPPING = "tag:yaml.org,2002:seq", "tag:yaml.org,2002:map"


def dump(value: Any) -> bytes:
    """The document of a value of JSON."""
    text: bytes = yaml.serialize(_node(value), Dumper=_dumper(), encoding="utf-8", allow_unicode=True)
    return text


@cache
def _dumper() -> Any:
    """The emitter of libyaml, of which go-yaml is a translation, without a mind of its own about types."""
    return type("Dumper", (getattr(yaml, "CSafeDumper", yaml.SafeDumper),), {"yaml_implicit_resolvers": {}})


def _node(value: Any) -> yaml.Node:
    if isinstance(value, dict):
        pairs = [(_text(key), _node(value[key])) for key in sorted(value, key=ORDER)]
        return yaml.MappingNode(MAPPING, pairs, flow_style=not value)
    if isinstance(value, list):
        return yaml.SequenceNode(SEQUENCE, [_node(each) for each in value], flow_style=not value)
    if isinstance(value, str):
        return _text(value)
    return yaml.ScalarNode(STRING, _plain(value))


def _plain(value: float | bool | None) -> str:
    """What is no text, as JSON has it; a float as Go's shortest form."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)


def _text(value: str) -> yaml.Node:
    if "\n" in value:
        return yaml.ScalarNode(STRING, value, style="|")
    return yaml.ScalarNode(STRING, value, style=None if _is_text(value) else '"')


def _is_text(value: str) -> bool:
    """Whether go-yaml reads the plain text back as the same text."""
    if not value or resolve(value, "") is not value:
        return False
    return not SEXAGESIMAL.fullmatch(value) and not _is_time(value)


def _is_time(value: str) -> bool:
    """A time as go-yaml knows it: a day, a day and a time without a zone, or one with T and a zone."""
    if not value[:4].isdecimal() or not is_moment(value):
        return False
    zoned = value[-1] in "Zz" or (value[-3:-2] == ":" and value[-6:-5] in ("+", "-"))
    return ("T" in value or "t" in value) == zoned


def _compare(key: str, other: str) -> int:
    """go-yaml's order of keys: below zero when `one` stands first."""
    for place, (left, right) in enumerate(zip(key, other, strict=False)):
        if left == right:
            continue
        if left.isalpha() and right.isalpha():
            return -1 if left < right else 1
        if left.isalpha() or right.isalpha():
            return -1 if right.isalpha() else 1
        return _compare_digits(key, other, place)
    return len(key) - len(other)


def _compare_digits(key: str, other: str, place: int) -> int:
    """Of names that differ at `place` in what is no letter: by the numbers that begin there."""
    leading = 0
    if "0" in (key[place], other[place]):  # a zero within a number counts
        before = key[:place]
        leading = 1 if re.search(r"[1-9]\d*$", before) else 0
    left, right = (re.match(r"\d*", text[place:])[0] for text in (key, other))  # type: ignore[index]
    values = tuple(strconv.parse_int(f"{leading}{digits}"[:LONGEST_DIGITS]) for digits in (left, right))
    if values[0] != values[1]:
        return -1 if values[0] < values[1] else 1
    if len(left) != len(right):
        return len(left) - len(right)
    return -1 if key[place] < other[place] else 1


ORDER = cmp_to_key(_compare)
