"""Log lines, what of them is wanted, and following files."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pilothouse.api.types.core_v1 import (
    Container,
    ContainerState,
    ContainerStateRunning,
    ContainerStateTerminated,
    ContainerStateWaiting,
    ContainerStatus,
    Pod,
    PodSpec,
    PodStatus,
)
from pilothouse.kit.clock import SystemClock, wait_for
from pilothouse.kit.virtual_clock import VirtualClock
from pilothouse.kubelet.server.log_choice import NoLog, container_id
from pilothouse.kubelet.server.log_files import read_log
from pilothouse.kubelet.server.logs import BadLogOptions, LogOptions, fixed_nanoseconds, options_of, tail_offset
from pilothouse.machinery.meta_v1 import ObjectMeta

NOW = datetime(2025, 1, 1, tzinfo=UTC)
FILE = (
    b"2025-01-01T00:00:01.5Z stdout F one\n"
    b"2025-01-01T00:00:02Z stderr F two\n"
    b"garbage\n"
    b"2025-01-01T00:00:03.000000001Z stdout P three, \n"
    b"2025-01-01T00:00:04Z stdout F continued\n"
    b"2025-01-01T00:00:05Z stdout F \n"
)


async def stopped() -> bool:
    return False


async def text(path: Path, options: LogOptions) -> bytes:
    return b"".join([piece async for piece in read_log(path, options, SystemClock(), stopped)])


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param(LogOptions(), b"one\ntwo\nthree, continued\n\n", id="all"),
        pytest.param(LogOptions(tail_lines=1), b"\n", id="the last line"),
        pytest.param(LogOptions(tail_lines=0), b"", id="no line"),
        pytest.param(LogOptions(tail_lines=99), b"one\ntwo\nthree, continued\n\n", id="more lines than there are"),
        pytest.param(LogOptions(since=datetime(2025, 1, 1, 0, 0, 4, tzinfo=UTC)), b"continued\n\n", id="since a time"),
        pytest.param(LogOptions(limit_bytes=5), b"one\nt", id="so many bytes"),
        pytest.param(
            LogOptions(timestamps=True, since=datetime(2025, 1, 1, 0, 0, 2, tzinfo=UTC)),
            b"2025-01-01T00:00:02.000000000Z two\n2025-01-01T00:00:03.000000001Z three, continued\n2025-01-01T00:00:05.000000000Z \n",
            id="timestamps, once a line",
        ),
        pytest.param(LogOptions(follow=True), b"one\ntwo\nthree, continued\n\n", id="following what has ended already"),
    ],
)
async def test_reads_what_is_wanted(tmp_path: Path, options: LogOptions, expected: bytes) -> None:
    path = tmp_path / "0.log"
    path.write_bytes(FILE)
    assert await text(path, options) == expected


@pytest.mark.parametrize("lines", range(5))
@pytest.mark.parametrize("block", [1, 2, 7, 100])
@pytest.mark.parametrize("data", [b"", b"a", b"a\n", b"a\nbb\nccc\n", b"a\n\n\nb"])
def test_the_tail_begins_where_counting_backwards_says(data: bytes, lines: int, block: int) -> None:
    file = io.BytesIO(data)

    def read(offset: int, count: int) -> bytes:
        file.seek(offset)
        return file.read(count)

    kept = data.splitlines(keepends=True)[-lines:] if lines else []
    assert data[tail_offset(len(data), lines, read, block) :] == b"".join(kept)


async def test_follows_through_a_rotation_until_the_container_ends(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    path.write_bytes(b"2025-01-01T00:00:01Z stdout F one\n")
    alive = True

    async def running() -> bool:
        return alive

    pieces: AsyncIterator[bytes] = read_log(path, LogOptions(follow=True), SystemClock(), running)
    assert await anext(pieces) == b"one\n"
    with path.open("ab") as file:
        file.write(b"2025-01-01T00:00:02Z stdout F tw")
        file.flush()
        waiting = asyncio.ensure_future(anext(pieces))
        await asyncio.sleep(0)
        file.write(b"o\n")
    assert await wait_for(SystemClock(), waiting, 60) == b"two\n"
    path.rename(tmp_path / "0.log.1")
    path.write_bytes(b"2025-01-01T00:00:03Z stdout F three\n")
    assert await wait_for(SystemClock(), anext(pieces), 60) == b"three\n"
    alive = False
    with pytest.raises(StopAsyncIteration):
        await wait_for(SystemClock(), anext(pieces), 60)


async def test_a_log_that_went_with_its_container_is_over_at_once(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    path.write_bytes(b"2025-01-01T00:00:01Z stdout F bye\n")
    clock = VirtualClock()
    pieces: AsyncIterator[bytes] = read_log(path, LogOptions(follow=True), clock, stopped)
    assert await anext(pieces) == b"bye\n"
    path.unlink()
    with pytest.raises(StopAsyncIteration):
        await wait_for(SystemClock(), anext(pieces), 60)
    assert clock.monotonic() == VirtualClock().monotonic(), "nothing is waited for"


@pytest.mark.parametrize(
    ("query", "options"),
    [
        ({}, LogOptions()),
        ({"follow": "true", "previous": "1", "timestamps": ""}, LogOptions(follow=True, previous=True, timestamps=True)),
        ({"follow": "false", "tailLines": "0", "limitBytes": "9"}, LogOptions(tail_lines=0, limit_bytes=9)),
        ({"sinceSeconds": "60"}, LogOptions(since=datetime(2024, 12, 31, 23, 59, tzinfo=UTC))),
        ({"sinceTime": "2025-01-01T00:00:00Z"}, LogOptions(since=NOW)),
    ],
)
def test_options(query: dict[str, str], options: LogOptions) -> None:
    assert options_of(query, NOW) == options


@pytest.mark.parametrize(
    "query", [{"sinceSeconds": "0"}, {"tailLines": "-1"}, {"limitBytes": "x"}, {"sinceTime": "y"}, {"sinceSeconds": "1", "sinceTime": "z"}]
)
def test_bad_options(query: dict[str, str]) -> None:
    with pytest.raises(BadLogOptions):
        options_of(query, NOW)


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("2025-01-01T00:00:01.5Z", "2025-01-01T00:00:01.500000000Z"),
        ("2025-01-01T00:00:01Z", "2025-01-01T00:00:01.000000000Z"),
        ("2025-01-01T00:00:01.123456789+02:00", "2025-01-01T00:00:01.123456789+02:00"),
    ],
)
def test_timestamps_have_nine_digits(written: str, shown: str) -> None:
    assert fixed_nanoseconds(written) == shown


RUNNING = ContainerState(running=ContainerStateRunning())


def ended(identifier: str) -> ContainerState:
    return ContainerState(terminated=ContainerStateTerminated(containerID=identifier))


def waiting(reason: str) -> ContainerState:
    return ContainerState(waiting=ContainerStateWaiting(reason=reason))


def pod(state: ContainerState, last: ContainerState | None = None, identifier: str = "containerd://now") -> Pod:
    status = ContainerStatus(name="c", state=state, lastState=last or ContainerState(), containerID=identifier)
    return Pod(metadata=ObjectMeta(name="p"), spec=PodSpec(containers=[Container(name="c")]), status=PodStatus(containerStatuses=[status]))


@pytest.mark.parametrize(
    ("subject", "previous", "identifier"),
    [
        (pod(RUNNING), False, "now"),
        (pod(RUNNING, ended("containerd://before")), True, "before"),
        (pod(ended("containerd://x")), False, "x"),
        (pod(waiting("CrashLoopBackOff"), ended("containerd://before")), False, "before"),
    ],
)
def test_chooses_the_container(subject: Pod, previous: bool, identifier: str) -> None:
    assert container_id(subject, "c", previous) == identifier


@pytest.mark.parametrize(
    ("subject", "previous", "message"),
    [
        (pod(RUNNING), True, 'previous terminated container "c" in pod "p" not found'),
        (pod(waiting("ImagePullBackOff")), False, 'container "c" in pod "p" is waiting to start: trying and failing to pull image'),
        (pod(waiting("ContainerCreating")), False, 'container "c" in pod "p" is waiting to start: ContainerCreating'),
        (Pod(metadata=ObjectMeta(name="p")), False, 'container "c" in pod "p" is not available'),
    ],
)
def test_says_why_there_is_no_log(subject: Pod, previous: bool, message: str) -> None:
    with pytest.raises(NoLog) as caught:
        container_id(subject, "c", previous)
    assert str(caught.value) == message
