"""Completion indexes of Indexed Jobs, written as ranges: `0-2,5`."""

from __future__ import annotations

from collections.abc import Iterable

from pilothouse.api.types.core_v1 import Pod

ANNOTATION = "batch.kubernetes.io/job-completion-index"


def index_of(pod: Pod) -> int | None:
    text = pod.metadata.annotations.get(ANNOTATION, "")
    return int(text) if text.isdigit() else None


def parse(text: str) -> set[int]:
    found: set[int] = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return found


def text(indexes: Iterable[int]) -> str:
    parts: list[list[int]] = []
    for one in sorted(indexes):
        if parts and parts[-1][-1] == one - 1:
            parts[-1].append(one)
        else:
            parts.append([one])
    return ",".join(_range(part) for part in parts)


def _range(part: list[int]) -> str:
    """Two neighbours are listed, three or more are a range, as upstream writes them."""
    if len(part) == 1:
        return str(part[0])
    return f"{part[0]},{part[1]}" if len(part) == 2 else f"{part[0]}-{part[-1]}"
