"""Limits on requests: how many at a time, and how long each."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from pilothouse.apiserver.auth.user import ADMIN, User
from pilothouse.apiserver.chain.in_flight import limit
from pilothouse.apiserver.http.answer import Answer
from pilothouse.apiserver.http.in_flight import InFlight
from pilothouse.apiserver.http.request_info import parse
from pilothouse.apiserver.http.request_metrics import RequestMetrics
from pilothouse.kit.virtual_clock import VirtualClock
from pilothouse.machinery.errors import StatusError

JANE = User("jane")
PODS = "/api/v1/namespaces/a/pods"


class Http:
    """As much of aiohttp's request as is looked at."""

    content = SimpleNamespace(is_eof=lambda: True)

    @property
    def task(self) -> asyncio.Task[Any] | None:
        return asyncio.current_task()


def request(flying: InFlight, method: str, path: str = PODS, *, user: User = JANE, watching: bool = False, timeout: str = "") -> Any:
    api = SimpleNamespace(in_flight=flying, metrics=RequestMetrics())
    made = SimpleNamespace(api=api, http=Http(), info=parse(method, path, watching), user=user, started=0.0)
    made.release = lambda: None
    made.query_string, made.parameter = (f"timeout={timeout}" if timeout else ""), {"timeout": timeout}.get
    return made


async def slow(request: Any) -> Answer:
    await asyncio.Event().wait()
    raise AssertionError


async def quick(request: Any) -> Answer:
    return Answer()


@pytest.mark.parametrize(
    ("first", "second", "code"),
    [
        pytest.param("GET", "GET", 429, id="reading beyond the limit of readers"),
        pytest.param("POST", "POST", 429, id="changing beyond the limit of changers"),
        pytest.param("GET", "POST", 0, id="each has a limit of its own"),
    ],
)
async def test_one_more_than_the_limit_is_refused(first: str, second: str, code: int) -> None:
    flying = InFlight(reading_limit=1, changing_limit=1)
    waiting = asyncio.create_task(limit(request(flying, first), slow))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    try:
        await limit(request(flying, second), quick)
        refused = 0
    except StatusError as error:
        refused = error.code
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert (refused, flying.reading, flying.changing) == (code, 0, 0)


async def test_administrators_and_watches_are_not_limited() -> None:
    flying = InFlight(reading_limit=0, changing_limit=0)
    assert (await limit(request(flying, "GET", user=ADMIN), quick)).status == 200
    assert (await limit(request(flying, "GET", watching=True), quick)).status == 200


@pytest.mark.parametrize(
    ("timeout", "seconds"),
    [
        pytest.param("", 60, id="unasked"),
        pytest.param("20s", 20, id="as long as the client waits"),
        pytest.param("1h", 60, id="never longer than the server lets it"),
        pytest.param("0", 60, id="none"),
    ],
)
async def test_what_takes_too_long_is_answered_with_a_timeout(timeout: str, seconds: int) -> None:
    clock, flying = VirtualClock(), InFlight()
    sweeper = asyncio.create_task(flying.sweep(clock))
    waiting = asyncio.create_task(limit(request(flying, "GET", timeout=timeout), slow))
    await clock.advance(seconds - 1)
    assert not waiting.done()
    await clock.advance(10)
    with pytest.raises(StatusError) as caught:
        await waiting
    assert (caught.value.code, str(caught.value)) == (504, "Timeout: request did not complete within the allotted timeout")
    sweeper.cancel()


@pytest.mark.parametrize(
    ("timeout", "message"),
    [
        pytest.param("abc", 'time: invalid duration "abc"', id="none at all"),
        pytest.param("5", 'time: missing unit in duration "5"', id="no unit"),
    ],
)
async def test_a_timeout_that_is_none_is_refused(timeout: str, message: str) -> None:
    with pytest.raises(StatusError) as caught:
        await limit(request(InFlight(), "GET", timeout=timeout), quick)
    assert (caught.value.code, str(caught.value)) == (400, f"invalid timeout specified in the request URL - {message}")


async def test_the_sweeper_sleeps_while_nothing_is_answered() -> None:
    clock, flying = VirtualClock(), InFlight()
    sweeper = asyncio.create_task(flying.sweep(clock))
    await clock.advance(1)
    assert clock.next_deadline() is None
    await limit(request(flying, "GET"), quick)
    await clock.advance(60)
    assert clock.next_deadline() is None
    sweeper.cancel()
