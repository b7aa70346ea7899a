"""Liveness probes of the supervisor: what fails too many in a row is killed, what recovers or is another process by then is not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pilothouse.cluster import launch, supervision
from pilothouse.cluster.failure import ClusterFailure
from pilothouse.cluster.state import Places
from pilothouse.cluster.supervision import PROBE_FAILURES, PROBE_SECONDS, Supervision
from pilothouse.kit.virtual_clock import VirtualClock
from pilothouse.node.processes import Process

AGENT = launch.NODE_AGENT


class World:
    """Processes that run by name, and those that were killed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
        self.clock = VirtualClock()
        self.running: dict[str, Process] = {AGENT: Process(1, 1)}
        self.killed: list[Process] = []
        places = Places("c", root)
        places.wanted.parent.mkdir(parents=True)
        places.wanted.touch()
        self.supervision = Supervision(places, self.clock)
        monkeypatch.setattr(launch, "running", lambda _, name: self.running.get(name))
        monkeypatch.setattr(supervision.processes, "kill", self.killed.extend)
        monkeypatch.setattr(asyncio, "to_thread", at_once)

    async def probed(self, check: Callable[[], bool], looks: int) -> None:
        probing = asyncio.ensure_future(self.supervision.probe(AGENT, check))
        for _ in range(looks):
            await self.clock.advance(PROBE_SECONDS)
        probing.cancel()
        await asyncio.gather(probing, return_exceptions=True)


async def at_once(function: Callable[..., Any], *arguments: Any) -> Any:
    return function(*arguments)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> World:
    return World(monkeypatch, tmp_path)


def fails() -> bool:
    return False


def refuses() -> bool:
    raise ConnectionRefusedError


def is_unreadable() -> bool:
    raise ClusterFailure("a certificate is damaged", "mend it")


@pytest.mark.parametrize("check", [fails, refuses, is_unreadable])
async def test_what_fails_too_often_in_a_row_is_killed(world: World, check: Callable[[], bool]) -> None:
    await world.probed(check, PROBE_FAILURES - 1)
    assert world.killed == []
    await world.probed(check, PROBE_FAILURES)
    assert world.killed == [Process(1, 1)]


async def test_an_answer_makes_the_failures_before_it_forgotten(world: World) -> None:
    answers = iter([*[False] * (PROBE_FAILURES - 1), True] * 3)
    await world.probed(lambda: next(answers), 3 * PROBE_FAILURES)
    assert world.killed == []


async def test_failures_of_the_process_before_do_not_count(world: World) -> None:
    def check() -> bool:
        looks.append(1)
        if len(looks) == PROBE_FAILURES - 1:
            world.running[AGENT] = Process(2, 2)
        return False

    looks: list[int] = []
    await world.probed(check, 2 * PROBE_FAILURES - 2)
    assert world.killed == []
    looks.clear()


async def test_what_does_not_run_is_not_asked(world: World) -> None:
    world.running.clear()
    await world.probed(refuses, 2 * PROBE_FAILURES)
    assert world.killed == []


async def test_nothing_is_killed_while_the_cluster_is_taken_down(world: World) -> None:
    world.supervision._places.wanted.unlink()
    await world.probed(fails, 2 * PROBE_FAILURES)
    assert world.killed == []
