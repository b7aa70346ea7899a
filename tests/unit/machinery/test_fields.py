"""Field selectors."""

from __future__ import annotations

import pytest

from pilothouse.machinery import fields
from pilothouse.machinery.errors import StatusError


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("", True),
        ("a=1", True),
        ("a==1,b!=1", True),
        ("a!=1", False),
        (r"c=x\,y\=z", True),
        ("absent=", True),
    ],
)
def test_matches(text: str, matches: bool) -> None:
    values = {"a": "1", "b": "2", "c": "x,y=z"}
    selector = fields.parse(text)
    assert selector.matches(lambda name: values.get(name, "")) is matches
    assert fields.parse(str(selector)) == selector


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a", "invalid selector: 'a'; can't understand 'a'"),
        ("a=1,b", "invalid selector: 'a=1,b'; can't understand 'b'"),
        (r"a=\x", "invalid field selector: invalid escape sequence: \\x"),
    ],
)
def test_refuses_in_upstreams_words(text: str, message: str) -> None:
    with pytest.raises(StatusError) as caught:
        fields.parse(text)
    assert str(caught.value) == message


def test_tells_the_value_that_a_field_must_have() -> None:
    assert fields.parse("spec.nodeName=n1,a!=b").exact("spec.nodeName") == "n1"
    assert fields.parse("a!=b").exact("a") is None
