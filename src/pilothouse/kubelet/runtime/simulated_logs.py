"""Logs of simulated containers, kept in memory in the format of CRI log files.

Of each container the last LINES_LIMIT lines are kept; readers who follow are woken by each new one.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import NamedTuple

LINES_LIMIT = 10_000


class Line(NamedTuple):
    """A line that a container writes `after_seconds` of its start, and then every `every_seconds`; 0: once."""

    text: str
    after_seconds: float = 0.0
    every_seconds: float = 0.0
    stream: str = "stdout"


class Written(NamedTuple):
    """One entry of a container's log."""

    stream: str
    entry: bytes
    """As a log file has it, without the line break."""

    @property
    def text(self) -> bytes:
        """The line without its time, stream and tag."""
        return self.entry.split(b" ", 3)[3]


class SimulatedLog:
    """Log of one simulated container."""

    def __init__(self) -> None:
        self.count = 0
        """Lines written so far, also those that are not kept any more."""
        self.ended = False
        self.changed = asyncio.Event()
        """Set, and replaced by another, when there is more or no more will come."""
        self._lines: deque[Written] = deque(maxlen=LINES_LIMIT)

    def write(self, text: str, now: datetime, stream: str = "stdout") -> None:
        """Append each line of the text; an empty text is an empty line."""
        stamp = now.strftime("%Y-%m-%dT%H:%M:%S.%f000Z")
        for line in text.removesuffix("\n").split("\n"):
            self._lines.append(Written(stream, f"{stamp} {stream} F {line}".encode()))
            self.count += 1
        self._notify()

    def end(self) -> None:
        """Nothing more will be written; readers that follow end."""
        self.ended = True
        self._notify()

    def since(self, number: int) -> Iterator[Written]:
        """Lines from this number on, as far as they are kept."""
        return islice(self._lines, max(number - self.count + len(self._lines), 0), None)

    def tail(self, limit_bytes: int) -> bytes:
        """The last bytes of the log file."""
        return b"".join(line.entry + b"\n" for line in self._lines)[-limit_bytes:]

    def _notify(self) -> None:
        told, self.changed = self.changed, asyncio.Event()
        told.set()
