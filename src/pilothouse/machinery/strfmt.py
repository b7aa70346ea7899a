"""Formats of OpenAPI strings as kube-openapi's package strfmt reads them: dates, times, durations, uuids, base64."""

from __future__ import annotations

import base64
import binascii
import re
from datetime import UTC, date, datetime

from pilothouse.machinery import strconv, time

UUID_PATTERN = "(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$"
DATE_TIME_PATTERN = "^([0-9]{2}):([0-9]{2}):([0-9]{2})(.[0-9]+)?(z|([+-][0-9]{2}:[0-9]{2}))$"
"""Upstream's expressions: their length is a measure of cost."""
_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_TIME_OF_DAY = re.compile(r"([0-9]{2}):([0-9]{2}):([0-9]{2})(?:.[0-9]+)?(?:z|[+-][0-9]{2}:[0-9]{2})")
_DATE_TIME = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})T([0-9]{1,2}):([0-9]{2}):([0-9]{2})(?:[.,]([0-9]+))?(?:Z|([+-])([0-9]{2}):([0-9]{2}))?"
)
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}")
_BASE64 = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{4})")
_URL_BASE64 = re.compile(r"(?:[A-Za-z0-9_-]{4})*(?:[A-Za-z0-9_-]{2}==|[A-Za-z0-9_-]{3}=)?")
_PART = re.compile(r"([0-9]+)[\t\n\f\r ]*([A-Za-zµ]+)")
SECOND = 1_000_000_000
_UNITS: tuple[tuple[int, tuple[str, ...]], ...] = (
    *((1, ("ns", "nano")), (1_000, ("us", "µs", "micro")), (1_000_000, ("ms", "milli")), (SECOND, ("s", "sec"))),
    *((60 * SECOND, ("m", "min")), (3_600 * SECOND, ("h", "hr", "hour"))),
    *((86_400 * SECOND, ("d", "day")), (604_800 * SECOND, ("w", "wk", "week"))),
)
"""The last variant of each may go on: `seconds`, `minutes`."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def is_uuid(text: str) -> bool:
    """The format `uuid`: dashes may be left out."""
    return _UUID.fullmatch(text) is not None


def is_base64(text: str) -> bool:
    """The format `byte`: standard base64 with padding, not empty."""
    return _BASE64.fullmatch(text) is not None


def is_date(text: str) -> bool:
    """The format `date`: RFC 3339's full-date."""
    return _day(text) is not None


def is_date_time(text: str) -> bool:
    """The format `date-time`: as upstream's validator, which looks at no more than two parts and knows no leap second."""
    parts = text.lower().split("t")
    if len(text) < 4 or len(parts) < 2 or not is_date(parts[0]):
        return False
    match = _TIME_OF_DAY.fullmatch(parts[1])
    return match is not None and match[1] <= "23" and match[2] <= "59" and match[3] <= "59"


def parse_date(text: str) -> int:
    """Nanoseconds since 1970 at the start of a date."""
    day = _day(text)
    if day is None:
        raise ValueError(f"parsing time {_quoted(text)} as {_quoted('2006-01-02')}: cannot parse {_quoted(text)} as {_quoted('2006')}")
    return (day.toordinal() - _EPOCH.toordinal()) * 86_400 * SECOND


def parse_date_time(text: str) -> tuple[int, int]:
    """Nanoseconds since 1970 and the seconds of the zone; without a zone it is UTC, and the empty text is 1970."""
    if not text:
        return 0, 0
    match = _DATE_TIME.fullmatch(text)
    day = _day(match[1]) if match else None
    if match is None or day is None:
        raise ValueError(_time_fault(text))
    hour, minute, second = (strconv.unsigned(part) or 0 for part in match.group(2, 3, 4))
    zone_hours, zone_minutes = (strconv.unsigned(part) or 0 for part in match.group(7, 8))
    if hour > 23 or minute > 59 or second > 59 or zone_hours > 24 or zone_minutes > 60:
        raise ValueError(_time_fault(text))
    offset = (zone_hours * 60 + zone_minutes) * (-60 if match[6] == "-" else 60)
    days = day.toordinal() - _EPOCH.toordinal()
    seconds = days * 86_400 + hour * 3_600 + minute * 60 + second - offset
    return seconds * SECOND + (strconv.unsigned((match[5] or "0")[:9].ljust(9, "0")) or 0), offset


def parse_duration(text: str) -> int:
    """Nanoseconds of a Go duration, or of what Scala writes: `2 days`, `5 minutes 3 sec`."""
    try:
        return time.duration_nanoseconds(text)
    except ValueError:
        pass
    total, matched = 0, False
    for count, unit in _PART.findall(text):
        factor = strconv.atoi(count)
        for scale in _scales(unit.lower()):
            total, matched = total + factor * scale, True
    if not matched:
        raise ValueError(f"unable to parse {text} as duration")
    return (total + (1 << 63)) % (1 << 64) - (1 << 63)


def parse_base64(text: str) -> bytes:
    """The octets of a text of format `byte`, which upstream decodes with the alphabet of URLs, unlike its validator."""
    plain = text.replace("\r", "").replace("\n", "")
    if not _URL_BASE64.fullmatch(plain):
        raise ValueError(f"illegal base64 data at input byte {_first_illegal(plain)}")
    try:
        return base64.urlsafe_b64decode(plain)
    except binascii.Error as error:  # not reached: the expression has seen to it
        raise ValueError(str(error)) from error


def _first_illegal(text: str) -> int:
    """Where Go's decoder stops: at the first octet of another alphabet, at misplaced padding, or at the end."""
    octets = text.encode()
    for position, octet in enumerate(octets):
        if not (chr(octet).isalnum() and octet < 128) and octet not in b"-_":
            misplaced = octet == ord("=") and position % 4 >= 2
            return position + 1 if misplaced and position % 4 == 2 and octets[position + 1 : position + 2] != b"=" else position
    return len(octets) - len(octets) % 4 if len(octets) % 4 == 0 else len(octets) // 4 * 4


def _scales(unit: str) -> list[int]:
    """The units that upstream's loop adds up: a text may match several."""
    return [
        scale
        for scale, variants in _UNITS
        for variant in variants
        if unit == variant or (variant == variants[-1] and unit.startswith(variant))
    ]


def _day(text: str) -> date | None:
    match = _DATE.fullmatch(text)
    if match is None:
        return None
    year, month, day = (strconv.unsigned(part) or 0 for part in match.groups())
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _time_fault(text: str) -> str:
    layout = "2006-01-02T15:04:05"
    return f"parsing time {_quoted(text)} as {_quoted(layout)}: cannot parse {_quoted(text)} as {_quoted('2006')}"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
