"""The work queue keeps client-go's promises."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pilothouse.client.workqueue import WorkQueue
from pilothouse.kit.clock import Clock
from pilothouse.kit.virtual_clock import VirtualClock
from pilothouse.testing.conformance.workqueue import WorkQueueConformance


class TestWorkQueue(WorkQueueConformance):
    def make(self, clock: Clock) -> WorkQueue[str]:
        return WorkQueue(clock)


class Model:
    """What the promises amount to, in lists."""

    def __init__(self) -> None:
        self.waiting: list[int] = []
        self.again: set[int] = set()
        self.working: list[int] = []
        self.due: dict[int, tuple[int, int]] = {}
        self.now = self.order = 0

    def add(self, item: int) -> None:
        if item in self.working:
            self.again.add(item)
        elif item not in self.waiting:
            self.waiting.append(item)

    def get(self) -> int:
        self.working.append(self.waiting.pop(0))
        return self.working[-1]

    def done(self, item: int) -> None:
        self.working.remove(item)
        if item in self.again:
            self.again.discard(item)
            self.add(item)

    def add_after(self, item: int, seconds: int) -> None:
        self.order += 1
        if seconds == 0:
            self.add(item)
        elif item not in self.due or self.now + seconds < self.due[item][0]:
            self.due[item] = (self.now + seconds, self.order)

    def advance(self, seconds: int) -> None:
        self.now += seconds
        for item, (at, _) in sorted(self.due.items(), key=lambda one: one[1]):
            if at <= self.now:
                del self.due[item]
                self.add(item)


ITEMS = st.integers(0, 4)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["add", "get", "done"]), ITEMS),
        st.tuples(st.just("later"), ITEMS, st.integers(0, 5)),
        st.tuples(st.just("advance"), st.integers(1, 4)),
    ),
    max_size=60,
)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(steps=STEPS)
def test_hands_out_what_its_promises_amount_to(steps: list[tuple[Any, ...]]) -> None:
    async def told() -> None:
        clock, model = VirtualClock(), Model()
        queue: WorkQueue[int] = WorkQueue(clock)
        running = asyncio.ensure_future(queue.run())
        for name, *arguments in steps:
            match name:
                case "add":
                    queue.add(arguments[0])
                    model.add(arguments[0])
                case "get" if model.waiting:
                    assert await queue.get() == model.get()
                case "done" if model.working:
                    item = model.working[arguments[0] % len(model.working)]
                    queue.done(item)
                    model.done(item)
                case "later":
                    queue.add_after(*arguments)
                    model.add_after(*arguments)
                case "advance":
                    await clock.advance(arguments[0])
                    model.advance(arguments[0])
            assert len(queue) == len(model.waiting)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(told())
