"""Parsing and filtering of CRI log lines. Pure.

A line is `time stream tag content`; the tag begins with F for the end of a line and P for a part of one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from pilothouse.machinery import strconv, time


@dataclass(frozen=True, slots=True)
class LogOptions:
    """PodLogOptions. `since` is the earliest time; None means no limit."""

    follow: bool = False
    previous: bool = False
    timestamps: bool = False
    since: datetime | None = None
    tail_lines: int | None = None
    limit_bytes: int | None = None


class BadLogOptions(ValueError):
    """Invalid query parameters; the text is upstream's."""


def options_of(query: Mapping[str, str], now: datetime) -> LogOptions:
    """Options from the query. Raises BadLogOptions."""
    since = None
    if query.get("sinceSeconds") and query.get("sinceTime"):
        raise BadLogOptions("at most one of `sinceTime` or `sinceSeconds` may be specified")
    seconds = number(query, "sinceSeconds", 1)
    if seconds is not None:
        since = now - timedelta(seconds=seconds)
    if query.get("sinceTime"):
        try:
            since = time.parse(query["sinceTime"])
        except ValueError as error:
            raise BadLogOptions(str(error)) from error
    return LogOptions(
        follow=boolean(query, "follow"),
        previous=boolean(query, "previous"),
        timestamps=boolean(query, "timestamps"),
        since=since,
        tail_lines=number(query, "tailLines", 0),
        limit_bytes=number(query, "limitBytes", 1),
    )


def boolean(query: Mapping[str, str], name: str) -> bool:
    """Parse a boolean of the query as Go does: present, and neither false nor 0."""
    return name in query and query[name].lower() not in ("false", "0")


def number(query: Mapping[str, str], name: str, least: int) -> int | None:
    """An integer of the query, None when it is missing. Raises BadLogOptions below `least` or for other text."""
    text = query.get(name, "")
    if not text:
        return None
    try:
        value = strconv.parse_int(text)
    except ValueError as error:
        raise BadLogOptions(str(error)) from error
    if value < least:
        raise BadLogOptions(f"{name}: Invalid value: {value}: must be greater than {'or equal to 0' if least == 0 else '0'}")
    return value


@dataclass(frozen=True, slots=True)
class LogLine:
    """A log line. `content` has no line break; `partial`: the line continues in the next entry."""

    time: str
    stream: str
    partial: bool
    content: bytes


def parse_line(line: bytes) -> LogLine | None:
    """Parse a line of a log file without its line break; None for an invalid one, which upstream skips too."""
    parts = line.split(b" ", 3)
    if len(parts) < 3 or parts[1] not in (b"stdout", b"stderr"):
        return None
    content = parts[3] if len(parts) > 3 else b""
    return LogLine(parts[0].decode("ascii", "replace"), parts[1].decode(), parts[2].startswith(b"P"), content)


class LogWriter:
    """Turns log lines into the response, within the byte limit."""

    def __init__(self, options: LogOptions) -> None:
        self._options = options
        self._left = options.limit_bytes
        self._within_line = False

    @property
    def full(self) -> bool:
        """Whether the byte limit was reached."""
        return self._left is not None and self._left <= 0

    def render(self, lines: Iterable[bytes]) -> bytes:
        """The bytes to send for some raw lines of the file."""
        out = b"".join(self._rendered(lines))
        if self._left is not None:
            out = out[: self._left]
            self._left -= len(out)
        return out

    def _rendered(self, lines: Iterable[bytes]) -> Iterator[bytes]:
        since = self._options.since
        for raw in lines:
            line = parse_line(raw)
            if line is None or (since is not None and before(line.time, since)):
                continue
            if self._options.timestamps and not self._within_line:
                yield fixed_nanoseconds(line.time).encode() + b" "
            self._within_line = line.partial
            yield line.content if line.partial else line.content + b"\n"


def before(timestamp: str, since: datetime) -> bool:
    """Whether a line's time is before `since`; False for an invalid time."""
    try:
        return time.parse(timestamp) < since
    except ValueError:
        return False


def fixed_nanoseconds(timestamp: str) -> str:
    """The time with nine fractional digits: runtimes omit trailing zeros."""
    whole, dot, rest = timestamp.partition(".")
    zone = next((index for index, char in enumerate(rest) if not "0" <= char <= "9"), len(rest))
    if dot:
        return f"{whole}.{rest[:zone][:9]:0<9}{rest[zone:]}"
    head, suffix = (timestamp[:19], timestamp[19:]) if len(timestamp) > 19 else (timestamp, "")
    return f"{head}.000000000{suffix}"


def tail_offset(size: int, lines: int, read: Callable[[int, int], bytes], block: int = 64 * 1024) -> int:
    """Offset at which the last `lines` lines of a file of `size` bytes begin. `read(offset, length)` reads blocks from the end."""
    if lines == 0:
        return size
    end, left = size, lines + 1  # the break at the end of the last line counts, too
    if size and read(size - 1, 1) != b"\n":
        left -= 1
    while end > 0:
        start = max(0, end - block)
        data = read(start, end - start)
        position = len(data)
        while (position := data.rfind(b"\n", 0, position)) >= 0:
            left -= 1
            if left == 0:
                return start + position + 1
        end = start
    return 0
