"""Log format: time, level, source, constant message, and key-value pairs.

    2026-11-23 16:04:05,678 INFO pilothouse.kubelet.node.agent: node registered node=pilothouse

Components log a constant message with `extra={...}`; values with spaces, quotes or control characters are quoted as JSON has it.
"""

from __future__ import annotations

import json
import logging
import sys
from typing import Any, TextIO

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
STANDARD = frozenset(logging.LogRecord("", 0, "", 0, "", (), None).__dict__) | {"message", "asctime", "taskName"}
"""What every record has: anything else came by `extra`."""
VALUE_LIMIT = 2000
"""Characters of one value that are shown."""


class KeyValueFormatter(logging.Formatter):
    """The message, then what came by `extra`; then the traceback, if there is one."""

    def __init__(self) -> None:
        super().__init__(FORMAT)

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The message followed by `key=value` of what was passed as `extra`."""
        line = super().formatMessage(record)
        return " ".join([line, *(f"{key}={shown(value)}" for key, value in vars(record).items() if key not in STANDARD)])


def shown(value: Any) -> str:
    """A value as a log line shows it: cut when long, quoted when it has spaces, quotes or unprintable characters."""
    text = "/".join(map(str, value)) if isinstance(value, tuple) else str(value)
    text = text if len(text) <= VALUE_LIMIT else text[:VALUE_LIMIT] + "..."
    plain = text.isprintable() and text and not set(text) & set(' "=')
    return text if plain else json.dumps(text, ensure_ascii=False)


def set_up(stream: TextIO | None = None, level: int = logging.INFO) -> None:
    """Log everything in this process to `stream` (standard error by default)."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(KeyValueFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
