"""Formats of strings in kube-openapi's registry.

`is_valid(name, text)` knows every name of the registry, with or without hyphens; `supported` says whether a schema's format counts at all.

Upstream: kube-openapi pkg/validation/strfmt; apiextensions-apiserver pkg/apiserver/validation/formats.go.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from pilothouse.machinery import regex
from pilothouse.machinery.structural import addresses, texts, times

NUMBERS = {"integer": frozenset({"int32", "int64"}), "number": frozenset({"float", "double"})}

UUID = r"(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?%s-?%s-?[0-9a-f]{12}$"
ANY_GROUP, VARIANT = "[0-9a-f]{4}", "[89ab][0-9a-f]{3}"
SHORT_NAME = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
CREDIT_CARD = (
    r"^(?:4[0-9]{12}(?:[0-9]{3})?|5[1-5][0-9]{14}|6(?:011|5[0-9][0-9])[0-9]{12}|3[47][0-9]{13}|3(?:0[0-5]|[68][0-9])[0-9]{11}"
    r"|(?:2131|1800|35\d{3})\d{11})$"
)
SHADE = r"\s*(0|[1-9]\d?|1\d\d?|2[0-4]\d|25[0-5])\s*"
BASE64 = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{4})")
OBJECT_ID = re.compile("[0-9a-fA-F]{24}")
NOT_DIGITS, SPACES_AND_HYPHENS = re.compile("[^0-9]+"), re.compile(r"[\t\n\f\r -]+")

Check = Callable[[str], bool]


def supported(name: str, kind: str) -> bool:
    """Whether a schema of the type is held to the format."""
    if not name:
        return False
    if kind in ("", "string"):
        return normalized(name) in CHECKS
    return name in NUMBERS.get(kind, ())


def normalized(name: str) -> str:
    """Upstream's name of a format in its registry: `date-time` and `datetime` are one."""
    return name.replace("-", "")


def check_of(name: str) -> Check | None:
    """Predicate for a format; None for an unknown one."""
    return CHECKS.get(normalized(name))


def _pattern(pattern: str) -> Check:
    @lru_cache(maxsize=1)
    def compiled() -> regex.Regex:
        return regex.compile(pattern)

    return lambda text: compiled().search(text)


_short_name, _long_name = _pattern(f"^{SHORT_NAME}$"), _pattern(rf"^{SHORT_NAME}(\.{SHORT_NAME})*$")
_credit_card, _ssn = _pattern(CREDIT_CARD), _pattern(r"^\d{3}[- ]?\d{2}[- ]?\d{4}$")


def is_credit_card(text: str) -> bool:
    """A number of a known issuer with the right check digit, whatever stands between its digits."""
    digits = NOT_DIGITS.sub("", text)
    if not _credit_card(digits):
        return False
    doubled = [2 * (ord(digit) - 48) if place % 2 else ord(digit) - 48 for place, digit in enumerate(reversed(digits))]
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


def is_isbn10(text: str) -> bool:
    """ISBN of ten digits, the last of which may be X."""
    digits = SPACES_AND_HYPHENS.sub("", text)
    if re.fullmatch("[0-9]{9}X|[0-9]{10}", digits) is None:
        return False
    values = [10 if digit == "X" else ord(digit) - 48 for digit in digits]
    return sum(place * value for place, value in enumerate(values, 1)) % 11 == 0


def is_isbn13(text: str) -> bool:
    """ISBN of thirteen digits."""
    digits = SPACES_AND_HYPHENS.sub("", text)
    if re.fullmatch("[0-9]{13}", digits) is None:
        return False
    return sum((3 if place % 2 else 1) * (ord(digit) - 48) for place, digit in enumerate(digits)) % 10 == 0


CHECKS: dict[str, Check] = {
    "bsonobjectid": lambda text: OBJECT_ID.fullmatch(text) is not None,
    "uri": texts.is_request_uri,
    "email": texts.is_email,
    "hostname": texts.is_hostname,
    "ipv4": lambda text: "." in text and addresses.is_ip(text, sloppy=True),
    "ipv6": lambda text: ":" in text and addresses.is_ip(text),
    "cidr": addresses.is_cidr,
    "mac": addresses.is_mac,
    "uuid": _pattern(UUID % (ANY_GROUP, ANY_GROUP)),
    "uuid3": _pattern(UUID % ("3[0-9a-f]{3}", ANY_GROUP)),
    "uuid4": _pattern(UUID % ("4[0-9a-f]{3}", VARIANT)),
    "uuid5": _pattern(UUID % ("5[0-9a-f]{3}", VARIANT)),
    "isbn": lambda text: is_isbn10(text) or is_isbn13(text),
    "isbn10": is_isbn10,
    "isbn13": is_isbn13,
    "creditcard": is_credit_card,
    "ssn": lambda text: len(text.encode(errors="replace")) == 11 and _ssn(text),
    "hexcolor": _pattern("^#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$"),
    "rgbcolor": _pattern(rf"^rgb\({SHADE},{SHADE},{SHADE}\)$"),
    "byte": lambda text: BASE64.fullmatch(text) is not None,
    "password": lambda text: True,
    "date": times.is_date,
    "duration": times.is_duration,
    "datetime": times.is_date_time,
    "k8sshortname": lambda text: len(text) <= 63 and _short_name(text),
    "k8slongname": lambda text: len(text) <= 253 and _long_name(text),
}
