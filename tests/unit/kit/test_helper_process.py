"""The process that makes blocking calls: results, errors, what hangs, and its end."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from pilothouse.kit.blocking import BlockingCalls
from pilothouse.kit.clock import SystemClock
from pilothouse.kit.helper_process import HEADER, HelperProcess, messages


@pytest.fixture
async def calls() -> AsyncIterator[BlockingCalls]:
    helper = HelperProcess()
    made = BlockingCalls(SystemClock(), executor=helper)
    yield made
    await made.run("/end", 60, os.getpid)  # or a process that is only starting would write to a closed output
    helper.close()


async def test_a_call_gives_its_result_or_its_error(calls: BlockingCalls, tmp_path: Path) -> None:
    assert await calls.run("/a", 60, os.getpid) != os.getpid()
    assert await calls.run("/a", 60, os.path.join, "a", "b" * 1_000_000) == "a/" + "b" * 1_000_000
    with pytest.raises(FileNotFoundError, match="none") as caught:
        await calls.run("/a", 60, os.stat, str(tmp_path / "none"))
    assert caught.value.errno == errno.ENOENT


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        pytest.param(lambda: 3, (), id="a function without a name"),
        pytest.param(threading.Lock, (), id="a result that cannot be pickled"),
        pytest.param(os.path.basename, (threading.Lock(),), id="an argument that cannot be pickled"),
    ],
)
async def test_what_cannot_be_sent_is_an_error(calls: BlockingCalls, function: Any, arguments: tuple[Any, ...]) -> None:
    with pytest.raises(Exception, match=r"pickle"):
        await calls.run("/a", 60, function, *arguments)
    assert await calls.run("/a", 60, len, "abc") == 3


async def test_many_calls_at_once_each_get_their_own_result(calls: BlockingCalls) -> None:
    texts = [f"{index}" * 10_000 for index in range(300)]
    found = await asyncio.gather(*(calls.run(f"/{index}", 60, str.upper, text) for index, text in enumerate(texts)))
    assert found == texts


async def test_a_call_that_hangs_ends_for_its_caller_alone(calls: BlockingCalls, tmp_path: Path) -> None:
    fifo = str(tmp_path / "fifo")
    os.mkfifo(fifo)
    assert await calls.run("/disk", 60, len, "abc") == 3
    with pytest.raises(OSError, match="timed out"):
        await calls.run(fifo, 0.05, os.open, fifo, os.O_RDONLY)
    with pytest.raises(OSError, match="has not returned"):
        await calls.run(fifo, 60, os.open, fifo, os.O_RDONLY)
    assert await calls.run("/disk", 60, len, "abc") == 3
    os.close(os.open(fifo, os.O_WRONLY))


async def test_when_it_ends_its_calls_fail_and_the_next_one_starts_another(calls: BlockingCalls) -> None:
    first = await calls.run("/a", 60, os.getpid)
    hanging = asyncio.ensure_future(calls.run("/b", 60, time.sleep, 60))
    await calls.run("/a", 60, len, "abc")
    os.kill(first, signal.SIGKILL)
    with pytest.raises(OSError, match="has ended") as caught:
        await hanging
    assert caught.value.errno == errno.EIO
    assert await calls.run("/a", 60, os.getpid) not in {first, os.getpid()}


async def test_it_ends_when_nobody_needs_it_though_a_call_hangs() -> None:
    helper = HelperProcess()
    calls = BlockingCalls(SystemClock(), executor=helper)
    process = await calls.run("/a", 60, os.getpid)
    hanging = asyncio.ensure_future(calls.run("/b", 60, time.sleep, 60))
    await calls.run("/a", 60, len, "abc")
    descriptor = os.pidfd_open(process)
    helper.close()
    with pytest.raises(OSError, match="has ended"):
        await hanging
    await asyncio.to_thread(os.waitid, os.P_PIDFD, descriptor, os.WEXITED)
    os.close(descriptor)


def test_messages_come_in_pieces() -> None:
    whole = HEADER.pack(3, 7) + b"abc" + HEADER.pack(0, 8) + HEADER.pack(1, 9) + b"d"
    received, found = bytearray(), []
    for byte in whole:
        received.append(byte)
        found += messages(received)
    assert found == [(7, b"abc"), (8, b""), (9, b"d")]
    assert not received
