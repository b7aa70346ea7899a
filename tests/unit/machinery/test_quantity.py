"""Quantities against the reference client's parser, and the canonical form."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kubernetes.utils import parse_quantity

from pilothouse.machinery import quantity

SUFFIXES = ["", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"]
numbers = st.builds(
    lambda whole, part: f"{whole}.{part}" if part else str(whole), st.integers(0, 9000), st.sampled_from(["", "5", "25", "125"])
)
texts = st.builds(
    lambda sign, number, suffix: f"{sign}{number}{suffix}", st.sampled_from(["", "-", "+"]), numbers, st.sampled_from(SUFFIXES)
)
LARGEST = Decimal(2**63 - 1)
"""Of binary quantities: upstream caps no others."""
NANO = Decimal("1e-9")


def expected(text: str) -> Decimal:
    """What upstream makes of it: whole billionths, rounded away from zero, capped."""
    exact = parse_quantity(text)
    nanos = (abs(exact) / NANO).to_integral_value(rounding="ROUND_UP")
    value = nanos * NANO
    return (min(value, LARGEST) if text.endswith("i") else value).copy_sign(exact)


@given(texts)
def test_reads_what_the_reference_reads(text: str) -> None:
    assert Decimal(quantity.parse(text).nanos) * NANO == expected(text)


@given(texts)
def test_the_canonical_form_means_the_same_and_is_stable(text: str) -> None:
    shown = quantity.canonical(text)
    assert quantity.parse(shown).nanos == quantity.parse(text).nanos
    again = quantity.canonical(shown)  # a binary number that no suffix fits comes back as a decimal one, as upstream's does
    assert quantity.canonical(again) == again


@given(texts, texts)
def test_sums_are_exact(first: str, second: str) -> None:
    total = quantity.parse(first) + quantity.parse(second)
    assert total.nanos == quantity.parse(first).nanos + quantity.parse(second).nanos
    assert (total - quantity.parse(second)).nanos == quantity.parse(first).nanos


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("1000m", "1"),
        ("1500m", "1500m"),
        ("0.5", "500m"),
        (0.25, "250m"),
        (1500, "1500"),
        ("1.5Gi", "1536Mi"),
        ("1024Ki", "1Mi"),
        ("1024", "1024"),
        ("0.5Ki", "512"),
        ("1.1Ki", "1126400m"),
        ("100000", "100k"),
        ("1e3", "1e3"),
        ("1e-3", "1e-3"),
        ("0", "0"),
        ("0Gi", "0"),
        ("0.1n", "1n"),
        ("-1.5", "-1500m"),
        ("12E", "12E"),
        ("8Ei", "9223372036854775807"),
        ("1.500", "1.500"),
        ("1.250", "1.250"),
        ("0.250", "250m"),
        ("007", "007"),
        ("+5", "+5"),
        ("1.", "1."),
        (".", "0"),
        ("-", "0"),
        (" 1 ", "1"),
        ("1e5", "100e3"),
        ("1e+0005", "100e3"),
        ("1e99", "1e99"),
        ("1e-30", "1e-9"),
        ("1025Ki", "1025Ki"),
        ("001Ki", "001Ki"),
    ],
)
def test_canonical_form(written: str | float, shown: str) -> None:
    assert quantity.canonical(written) == shown


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", quantity.FORMAT_MESSAGE),
        ("abc", quantity.FORMAT_MESSAGE),
        ("1 Gi", quantity.FORMAT_MESSAGE),
        ("1.2.3", quantity.FORMAT_MESSAGE),
        ("١", quantity.FORMAT_MESSAGE),
        ("1i", quantity.SUFFIX_MESSAGE),
        ("1e", quantity.SUFFIX_MESSAGE),
        ("1K", quantity.SUFFIX_MESSAGE),
    ],
)
def test_refuses_in_upstreams_words(text: str, message: str) -> None:
    with pytest.raises(ValueError, match="^" + re.escape(message) + "$"):
        quantity.parse(text)


def test_counts_round_up() -> None:
    assert quantity.milli("1n") == 1
    assert quantity.value("1.1Ki") == 1127
    assert quantity.compare("1Gi", "1024Mi") == 0
    assert quantity.of_milli(250) == "250m"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", quantity.FORMAT_MESSAGE),
        ("1_0", quantity.FORMAT_MESSAGE),
        ("\u0661", quantity.FORMAT_MESSAGE),
        ("0x1", quantity.FORMAT_MESSAGE),
        ("1E1Ki", quantity.FORMAT_MESSAGE),
        ("1\n", quantity.FORMAT_MESSAGE),
        ("+-1", quantity.SUFFIX_MESSAGE),
        ("1e", quantity.SUFFIX_MESSAGE),
        ("1e+", quantity.SUFFIX_MESSAGE),
        ("1ki", quantity.SUFFIX_MESSAGE),
        ("1e" + "9" * 5000, quantity.SUFFIX_MESSAGE),
        ("9" * 5000, quantity.NUMBER_MESSAGE),
    ],
)
def test_refuses_what_python_would_take(text: str, message: str) -> None:
    with pytest.raises(ValueError, match="quantit") as refused:
        quantity.parse(text)
    assert str(refused.value) == message


def test_who_counts_in_64_bits_gets_no_more() -> None:
    assert quantity.value("1e99") == 2**63 - 1
    assert quantity.milli("-9E") == -(2**63)


@pytest.mark.parametrize("text", ["1" * 1_000_000 + "x", "0" * 1_000_000 + "x", "1." + "1" * 1_000_000 + "x", "1" + "e" * 1_000_000 + "x"])
def test_a_long_text_that_is_no_quantity_is_refused_in_linear_time(text: str) -> None:
    with pytest.raises(ValueError, match="quantities must match the regular expression"):
        quantity.parse(text)
