"""Work that is shared by those who ask at the same time."""

from __future__ import annotations

import asyncio

import pytest

from pilothouse.kit.singleflight import SingleFlight


class Work:
    """Counts how often it was begun; ends when it is told."""

    def __init__(self) -> None:
        self.begun = 0
        self.may_end = asyncio.Event()
        self.error: Exception | None = None

    async def __call__(self) -> int:
        self.begun += 1
        await self.may_end.wait()
        if self.error is not None:
            raise self.error
        return self.begun


async def test_who_asks_at_the_same_time_shares() -> None:
    flight: SingleFlight[str, int] = SingleFlight()
    work = Work()
    tasks = [asyncio.create_task(flight.run("a", work)) for _ in range(3)]
    other = asyncio.create_task(flight.run("b", work))
    await asyncio.sleep(0)
    work.may_end.set()
    assert await asyncio.gather(*tasks, other) == [2, 2, 2, 2]
    assert work.begun == 2
    assert await flight.run("a", work) == 3, "what is done is not remembered"


async def test_an_error_is_everybodys() -> None:
    flight: SingleFlight[str, int] = SingleFlight()
    work = Work()
    work.error = ValueError("x")
    tasks = [asyncio.create_task(flight.run("a", work)) for _ in range(2)]
    await asyncio.sleep(0)
    work.may_end.set()
    assert [str(each) for each in await asyncio.gather(*tasks, return_exceptions=True)] == ["x", "x"]
    assert work.begun == 1


async def test_another_goes_on_when_the_first_is_cancelled() -> None:
    flight: SingleFlight[str, int] = SingleFlight()
    work = Work()
    first, second, third = (asyncio.create_task(flight.run("a", work)) for _ in range(3))
    await asyncio.sleep(0)
    first.cancel()
    third.cancel()
    await asyncio.sleep(0.01)
    work.may_end.set()
    assert await second == 2
    for task in (first, third):
        with pytest.raises(asyncio.CancelledError):
            await task
