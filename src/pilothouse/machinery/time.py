"""Times as the API writes them: RFC 3339, UTC, in whole seconds (`Time`) or microseconds (`MicroTime`).

- Reads any offset and any fraction; writes always `Z`.
- Durations as `kubectl get` shows them (`HumanDuration`) and as Go's time.ParseDuration reads them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from pilothouse.kit.clock import Clock
from pilothouse.machinery import strconv

LAYOUT, MICRO_LAYOUT = "2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05.000000Z07:00"
RFC3339 = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d?):(\d\d):(\d\d)(?:[.,](\d+))?(?:Z|([+-])([01]\d|2[0-4]):([0-5]\d|60))", re.ASCII)
"""Go's reader also takes an hour of one digit, and an offset of 24 hours or 60 minutes."""
ELEMENTS: tuple[tuple[str, str, Mapping[str, range]], ...] = (
    ("2006", r"\d{4}", {}), ("-", "-", {}), ("01", r"(\d\d)", {"month": range(1, 13)}), ("-", "-", {}), ("02", r"\d\d", {}), ("T", "T", {}),
    ("15", r"(\d\d?)", {"hour": range(24)}), (":", ":", {}), ("04", r"(\d\d)", {"minute": range(60)}), (":", ":", {}),
    ("05", r"(\d\d)(?:[.,]\d+)?", {"second": range(60)}),
    ("Z07:00", r"Z|[+-](\d\d):(\d\d)", {"time zone offset hour": range(25), "time zone offset minute": range(61)}),
)  # fmt: skip
"""What a time consists of: as the layout writes it, as it is read, and what its numbers may be."""
MICRO_ELEMENTS = (*ELEMENTS[:10], ("05", r"(\d\d)", {"second": range(60)}), (".000000", r"[.,]\d{6}", {}), ELEMENTS[-1])
"""The same of a MicroTime, whose six digits must be there."""
SECONDS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)
MICRO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", re.ASCII)
DURATION_UNITS = {"ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
"""In nanoseconds."""
DURATION_PART = re.compile(r"([0-9]*)(?:\.([0-9]*))?([^0-9.]*)")
LONGEST_DURATION = 1 << 63
FRACTION_DIGITS = 19
"""Digits after the point that 64 bits may hold; Go does not look at more either."""


def text(moment: datetime) -> str:
    """`2006-01-02T15:04:05Z`."""
    return _in_utc(moment).isoformat(timespec="seconds")[:19] + "Z"


def micro(moment: datetime) -> str:
    """`2006-01-02T15:04:05.000000Z`."""
    return _in_utc(moment).isoformat(timespec="microseconds")[:26] + "Z"


def _in_utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo is UTC else moment.astimezone(UTC)


class _Written:
    """The second that was written last: a server writes the same one for everything that it does in it."""

    second = (datetime.min.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC), "")


def now_text(clock: Clock) -> str:
    """The clock's time as the API's `Time`."""
    now = clock.now()
    begin, end, written = _Written.second
    if not begin <= now < end:
        begin, written = now.replace(microsecond=0), text(now)
        _Written.second = (begin, begin + timedelta(seconds=1), written)
    return written


def micro_text(clock: Clock) -> str:
    """The clock's time as the API's `MicroTime`."""
    return micro(clock.now())


def parse(value: str) -> datetime:
    """An RFC 3339 time, in UTC; ValueError in Go's words. Fractions are cut at microseconds, and years are 1 to 9999."""
    match = RFC3339.fullmatch(value)
    if match is None:
        raise ValueError(_fault(value))
    year, month, day, hour, minute, second = (int(digits) for digits in match.group(1, 2, 3, 4, 5, 6))
    fraction = int((match[7] or "0")[:6].ljust(6, "0"))
    offset = timedelta(hours=int(match[9] or 0), minutes=int(match[10] or 0))
    try:
        moment = datetime(year, month, day, hour, minute, second, fraction, UTC)
        return moment + offset if match[8] == "-" else moment - offset
    except (ValueError, OverflowError) as error:
        part = str(error).partition(" ")[0]  # the day, which depends on the month, or the year
        raise ValueError(_fault(value) or f"parsing time {_quoted(value)}: {part} out of range") from error


def _fault(value: str, *, micro: bool = False) -> str:
    """What is wrong with a text, in Go's words: it is read from the left up to the first that does not fit; "" when all does."""
    rest, layout = value, MICRO_LAYOUT if micro else LAYOUT
    for element, pattern, ranges in MICRO_ELEMENTS if micro else ELEMENTS:
        match = re.match(pattern, rest, re.ASCII)
        if match is None:
            return f"parsing time {_quoted(value)} as {_quoted(layout)}: cannot parse {_quoted(rest)} as {_quoted(element)}"
        for number, (name, allowed) in zip(match.groups(), ranges.items(), strict=True):
            if number is not None and int(number) not in allowed:
                return f"parsing time {_quoted(value)}: {name} out of range"
        rest = rest[match.end() :]
    return f"parsing time {_quoted(value)}: extra text: {_quoted(rest)}" if rest else ""


def _quoted(text: str) -> str:
    """As Go's package time quotes: bytes that are no printable ASCII are escaped one by one."""
    shown = (f"\\{chr(byte)}" if chr(byte) in '"\\' else chr(byte) if 0x20 <= byte < 0x80 else f"\\x{byte:02x}" for byte in text.encode())
    return f'"{"".join(shown)}"'


def canonical(value: str, *, micro: bool = False) -> str:
    """A time as the API returns it: in UTC, truncated to seconds or microseconds. Invalid text is kept."""
    if (MICRO if micro else SECONDS).fullmatch(value):
        return value
    try:
        moment = parse(value)
    except ValueError:
        return value
    return f"{text(moment)[:-1]}.{moment.microsecond:06d}Z" if micro else text(moment)


def parse_error(value: str, *, micro: bool = False) -> str:
    """Go's error for an invalid `Time` or `MicroTime`; "" for a valid one."""
    if micro and (fault := _fault(value, micro=True)):
        return fault
    try:
        parse(value)
    except ValueError as error:
        return str(error)
    return ""


def duration(value: str) -> float:
    """Seconds of a Go duration (`1h30m`, `1.5s`, `-2ms`); ValueError in Go's words."""
    return duration_nanoseconds(value) / 1e9


def duration_nanoseconds(value: str) -> int:
    """Go's time.ParseDuration: whole nanoseconds in 64 bits; parts of one are cut off."""
    sign, rest = (-1, value[1:]) if value.startswith("-") else (1, value.removeprefix("+"))
    if rest == "0":
        return 0
    total, position = 0, 0
    while position < len(rest) or (not total and not position):
        match = DURATION_PART.match(rest, position)
        if match is None or not (match[1] or match[2]):
            raise ValueError(f"time: invalid duration {_quoted(value)}")
        unit = DURATION_UNITS.get(match[3])
        if unit is None:
            problem = f"unknown unit {_quoted(match[3])} in duration" if match[3] else "missing unit in duration"
            raise ValueError(f"time: {problem} {_quoted(value)}")
        whole = strconv.unsigned(match[1] or "0")
        total += (whole or 0) * unit + _fraction(match[2] or "", unit)
        position = match.end()
        if total > LONGEST_DURATION - (sign > 0) or whole is None:
            raise ValueError(f"time: invalid duration {_quoted(value)}")
    return sign * total


def duration_text(nanoseconds: int) -> str:
    """A duration as Go prints it: `1.5s`, `2m0s`, `-5s`, `12.3ms`, `0s`."""
    sign, left = ("-", -nanoseconds) if nanoseconds < 0 else ("", nanoseconds)
    if left < 1_000_000_000:
        unit, size = next((each for each in SMALL_UNITS if left >= each[1]), ("s", 1))
        return f"{sign}{_decimal(left, size)}{unit}"
    minutes, rest = divmod(left, 60_000_000_000)
    text = f"{_decimal(rest, 1_000_000_000)}s"
    if minutes:
        text = f"{minutes % 60}m{text}"
    return f"{sign}{minutes // 60}h{text}" if minutes >= 60 else f"{sign}{text}"


SMALL_UNITS = (("ms", 1_000_000), ("µs", 1_000), ("ns", 1))


def _decimal(value: int, unit: int) -> str:
    """A quotient with as many digits as it has."""
    whole, rest = divmod(value, unit)
    return f"{whole}.{f'{rest:0{len(str(unit)) - 1}d}'.rstrip('0')}" if rest else str(whole)


def _fraction(digits: str, unit: int) -> int:
    """The part of a unit that these digits after the point say, cut in floating point as Go does it."""
    parsed = digits[:FRACTION_DIGITS]
    while parsed and strconv.integer(parsed) is None:
        parsed = parsed[:-1]
    return int(strconv.parse_int(parsed or "0") * (unit / 10.0 ** len(parsed)))


def human_duration(seconds: float) -> str:
    """An age as `kubectl get` shows it: at most two units, fewer the older it is (upstream's duration.HumanDuration)."""
    whole = int(seconds)
    if whole < -1:
        return "<invalid>"
    if whole < 0:
        return "0s"
    if whole < 60 * 2:
        return f"{whole}s"
    minutes = whole // 60
    if minutes < 10:
        return _two(minutes, "m", whole % 60, "s")
    if minutes < 60 * 3:
        return f"{minutes}m"
    hours = whole // 3600
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if hours < 24 * 8:
        return _two(hours // 24, "d", hours % 24, "h")
    if hours < 24 * 365 * 2:
        return f"{hours // 24}d"
    years = hours // 24 // 365
    if hours < 24 * 365 * 8:
        return _two(years, "y", hours // 24 % 365, "d")
    return f"{years}y"


def _two(large: int, large_unit: str, small: int, small_unit: str) -> str:
    return f"{large}{large_unit}{small}{small_unit}" if small else f"{large}{large_unit}"


def age(timestamp: str, now: datetime) -> str:
    """The age of an RFC 3339 time for a table cell; `<unknown>` when it is unset."""
    if not timestamp:
        return "<unknown>"
    try:
        return human_duration((now - parse(timestamp)).total_seconds())
    except ValueError:
        return "<unknown>"
