"""Base64 bytes as Go's encoding/json reads and writes them."""

from __future__ import annotations

import base64
import binascii

ALPHABET = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")


def decoded(text: str) -> bytes | None:
    """The bytes; None when `text` is no base64."""
    try:
        return base64.b64decode(text.replace("\n", "").replace("\r", ""), validate=True)
    except (binascii.Error, ValueError):
        return None


def canonical(text: str) -> str:
    """The base64 text as Go writes it; invalid text is kept."""
    data = decoded(text)
    return text if data is None else base64.b64encode(data).decode()


def parse_error(text: str) -> str:
    """Go's error for invalid base64, with the offset of the first invalid byte; "" for valid text."""
    return "" if decoded(text) is not None else f"illegal base64 data at input byte {_fault(text)}"


def _fault(text: str) -> int:
    places = [index for index, char in enumerate(text) if char not in "\r\n"]
    wrong = next((number for number, index in enumerate(places) if text[index] not in ALPHABET), len(places))
    if wrong == len(places):  # a quantum that is not whole is told from its beginning
        return len(text) - wrong % 4
    if text[places[wrong]] != "=" or wrong % 4 < 2:
        return _bytes_before(text, places[wrong])
    if wrong % 4 == 2:  # two signs of padding belong here
        if wrong + 1 == len(places):
            return len(text.encode())
        if text[places[wrong + 1]] != "=":
            return _bytes_before(text, places[wrong + 1]) - 1
        wrong += 1
    return _bytes_before(text, places[wrong + 1])


def _bytes_before(text: str, index: int) -> int:
    return len(text[:index].encode())
