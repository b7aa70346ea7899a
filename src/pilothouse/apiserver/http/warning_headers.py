"""Warnings as `Warning` headers: 299, as upstream sends them (endpoints/filters/warning.go)."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

TOTAL_CHARACTERS = 4 * 1024
"""Of all warnings of one answer; when they are more, each is cut to ITEM_CHARACTERS, and those after this many are left out."""
ITEM_CHARACTERS = 256


def values(warnings: Iterable[str]) -> list[str]:
    """The value of the header for each warning that is sent."""
    return [f'299 - "{escaped(text)}"' for text in shortened(warnings)]


def shortened(warnings: Iterable[str]) -> list[str]:
    """Each warning once, as long as all of them may be. What upstream cannot write into a header is left out."""
    texts = [text for text in dict.fromkeys(warnings) if text]
    if sum(len(text) for text in texts) <= TOTAL_CHARACTERS:
        return [text for text in texts if is_writable(text)]
    kept, written = [], 0
    for text in texts:
        if written >= TOTAL_CHARACTERS:
            break
        if is_writable(text):
            kept.append(text[:ITEM_CHARACTERS])
            written += len(kept[-1])
    return kept


def is_writable(text: str) -> bool:
    """Whether a text may stand in a header."""
    return not any(unicodedata.category(character) == "Cc" or "\ud800" <= character <= "\udfff" for character in text)


def escaped(text: str) -> str:
    """Text as it may stand in quotes in a header."""
    return text.replace("\\", "\\\\").replace('"', '\\"')
