"""Plain text of YAML as values: the rules of go-yaml v2, which Kubernetes reads YAML with (YAML 1.1, without sexagesimal numbers)."""

from __future__ import annotations

import base64
import binascii
import math
import re
from datetime import UTC, datetime
from typing import Any

from pilothouse.machinery import strconv
from pilothouse.machinery.quoting import go_quoted

PREFIX = "tag:yaml.org,2002:"
STRING, BOOLEAN, INTEGER, FLOAT, NULL, TIMESTAMP, BINARY, MERGE = (
    PREFIX + name for name in ("str", "bool", "int", "float", "null", "timestamp", "binary", "merge")
)
RESOLVABLE = frozenset(("", STRING, BOOLEAN, INTEGER, FLOAT, NULL, TIMESTAMP))
WORDS: dict[str, tuple[str, Any]] = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), (BOOLEAN, True)),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), (BOOLEAN, False)),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), (NULL, None)),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), (FLOAT, math.nan)),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), (FLOAT, math.inf)),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), (FLOAT, -math.inf)),
}
HINTS = frozenset("+-.0123456789")
STYLE_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
WHOLE = re.compile(r"([+-]?)(?:0[bB]([01]+)|0[xX]([0-9a-fA-F]+)|0[oO]?([0-7]+)|(0|[1-9][0-9]*))")
MOMENT = re.compile(
    r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})(?:[Tt ]([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})(?:\.[0-9]*)?(?:Z|[+-][0-9]{2}:[0-9]{2})?)?"
)
LONGEST_NUMBER = 400
"""Characters of a number: longer ones are text, or beyond what a float can hold."""


def resolve(text: str, tag: str) -> Any:
    """The value of a plain scalar, or of one with a tag (in its long form); ValueError in go-yaml's words where the tag does not fit."""
    if tag == BINARY:
        return _binary(text)
    if tag not in RESOLVABLE or tag == STRING:
        return text
    actual, value = _resolved(text, tag)
    if tag in ("", actual):
        return value
    if tag == FLOAT and actual == INTEGER:
        return value
    raise ValueError(f"cannot decode {_short(actual)} `{text}` as a {_short(tag)}")


def _resolved(text: str, tag: str) -> tuple[str, Any]:
    known = WORDS.get(text)
    if known is not None:
        return known
    if text[0] not in HINTS or len(text) > LONGEST_NUMBER:
        return STRING, text
    if text[0] == ".":
        return _or_text(_float(text), text)
    if tag == TIMESTAMP and is_moment(text):
        return TIMESTAMP, text
    plain = text.replace("_", "")
    number = _whole(plain)
    if number is not None:
        return INTEGER, number
    return _or_text(_float(plain) if STYLE_FLOAT.fullmatch(plain) else None, text)


def is_moment(text: str) -> bool:
    """Whether a text is a day, or a day and a time of it."""
    match = MOMENT.fullmatch(text)
    numbers = [strconv.parse_int(part) for part in match.groups() if part] if match else []
    try:
        return bool(datetime(*numbers, tzinfo=UTC)) if numbers else False  # type: ignore[arg-type, misc]
    except ValueError:
        return False


def _or_text(number: float | None, text: str) -> tuple[str, Any]:
    return (STRING, text) if number is None else (FLOAT, _as_json(number))


def _float(text: str) -> float | None:
    try:
        return strconv.parse_float(text)
    except ValueError:
        return None


def _as_json(number: float) -> int | float:
    """A whole float is written by Go's encoder as an integer."""
    return int(number // 1) if abs(number) < 1 << 63 and number == number // 1 else number


def _whole(text: str) -> int | None:
    """strconv.ParseInt or ParseUint in base 0."""
    match = WHOLE.fullmatch(text)
    if match is None:
        return None
    sign, binary, hexadecimal, octal, decimal = match.groups()
    digits, base = next((part, base) for part, base in ((binary, 2), (hexadecimal, 16), (octal, 8), (decimal, 10)) if part is not None)
    value = int(digits, base)
    if sign == "-":
        value = -value
    return value if value in strconv.INT64 or (not sign and value in strconv.UINT64) else None


def _binary(text: str) -> str:
    try:
        return base64.b64decode(text.replace("\n", "").replace("\r", ""), validate=True).decode(errors="replace")
    except (binascii.Error, ValueError) as error:
        raise ValueError("!!binary value contains invalid base64 data") from error


def _short(tag: str) -> str:
    return f"!!{tag.removeprefix(PREFIX)}" if tag.startswith(PREFIX) else tag


def key_text(key: Any, value: Any) -> str:
    """The name that a key has in JSON; ValueError in upstream's words for what can be none."""
    if isinstance(key, str):
        return key
    if isinstance(key, bool):
        return "true" if key else "false"
    if isinstance(key, float):
        return {"inf": ".inf", "-inf": "-.inf", "nan": ".nan"}.get(str(key)) or f"{key:g}"
    if isinstance(key, int) and key in strconv.INT64:
        return str(key)
    if isinstance(key, (dict, list)):
        raise ValueError(f"yaml: invalid map key: {go_syntax(key)}")
    kind, shown = ("%!s(<nil>)", "<nil>") if key is None else ("uint64", f"{key:#x}")
    raise ValueError(f"unsupported map key of type: {kind}, key: {shown}, value: {'<nil>' if value is None else go_syntax(value)}")


def go_syntax(value: Any) -> str:
    """A value as Go's %#v prints it."""
    if isinstance(value, str):
        return go_quoted(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        pairs = ", ".join(f"{go_syntax(key)}:{go_syntax(each)}" for key, each in value.items())
        return f"map[interface {{}}]interface {{}}{{{pairs}}}"
    if isinstance(value, list):
        return f"[]interface {{}}{{{', '.join(map(go_syntax, value))}}}"
    if value is None:
        return "interface {}(nil)"
    return f"{value:g}" if isinstance(value, float) else str(value)
