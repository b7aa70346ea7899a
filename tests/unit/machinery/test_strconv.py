"""Numbers in text: what Go's strconv reads, what it refuses, and in which words (tables made with Go 1.26)."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.machinery import strconv

NO_NUMBERS = [
    "",
    " 1",
    "1 ",
    "1_0",
    "\u0661",
    "\u00b2",
    "\uff11",
    "0x10",
    "1.0",
    "1e3",
    "--1",
    "+",
    "-",
    "\n1",
    "1\n",
    "1\0",
    "inf",
    "nan",
    "true",
]


@pytest.mark.parametrize("text", NO_NUMBERS)
def test_what_is_no_whole_number_is_refused(text: str) -> None:
    for parse in (strconv.parse_int, strconv.parse_uint, strconv.atoi):
        with pytest.raises(ValueError, match="invalid syntax"):
            parse(text)
    assert strconv.integer(text) is None
    assert strconv.unsigned(text) is None


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (strconv.parse_int, "+5", 5),
        (strconv.parse_int, "-0", 0),
        (strconv.parse_int, "007", 7),
        (strconv.parse_int, "0" * 5000 + "7", 7),
        (strconv.parse_int, "9223372036854775807", 2**63 - 1),
        (strconv.parse_int, "-9223372036854775808", -(2**63)),
        (strconv.parse_uint, "18446744073709551615", 2**64 - 1),
        (strconv.atoi, "-42", -42),
    ],
)
def test_reads_what_go_reads(parse: Callable[[str], int], text: str, value: int) -> None:
    assert parse(text) == value


@pytest.mark.parametrize(
    ("parse", "text", "message"),
    [
        (strconv.parse_int, "9223372036854775808", 'strconv.ParseInt: parsing "9223372036854775808": value out of range'),
        (strconv.parse_int, "9" * 5000, f'strconv.ParseInt: parsing "{"9" * 5000}": value out of range'),
        (strconv.parse_uint, "18446744073709551616", 'strconv.ParseUint: parsing "18446744073709551616": value out of range'),
        (strconv.parse_uint, "+5", 'strconv.ParseUint: parsing "+5": invalid syntax'),
        (strconv.parse_uint, "-1", 'strconv.ParseUint: parsing "-1": invalid syntax'),
        (strconv.atoi, "", 'strconv.Atoi: parsing "": invalid syntax'),
        (strconv.atoi, 'a"b', 'strconv.Atoi: parsing "a\\"b": invalid syntax'),
        (
            strconv.parse_int,
            b"\xc3\xa9\x00\xff".decode(errors="surrogateescape"),
            'strconv.ParseInt: parsing "é\\x00\\xff": invalid syntax',
        ),
        (strconv.parse_bool, "yes", 'strconv.ParseBool: parsing "yes": invalid syntax'),
        (strconv.parse_bool, "tRUE", 'strconv.ParseBool: parsing "tRUE": invalid syntax'),
        (strconv.parse_float, "1e400", 'strconv.ParseFloat: parsing "1e400": value out of range'),
        (strconv.parse_float, "0x10", 'strconv.ParseFloat: parsing "0x10": invalid syntax'),
        (strconv.parse_float, "1_", 'strconv.ParseFloat: parsing "1_": invalid syntax'),
        (strconv.parse_float, "_1", 'strconv.ParseFloat: parsing "_1": invalid syntax'),
        (strconv.parse_float, "\u0661", 'strconv.ParseFloat: parsing "\u0661": invalid syntax'),
        (strconv.parse_float, " 1", 'strconv.ParseFloat: parsing " 1": invalid syntax'),
    ],
)
def test_refuses_in_gos_words(parse: Callable[[str], object], text: str, message: str) -> None:
    with pytest.raises(ValueError, match="strconv") as refused:
        parse(text)
    assert str(refused.value) == message


@pytest.mark.parametrize(
    ("text", "value"),
    [(".5", 0.5), ("5.", 5.0), ("1e-400", 0.0), ("1_000", 1000.0), ("0x1_0p2", 64.0), ("1.5e+1_0", 1.5e10), ("-inf", -math.inf)],
)
def test_floats(text: str, value: float) -> None:
    assert strconv.parse_float(text) == value


@pytest.mark.parametrize("text", ["1", "t", "T", "true", "TRUE", "True"])
def test_booleans(text: str) -> None:
    assert strconv.parse_bool(text)


@pytest.mark.parametrize(
    ("text", "value"), [("1f", 31), ("0", 0), ("", None), ("-1", None), ("0x1", None), ("1_0", None), ("1" * 17, None)]
)
def test_hexadecimal(text: str, value: int | None) -> None:
    assert strconv.hexadecimal(text) == value


def test_a_measured_number_is_finite() -> None:
    assert strconv.number("1.5e3") == 1500.0
    assert [strconv.number(text) for text in ("nan", "inf", "1e999", "1_0", "")] == [None] * 5


@given(st.text())
def test_fuzz_any_text_is_a_number_or_a_value_error(text: str) -> None:
    for parse in (strconv.parse_int, strconv.parse_uint, strconv.atoi, strconv.parse_bool, strconv.parse_float):
        try:
            parse(text)
        except ValueError as refused:
            assert str(refused).startswith("strconv.")  # noqa: PT017
    assert strconv.integer(text) is None or text.isascii()


@pytest.mark.parametrize("text", ["1" * 1_000_000 + "x", "0" * 1_000_000 + "x", "1_" * 500_000 + "x", "0x" + "f" * 1_000_000 + "x"])
def test_a_long_text_that_is_no_number_is_refused_in_linear_time(text: str) -> None:
    with pytest.raises(ValueError, match="invalid syntax"):
        strconv.parse_float(text)
