"""Randomness and identifiers as a dependency: the only module that may ask the machine for either.

`Entropy()` is seeded by the system, `Entropy(seed)` gives the same sequence every time. Names and ids are no secrets: nothing
that must not be guessed may come from here. (Asking the system for each would cost some forty microseconds in a virtual machine.)
"""

from __future__ import annotations

import random

SUFFIX_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
"""Upstream's alphabet of generated names: no vowels and no digits that look like letters, so that no words come out."""

UUID_FIXED = (4 << 76) | (2 << 62)
"""Version 4, and the variant of RFC 9562."""
UUID_FREE = ((1 << 128) - 1) ^ (15 << 76) ^ (3 << 62)


class Entropy:
    """A source of random numbers, UIDs and name suffixes; one instance a cluster or component."""

    def __init__(self, seed: int | None = None) -> None:
        self.random = random.Random(seed)

    def uid(self) -> str:
        """A version 4 UUID, as `metadata.uid` has it."""
        digits = f"{self.random.getrandbits(128) & UUID_FREE | UUID_FIXED:032x}"
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"

    def suffix(self, length: int = 5) -> str:
        """Random suffix for `metadata.generateName`, as upstream's."""
        return "".join(self.random.choices(SUFFIX_ALPHABET, k=length))

    def jitter(self, seconds: float, factor: float) -> float:
        """`seconds` plus up to `factor` times as much."""
        return seconds * (1 + factor * self.random.random())
