"""Histories of faults: caches that lag, answers that are lost, refusals, and controllers that end between any two of their writes."""

from __future__ import annotations

import os
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from pilothouse.client.call import Call
from pilothouse.machinery import errors
from pilothouse.testing.controllers import Bench

Steps = list[tuple[str, int]]

FUZZ = os.environ.get("HYPOTHESIS_PROFILE") == "fuzz"
PROFILE = settings(
    max_examples=1000 if FUZZ else 40, deadline=None, derandomize=not FUZZ, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)


def step(name: str, least: int, most: int) -> st.SearchStrategy[tuple[str, int]]:
    return st.tuples(st.just(name), st.integers(least, most))


FAULTS = (
    step("hold", 0, 2),
    step("release", 0, 6),
    step("stop after", 0, 5),
    step("lose", 1, 3),
    step("refuse", 1, 3),
    step("advance", 0, 20),
    step("break", 0, 1),
)


@st.composite
def _mixed(draw: st.DrawFn, wishes: st.SearchStrategy[tuple[str, int]]) -> tuple[str, int]:
    return draw(wishes) if draw(st.integers(0, 2)) else draw(st.one_of(*FAULTS))


def histories(*wishes: st.SearchStrategy[tuple[str, int]], most: int = 40) -> st.SearchStrategy[Steps]:
    """Long ones, in which two steps of three are of the world and its wishes, and one is a fault."""
    return st.lists(_mixed(st.one_of(*wishes)), min_size=10, max_size=most)


class Faults(Bench):
    """A bench that lives through a history; subclasses add the steps of their own world, and what must always hold."""

    held: tuple[type[Any], ...] = ()
    """The kinds whose events may be held back alone; 0 of `hold` holds all."""
    _writes_left: int | None = None

    async def live(self, steps: Steps) -> None:
        self.transport.intercept = self._cut
        for name, number in steps:
            await getattr(self, "_" + name.replace(" ", "_"))(number)
            await self.advance(0)
            self.check()

    def check(self) -> None:
        """What must hold at every moment."""
        raise NotImplementedError

    async def faults_end(self) -> None:
        self.transport.lose_responses(0)
        self.transport.release()
        await self._restart()

    def _cut(self, call: Call) -> Exception | None:
        """The process has ended: nothing that it still sends arrives."""
        if self._writes_left is None or call.verb in ("get", "list", "watch"):
            return None
        self._writes_left -= 1
        return ConnectionError("stopped") if self._writes_left < 0 else None

    async def _restart(self) -> None:
        self._writes_left = None
        await self.stop()
        await self.start()

    async def _hold(self, number: int) -> None:
        self.transport.hold(*self.held[number - 1 : number] if number else ())

    async def _release(self, number: int) -> None:
        self.transport.release(number or None)

    async def _stop_after(self, writes: int) -> None:
        self._writes_left = writes
        await self.advance(1)
        self.check()
        await self._restart()

    async def _break(self, forgotten: int) -> None:
        """Watches end; 1: and where they were is forgotten meanwhile, so that everything is listed again."""
        if forgotten:
            self.transport.forget_history()
        self.transport.break_watches()

    async def _lose(self, answers: int) -> None:
        self.transport.lose_responses(answers)

    async def _refuse(self, times: int) -> None:
        refused: list[Exception] = [errors.forbidden("pods", "", "x", "exceeded quota"), errors.conflict("x", "", "y", "changed")]
        self.transport.fail(*(refused * times)[:times], when=lambda call: call.verb in ("create", "update"))

    async def _advance(self, seconds: int) -> None:
        await self.advance(seconds)
