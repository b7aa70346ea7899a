"""An answer with a whole body, before it is put on the wire (wire.py does that)."""

from __future__ import annotations

from dataclasses import dataclass, field

from pilothouse.machinery.codec import encode
from pilothouse.machinery.meta_v1 import Status

JSON = "application/json"


@dataclass(slots=True)
class Answer:
    """Status code, body (in one part, or in many that are written one after another) and headers."""

    status: int = 200
    body: bytes = b""
    content_type: str = JSON
    headers: list[tuple[str, str]] = field(default_factory=list)
    cache: str = "no-cache, private"


def from_status(status: Status) -> Answer:
    """A `Status` as an answer, with its code."""
    answer = Answer(status.code or 200, encode(status) + b"\n")
    if status.details is not None and status.details.retryAfterSeconds:
        answer.headers.append(("Retry-After", str(status.details.retryAfterSeconds)))
    return answer
