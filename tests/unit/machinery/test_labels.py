"""Label selectors: reading, matching, writing."""

from __future__ import annotations

import pytest

from pilothouse.machinery import labels
from pilothouse.machinery.errors import StatusError
from pilothouse.machinery.meta_v1 import LabelSelector, LabelSelectorRequirement


@pytest.mark.parametrize(
    ("text", "matching", "other"),
    [
        ("", {"a": "b"}, None),
        ("a=b", {"a": "b"}, {"a": "c"}),
        ("a==b", {"a": "b"}, {}),
        ("a!=b", {}, {"a": "b"}),
        ("a", {"a": ""}, {}),
        ("!a", {}, {"a": ""}),
        ("a in (b, c)", {"a": "c"}, {"a": "d"}),
        ("a notin (b,c)", {}, {"a": "b"}),
        ("a=", {"a": ""}, {"a": "b"}),
        ("a in (,b)", {"a": ""}, {"a": "c"}),
        ("a>4,a<9", {"a": "5"}, {"a": "9"}),
        ("in in (in),notin=in", {"in": "in", "notin": "in"}, {"in": "in"}),
        ("example.com/x=y", {"example.com/x": "y"}, {"x": "y"}),
    ],
)
def test_matches(text: str, matching: dict[str, str], other: dict[str, str] | None) -> None:
    selector = labels.parse(text)
    assert selector.matches(matching)
    assert other is None or not selector.matches(other)
    assert labels.parse(str(selector)) == selector


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
        ("a,", "found '', expected: identifier after ','"),
        ("=", "found '=', expected: !, identifier, or 'end of string'"),
        ("a in b", "unable to parse requirement: found 'b' expected: '('"),
        ("a in (=)", "unable to parse requirement: found '=', expected: ',', ')' or identifier"),
        ("a in (", "unable to parse requirement: found '', expected: ',', ')' or identifier"),
        ("a>x", "unable to parse requirement: values[0]: Invalid value: \"x\": for 'Gt', 'Lt' operators, the value must be an integer"),
        (
            "a>9223372036854775808",
            "unable to parse requirement: values[0]: Invalid value: \"9223372036854775808\": for 'Gt', 'Lt' operators",
        ),
        ("-x=1", 'unable to parse requirement: <nil>: Invalid value: "-x": name part must consist of'),
        ("a=-", 'unable to parse requirement: values[0][a]: Invalid value: "-": a valid label must be'),
    ],
)
def test_refuses_in_upstreams_words(text: str, message: str) -> None:
    with pytest.raises(StatusError) as caught:
        labels.parse(text)
    assert caught.value.code == 400
    assert str(caught.value).startswith(message)


def test_no_label_selector_matches_nothing_and_an_empty_one_everything() -> None:
    assert not labels.from_label_selector(None).matches({})
    assert labels.from_label_selector(LabelSelector()).matches({"a": "b"})


def test_expressions_of_the_api() -> None:
    expressions = [
        LabelSelectorRequirement(key="t", operator="In", values=["y", "x"]),
        LabelSelectorRequirement(key="o", operator="DoesNotExist"),
    ]
    selector = labels.from_label_selector(LabelSelector(matchLabels={"a": "b"}, matchExpressions=expressions))
    assert str(selector) == "a=b,!o,t in (x,y)"
    assert selector.matches({"a": "b", "t": "x"})


def test_an_unknown_operator_is_refused() -> None:
    with pytest.raises(labels.SelectorError, match='"Near" is not a valid label selector operator'):
        labels.from_label_selector(LabelSelector(matchExpressions=[LabelSelectorRequirement(key="a", operator="Near")]))
