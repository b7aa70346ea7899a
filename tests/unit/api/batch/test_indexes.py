"""The lists of indexes in the status of a Job."""

from __future__ import annotations

import pytest

from pilothouse.api.batch.indexes import intervals, validate_indexes
from pilothouse.api.types.batch_v1 import JobSpec, JobStatus
from pilothouse.machinery.problems import Problems


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", [], id="none"),
        pytest.param("0,2-4,7", [(0, 0), (2, 4), (7, 7)], id="single ones and a range"),
        pytest.param("x", 'cannot convert string to integer for index: "x"', id="a word"),
        pytest.param("1-x", 'cannot convert string to integer for index: "x"', id="a word as the end"),
        pytest.param("9,10", 'too large index: "10"', id="beyond the completions"),
        pytest.param("3-3", "non-increasing order, previous: 3, current: 3", id="a range of one"),
        pytest.param("3,2", "non-increasing order, previous: 3, current: 2", id="falling"),
        pytest.param(
            "1-2-3", 'the fragment "1-2-3" violates the requirement that an index interval can have at most two parts', id="three"
        ),
    ],
)
def test_intervals(text: str, expected: list[tuple[int, int]] | str) -> None:
    if isinstance(expected, list):
        assert intervals(text, 10) == expected
    else:
        with pytest.raises(ValueError, match=expected):
            intervals(text, 10)


@pytest.mark.parametrize(
    ("completed", "failed", "expected"),
    [
        pytest.param("0,2", "1", [], id="apart"),
        pytest.param("0-3", "2-5", ["status.failedIndexes"], id="some are both"),
        pytest.param("a", "", ["status.completedIndexes"], id="not to be read"),
    ],
)
def test_indexes_of_a_status(completed: str, failed: str, expected: list[str]) -> None:
    problems = Problems("status")
    now = JobStatus(completedIndexes=completed, failedIndexes=failed)
    validate_indexes(JobSpec(completions=10, backoffLimitPerIndex=1), now, JobStatus(), problems)
    assert [problem.path for problem in problems.found] == expected
    unchanged = Problems("status")
    validate_indexes(JobSpec(completions=10), now, now, unchanged)
    assert unchanged.found == []
