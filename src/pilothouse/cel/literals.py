"""Literals as they stand in an expression: quoted texts and bytes with their escapes, numbers in decimal and hexadecimal."""

from __future__ import annotations

import re

from pilothouse.cel.values import GREATEST_INT, GREATEST_UINT, LEAST_INT, Uint
from pilothouse.machinery import strconv

_SIMPLE = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\", "'": "'", '"': '"', "`": "`", "?": "?"}
_ESCAPES = re.compile(r"\\([abfnrtv\\'\"`?]|[xX][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-3][0-7]{2}|[\s\S]?)")


class LiteralError(ValueError):
    """A literal that has no value, in cel-go's words."""


def text(token: str) -> str:
    """The value of a STRING token."""
    body, raw = _body(token)
    return body if raw else _ESCAPES.sub(lambda match: _code_point(match.group(1)), body)


def octets(token: str) -> bytes:
    """The value of a BYTES token: `\\x` and octal escapes are octets there."""
    body, raw = _body(token[1:])
    if raw or "\\" not in body:
        return body.encode()
    parts: list[bytes] = []
    position = 0
    for match in _ESCAPES.finditer(body):
        parts += [body[position : match.start()].encode(), _octet(match.group(1))]
        position = match.end()
    return b"".join([*parts, body[position:].encode()])


def _body(token: str) -> tuple[str, bool]:
    raw = token[0] in "rR"
    quoted = token[1:] if raw else token
    quoted = quoted.replace("\r\n", "\n").replace("\r", "\n")
    width = 3 if len(quoted) >= 6 and quoted[:3] in ('"""', "'''") else 1
    return quoted[width:-width], raw


def _code_point(escape: str) -> str:
    if escape in _SIMPLE:
        return _SIMPLE[escape]
    code = _number(escape)
    if code is None:
        raise LiteralError("unable to unescape string")
    if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
        raise LiteralError("invalid unicode code point")
    return chr(code)


def _octet(escape: str) -> bytes:
    if escape in _SIMPLE:
        return _SIMPLE[escape].encode()
    code = None if escape[:1] in ("u", "U") else _number(escape)
    if code is None:
        raise LiteralError("unable to unescape string")
    return bytes((code,))


def _number(escape: str) -> int | None:
    if escape[:1] in ("x", "X", "u", "U"):
        return strconv.hexadecimal(escape[1:])
    octal = [ord(digit) - ord("0") for digit in escape]
    return octal[0] * 64 + octal[1] * 8 + octal[2] if len(octal) == 3 else None


def integer(token: str, negative: bool) -> int:
    """The value of a NUM_INT token with its sign."""
    value = _digits(token)
    if negative and value is not None:
        value = -value
    if value is None or not LEAST_INT <= value <= GREATEST_INT:
        raise LiteralError("invalid int literal")
    return value


def unsigned(token: str) -> Uint:
    """The value of a NUM_UINT token."""
    value = _digits(token[:-1])
    if value is None or value > GREATEST_UINT:
        raise LiteralError("invalid uint literal")
    return Uint(value)


def double(token: str, negative: bool) -> float:
    """The value of a NUM_FLOAT token with its sign."""
    try:
        value = strconv.parse_float(token)
    except ValueError:
        raise LiteralError("invalid double literal") from None
    return -value if negative else value


def _digits(token: str) -> int | None:
    if token.startswith("0x"):
        return strconv.hexadecimal(token[2:].lstrip("0") or "0")
    return strconv.integer(token.lstrip("0") or "0", range(GREATEST_UINT + 1))
