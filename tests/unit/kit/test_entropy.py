"""Entropy gives well-formed identifiers, the same ones for the same seed."""

from __future__ import annotations

import re

from pilothouse.kit.entropy import SUFFIX_ALPHABET, Entropy


def test_a_seed_decides_everything() -> None:
    one, two = Entropy(7), Entropy(7)
    assert [one.uid(), one.suffix(), one.jitter(1, 1)] == [two.uid(), two.suffix(), two.jitter(1, 1)]


def test_without_a_seed_nothing_repeats() -> None:
    assert Entropy().uid() != Entropy().uid()


def test_identifiers_are_well_formed() -> None:
    entropy = Entropy(1)
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", entropy.uid())
    assert len(entropy.suffix(10)) == 10
    assert set(entropy.suffix(100)) <= set(SUFFIX_ALPHABET)
    assert all(2 <= entropy.jitter(2, 0.5) <= 3 for _ in range(100))
