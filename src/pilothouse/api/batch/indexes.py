"""completedIndexes and failedIndexes of an indexed Job: `1,3-5,7`, increasing, below the number of completions."""

from __future__ import annotations

from pilothouse.api.types.batch_v1 import JobSpec, JobStatus
from pilothouse.machinery import strconv
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.quoting import go_quoted

Interval = tuple[int, int]


def validate_indexes(spec: JobSpec, now: JobStatus, was: JobStatus, problems: Problems) -> None:
    """Validate changed index lists; no index may be both failed and completed."""
    if spec.completions is None:
        return
    completed_changed, failed_changed = now.completedIndexes != was.completedIndexes, now.failedIndexes != was.failedIndexes
    failed = now.failedIndexes
    if completed_changed:
        _validate_format(now.completedIndexes, "completedIndexes", spec.completions, problems)
    if failed_changed and failed is not None and spec.backoffLimitPerIndex is not None:
        _validate_format(failed, "failedIndexes", spec.completions, problems)
    if (completed_changed or failed_changed) and failed:
        both = _overlap(now.completedIndexes, failed, spec.completions)
        if both is not None:
            problems.at("failedIndexes").invalid(failed, f"failedIndexes and completedIndexes overlap at index: {both}")


def _validate_format(text: str, field: str, completions: int, problems: Problems) -> None:
    try:
        intervals(text, completions)
    except ValueError as error:
        problems.at(field).invalid(text, f"error parsing {field}: {error}")


def intervals(text: str, completions: int) -> list[Interval]:
    """First and last index of each interval. Raises ValueError with upstream's message."""
    read: list[Interval] = []
    for part in text.split(",") if text else ():
        interval = _interval(part, completions)
        if read and read[-1][1] >= interval[0]:
            raise ValueError(f"non-increasing order, previous: {read[-1][1]}, current: {interval[0]}")
        read.append(interval)
    return read


def _interval(text: str, completions: int) -> Interval:
    ends = text.split("-")
    if len(ends) > 2:
        rule = "violates the requirement that an index interval can have at most two parts separated by '-'"
        raise ValueError(f"the fragment {go_quoted(text)} {rule}")
    first, last = (_index(end, completions) for end in (ends[0], ends[-1]))
    if len(ends) == 2 and first >= last:
        raise ValueError(f"non-increasing order, previous: {first}, current: {last}")
    return first, last


def _index(text: str, completions: int) -> int:
    number = strconv.integer(text)
    if number is None:
        raise ValueError(f"cannot convert string to integer for index: {go_quoted(text)}")
    if number >= completions:
        raise ValueError(f"too large index: {go_quoted(text)}")
    return number


def _overlap(completed: str, failed: str, completions: int) -> int | None:
    """The first index that both have; None too where one of them cannot be read, which is told elsewhere."""
    try:
        first, second = intervals(completed, completions), intervals(failed, completions)
    except ValueError:
        return None
    shared = [
        max(interval[0], other[0]) for interval in first for other in second if max(interval[0], other[0]) <= min(interval[1], other[1])
    ]
    return min(shared, default=None)
