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
NANO = Decimal("1e-9")


def expected(text: str) -> Decimal:
    """What upstream makes of it: whole billionths, rounded away from zero, capped."""
    exact = parse_quantity(text)
    nanos = (abs(exact) / NANO).to_integral_value(rounding="ROUND_UP")
    return min(nanos * NANO, LARGEST).copy_sign(exact)


@given(texts)
def test_reads_what_the_reference_reads(text: str) -> None:
    assert Decimal(quantity.parse(text).nanos) * NANO == expected(text)


@given(texts)
def test_the_canonical_form_means_the_same_and_is_stable(text: str) -> None:
    shown = quantity.canonical(text)
    assert quantity.parse(shown).nanos == quantity.parse(text).nanos
    again = quantity.canonical(shown)  # a binary number that no suffix fits comes back as a decimal one, as upstream's does
    assert quantity.canonical(again) == again
    assert "." not in shown


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
        ("12E", "9223372036854775807"),
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
    assert quantity.whole("1.1Ki") == 1127
    assert quantity.compare("1Gi", "1024Mi") == 0
    assert quantity.of_milli(250) == "250m"
