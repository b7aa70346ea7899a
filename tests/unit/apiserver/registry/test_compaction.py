"""What of the past is kept: for a time, and as long as it is not too large."""

from __future__ import annotations

import asyncio

import pytest

from pilothouse.apiserver.registry.compaction import CHECK_SECONDS, KEPT_BYTES, STEP_BYTES, WINDOW_SECONDS, Mark, Written, oldest_kept
from pilothouse.kit.virtual_clock import VirtualClock


@pytest.mark.parametrize(
    ("marks", "now", "count"),
    [
        pytest.param([], (0, 0), 0, id="nothing yet"),
        pytest.param([(0, 0), (60, 10)], (WINDOW_SECONDS - 1, 20), 0, id="all within the window"),
        pytest.param([(0, 0), (60, 10)], (WINDOW_SECONDS, 20), 1, id="the oldest is out of the window"),
        pytest.param([(0, 0), (60, 10)], (WINDOW_SECONDS + 60, 20), 2, id="all are"),
        pytest.param([(0, 0), (1, KEPT_BYTES)], (2, KEPT_BYTES + 1), 1, id="a lot was written at once"),
        pytest.param([(0, 0), (1, 1)], (2, KEPT_BYTES), 0, id="as much as may be kept"),
    ],
)
def test_marks_out_of_the_window(marks: list[tuple[float, int]], now: tuple[float, int], count: int) -> None:
    made = [Mark(seconds, 7, written) for seconds, written in marks]
    assert oldest_kept(made, Mark(now[0], 9, now[1])) == count


async def test_the_past_is_looked_at_before_its_time_when_much_is_written() -> None:
    clock, written = VirtualClock(), Written()
    waiting = asyncio.create_task(written.wait(clock))
    await clock.advance(1)
    written.add(STEP_BYTES - 1)
    await clock.advance(1)
    assert not waiting.done()
    written.add(1)
    await clock.advance(0)
    assert waiting.done()
    waiting = asyncio.create_task(written.wait(clock))
    await clock.advance(CHECK_SECONDS - 1)
    assert not waiting.done()
    await clock.advance(1)
    assert waiting.done()
