"""Completion indexes of Indexed Jobs, written as ranges: `0-2,5`."""

from __future__ import annotations

from collections.abc import Iterable

from pilothouse.api.types.core_v1 import Pod
from pilothouse.machinery import strconv

ANNOTATION = "batch.kubernetes.io/job-completion-index"
INDEXES = range(1 << 31)
MOST_INDEXES = 1_000_000


def index_of(pod: Pod) -> int | None:
    """The index that the Pod says it is of, or None: the annotation is the user's to change."""
    return strconv.unsigned(pod.metadata.annotations.get(ANNOTATION, ""), INDEXES)


def parse(text: str) -> set[int]:
    """The indexes of a status, which anybody may have written: what cannot be read, or is too much, is left out."""
    indexes: set[int] = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        begin, end = strconv.unsigned(first, INDEXES), strconv.unsigned(last or first, INDEXES)
        if begin is not None and end is not None and len(indexes) + end - begin < MOST_INDEXES:
            indexes.update(range(begin, end + 1))
    return indexes


def text(indexes: Iterable[int]) -> str:
    """Completion indexes as the API writes them: sorted, runs joined by a dash, separated by commas."""
    parts: list[list[int]] = []
    for index in sorted(indexes):
        if parts and parts[-1][-1] == index - 1:
            parts[-1].append(index)
        else:
            parts.append([index])
    return ",".join(_range(part) for part in parts)


def _range(part: list[int]) -> str:
    """Two neighbours are listed, three or more are a range, as upstream writes them."""
    if len(part) == 1:
        return str(part[0])
    return f"{part[0]},{part[1]}" if len(part) == 2 else f"{part[0]}-{part[-1]}"
