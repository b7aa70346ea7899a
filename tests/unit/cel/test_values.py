"""Equality, order and printing of values and types."""

from __future__ import annotations

from typing import Any

import pytest

from pilothouse.cel import types, values
from pilothouse.cel.errors import EvaluationError, Issue
from pilothouse.cel.values import NONE, Duration, Optional, Timestamp, Uint


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        pytest.param(1, Uint(1), True, id="int and uint"),
        pytest.param(1, 1.0, True, id="int and double"),
        pytest.param(Uint(3), 3.5, False, id="uint and double of another value"),
        pytest.param((1 << 53) + 1, float(1 << 53), True, id="an int is compared with a double as a double"),
        pytest.param(True, 1, False, id="bool is no int"),
        pytest.param([True], [1], False, id="nor in a list"),
        pytest.param({"a": True}, {"a": 1}, False, id="nor in a map"),
        pytest.param("1", 1, False, id="text and number"),
        pytest.param(b"a", "a", False, id="bytes and text"),
        pytest.param(None, None, True, id="null"),
        pytest.param(None, False, False, id="null and bool"),
        pytest.param(float("nan"), float("nan"), False, id="NaN"),
        pytest.param([1, [2.0]], [1.0, [Uint(2)]], True, id="nested lists across types"),
        pytest.param([1], [1, 2], False, id="lists of different length"),
        pytest.param({1: "a"}, {Uint(1): "a"}, True, id="keys across types"),
        pytest.param({"a": 1}, {"b": 1}, False, id="other keys"),
        pytest.param(Timestamp(5, 3600), Timestamp(5), True, id="instants, whatever their zone"),
        pytest.param(Duration(5), Duration(6), False, id="durations"),
        pytest.param(Duration(5), Timestamp(5), False, id="duration and timestamp"),
        pytest.param(types.INT, types.INT, True, id="types"),
        pytest.param(types.list_of(types.INT), types.list_of(types.STRING), True, id="types without their parameters"),
        pytest.param(types.INT, types.UINT, False, id="other types"),
        pytest.param(Optional.of(1), Optional.of(1.0), True, id="optionals"),
        pytest.param(Optional.of(1), NONE, False, id="optional and none"),
        pytest.param(NONE, NONE, True, id="none"),
    ],
)
def test_equality(left: Any, right: Any, same: bool) -> None:
    assert values.equal(left, right) is same
    assert values.equal(right, left) is same


@pytest.mark.parametrize(
    ("left", "right", "order"),
    [
        pytest.param(1, 2, -1, id="int"),
        pytest.param(Uint(2), 1, 1, id="uint and int"),
        pytest.param(1.5, 1, 1, id="double and int"),
        pytest.param("a", "b", -1, id="text"),
        pytest.param(b"b", b"a", 1, id="bytes"),
        pytest.param(False, True, -1, id="bool"),
        pytest.param(Timestamp(1), Timestamp(1), 0, id="timestamp"),
        pytest.param(Duration(2), Duration(1), 1, id="duration"),
    ],
)
def test_order(left: Any, right: Any, order: int) -> None:
    assert values.compare(left, right) == order


@pytest.mark.parametrize(
    ("left", "right", "message"),
    [
        pytest.param(1, "a", "no such overload", id="number and text"),
        pytest.param(True, 1, "no such overload", id="bool and int"),
        pytest.param([1], [2], "no such overload", id="lists"),
        pytest.param(float("nan"), 1.0, "NaN values cannot be ordered", id="NaN"),
    ],
)
def test_order_of_what_has_none(left: Any, right: Any, message: str) -> None:
    with pytest.raises(EvaluationError, match=message):
        values.compare(left, right)


@pytest.mark.parametrize(
    ("value", "size"),
    [("äöü", 3), (b"abc", 3), ([1, 2], 2), ({"a": 1}, 1), (7, 1), (Optional.of("abcd"), 4), (NONE, 1)],
)
def test_sizes_for_costs(value: Any, size: int) -> None:
    assert values.size_of(value) == size


@pytest.mark.parametrize(
    ("type_", "shown"),
    [
        (types.list_of(types.STRING), "list(string)"),
        (types.map_of(types.STRING, types.list_of(types.DYN)), "map(string, list(dyn))"),
        (types.TIMESTAMP, "timestamp"),
        (types.DURATION, "duration"),
        (types.NULL, "null"),
        (types.ANY, "any"),
        (types.wrapper(types.INT), "wrapper(int)"),
        (types.optional_of(types.INT), "optional_type(int)"),
        (types.type_of(types.list_of(types.INT)), "type(list(int))"),
        (types.object_type("kubernetes.Quantity"), "kubernetes.Quantity"),
        (types.parameter("T"), "T"),
        (types.TYPE, "type"),
        (types.ERROR, "!error!"),
    ],
)
def test_types_are_printed_as_messages_have_them(type_: types.Type, shown: str) -> None:
    assert str(type_) == shown


@pytest.mark.parametrize(
    ("expected", "value", "fits"),
    [
        (types.INT, 1, True),
        (types.INT, True, False),
        (types.INT, Uint(1), False),
        (types.list_of(types.STRING), ["a", 1], True),
        (types.list_of(types.STRING), [1, "a"], False),
        (types.list_of(types.STRING), [], True),
        (types.map_of(types.STRING, types.INT), {"a": 1}, True),
        (types.map_of(types.STRING, types.INT), {"a": "b"}, False),
        (types.DYN, object(), True),
        (types.wrapper(types.INT), None, True),
        (types.INT, None, False),
        (types.optional_of(types.INT), NONE, True),
    ],
)
def test_arguments_are_matched_by_name_and_first_item(expected: types.Type, value: Any, fits: bool) -> None:
    assert values.matches(expected, value) is fits


def test_integers_overflow_with_an_error() -> None:
    assert values.checked_int(-(1 << 63)) == -(1 << 63)
    with pytest.raises(EvaluationError, match=r"^integer overflow$"):
        values.checked_int(1 << 63)
    with pytest.raises(EvaluationError, match=r"^unsigned integer overflow$"):
        values.checked_uint(-1)


@pytest.mark.parametrize(
    ("issue", "source", "shown"),
    [
        pytest.param(Issue(1, 4, "bad"), "abc d", "ERROR: <input>:1:5: bad\n | abc d\n | ....^", id="a caret below the place"),
        pytest.param(Issue(2, 1, "bad"), "a\nb c", "ERROR: <input>:2:2: bad\n | b c\n | .^", id="second line"),
        pytest.param(Issue(1, 2, "bad"), "äx\t", "ERROR: <input>:1:3: bad\n | äx \n | ．.^", id="wide signs"),
        pytest.param(Issue(3, 0, "bad"), "a", "ERROR: <input>:3:1: bad", id="no such line"),
    ],
)
def test_issues_are_shown_with_their_line(issue: Issue, source: str, shown: str) -> None:
    assert issue.shown(source) == shown
