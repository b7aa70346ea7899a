"""Formats of OpenAPI strings as kube-openapi's package strfmt reads them: dates, times, durations, uuids, base64."""

from __future__ import annotations

import base64
import binascii
import re

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
_PART = re.compile(r"(?<![0-9])([0-9]++)[\t\n\f\r ]*+([A-Za-zµ]++)")
SECOND = 1_000_000_000
_UNITS: tuple[tuple[int, tuple[str, ...]], ...] = (
    *((1, ("ns", "nano")), (1_000, ("us", "µs", "micro")), (1_000_000, ("ms", "milli")), (SECOND, ("s", "sec"))),
    *((60 * SECOND, ("m", "min")), (3_600 * SECOND, ("h", "hr", "hour"))),
    *((86_400 * SECOND, ("d", "day")), (604_800 * SECOND, ("w", "wk", "week"))),
)
"""The last variant of each may go on: `seconds`, `minutes`."""
_MONTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_DAYS_TO_1970 = 719163
"""Counted from the last day of the year 0, the day before 0001-01-01."""
_DATE_ELEMENTS = (
    *(("2006", "[0-9]{4}", range(10000)), ("-", "-", range(0)), ("01", "[0-9]{2}", range(1, 13)), ("-", "-", range(0))),
    ("02", "[0-9]{2}", range(100)),
)
_TIME_ELEMENTS = (
    *(*_DATE_ELEMENTS, ("T", "T", range(0)), ("15", "[0-9]{1,2}", range(24)), (":", ":", range(0))),
    *(("04", "[0-9]{2}", range(60)), (":", ":", range(0)), ("05", "[0-9]{2}(?:[.,][0-9]+)?", range(60))),
)
"""The parts of a layout of Go, what each reads and which numbers it takes."""
_NAMES = {"01": "month", "15": "hour", "04": "minute", "05": "second"}
_ESCAPED, _LINE_ENDS, _PADDING = b'"\\', b"\r\n", ord("=")
_URL_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


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
        raise ValueError(_fault(text, "2006-01-02", _DATE_ELEMENTS))
    return day * 86_400 * SECOND


def parse_date_time(text: str) -> tuple[int, int]:
    """Nanoseconds since 1970 and the seconds of the zone; without a zone it is UTC, and the empty text is 1970."""
    if not text:
        return 0, 0
    match = _DATE_TIME.fullmatch(text)
    day = _day(match[1]) if match else None
    if match is None or day is None:
        raise ValueError(_fault(text, "2006-01-02T15:04:05", _TIME_ELEMENTS))
    hour, minute, second = (strconv.unsigned(part) or 0 for part in match.group(2, 3, 4))
    zone_hours, zone_minutes = (strconv.unsigned(part) or 0 for part in match.group(7, 8))
    if hour > 23 or minute > 59 or second > 59 or zone_hours > 24 or zone_minutes > 60:
        raise ValueError(_fault(text, "2006-01-02T15:04:05", _TIME_ELEMENTS))
    offset = (zone_hours * 60 + zone_minutes) * (-60 if match[6] == "-" else 60)
    seconds = day * 86_400 + hour * 3_600 + minute * 60 + second - offset
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
        raise ValueError(f"illegal base64 data at input byte {_first_illegal(text.encode())}")
    try:
        return base64.urlsafe_b64decode(plain)
    except binascii.Error as error:  # not reached: the expression has seen to it
        raise ValueError(str(error)) from error


def _first_illegal(octets: bytes) -> int:
    """Where Go's decoder stops: at an octet of another alphabet, at padding in a wrong place, at what follows it, or at the last part."""
    digits = 0
    for position, octet in enumerate(octets):
        if octet in _LINE_ENDS:
            continue
        if octet == _PADDING:
            return _wrong_padding(octets, position, digits % 4)
        if octet not in _URL_ALPHABET:
            return position
        digits += 1
    return len(octets) - digits % 4


def _wrong_padding(octets: bytes, position: int, digits: int) -> int:
    """The same where the first padding is at this position, behind so many digits of the last part."""
    following = [place for place in range(position + 1, len(octets)) if octets[place] not in _LINE_ENDS]
    if digits < 2:
        return position
    if digits == 2:
        if not following:
            return len(octets)
        if octets[following[0]] != _PADDING:
            return position
        following = following[1:]
    return following[0]


def _scales(unit: str) -> list[int]:
    """The units that upstream's loop adds up: a text may match several."""
    return [
        scale
        for scale, variants in _UNITS
        for variant in variants
        if unit == variant or (variant == variants[-1] and unit.startswith(variant))
    ]


def _day(text: str) -> int | None:
    """Days from 1970 to a date of the years 0 to 9999."""
    match = _DATE.fullmatch(text)
    if match is None:
        return None
    year, month, day = (strconv.unsigned(part) or 0 for part in match.groups())
    if not 1 <= month <= 12 or not 1 <= day <= _days_in(year, month):
        return None
    leap_years = (year - 1) // 4 - (year - 1) // 100 + (year - 1) // 400
    before = sum(_days_in(year, earlier) for earlier in range(1, month))
    return 365 * (year - 1) + leap_years + before + day - _DAYS_TO_1970


def _days_in(year: int, month: int) -> int:
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return 29 if month == 2 and leap else _MONTHS[month - 1]


def _fault(text: str, layout: str, elements: tuple[tuple[str, str, range], ...]) -> str:
    """What Go's time.Parse says of a text: it reads element by element and looks at the day of the month last."""
    rest, numbers = text, []
    for element, pattern, allowed in elements:
        match = re.match(pattern, rest, re.ASCII)
        if match is None:
            return f"parsing time {_quoted(text)} as {_quoted(layout)}: cannot parse {_quoted(rest)} as {_quoted(element)}"
        number = strconv.unsigned(match[0].partition(".")[0].partition(",")[0])
        if number is not None:
            numbers.append(number)
            if number not in allowed:
                return f"parsing time {_quoted(text)}: {_NAMES[element]} out of range"
        rest = rest[match.end() :]
    if rest:
        return f"parsing time {_quoted(text)}: extra text: {_quoted(rest)}"
    return f"parsing time {_quoted(text)}: day out of range"


def _quoted(text: str) -> str:
    """As Go's package time quotes: octets that are no printable ASCII are escaped one by one."""
    octets = text.encode(errors="surrogatepass")
    return f'"{"".join(chr(octet) if 0x20 <= octet < 0x7F and octet not in _ESCAPED else _escaped(octet) for octet in octets)}"'


def _escaped(octet: int) -> str:
    return f"\\{chr(octet)}" if octet in _ESCAPED else f"\\x{octet:02x}"
