from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from pilothouse.cluster.state import Places
from pilothouse.cmd import process


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        pytest.param(["python", "-m", "x", "--name", "a"], ["python", "-m", "x", "--name", "a"], id="started by hand"),
        pytest.param(["python", "-m", "x", "--name", "a", "--go", "4", "--ready", "7"], ["python", "-m", "x", "--name", "a"], id="by up"),
        pytest.param(["python", "-m", "x", "--restarts", "2", "--name", "a"], ["python", "-m", "x", "--name", "a"], id="again"),
    ],
)
def test_the_next_life_has_no_starter(words: list[str], expected: list[str]) -> None:
    assert process.again(words, 3) == [*expected, "--restarts", "3"]


def test_a_process_that_finds_no_room_says_so_in_a_line() -> None:
    """It is the last of its log, which whoever started it is shown."""

    async def main() -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "/var/lib/x")

    begin = process.Begin(Places("dev", Path("/nowhere")), None, None)
    with pytest.raises(SystemExit, match=r"^/var/lib/x: No space left on device; make room on that disk"):
        process.run(begin, main)


@pytest.mark.parametrize("starter", ["there", "killed"])
def test_who_serves_says_so_to_a_starter_that_may_be_gone(starter: str) -> None:
    reading, writing = os.pipe()
    if starter == "killed":
        os.close(reading)
    begin = process.Begin(Places("dev", Path("/nowhere")), None, writing)
    begin.serving()
    assert (begin.served, begin.ready_descriptor) == (True, None)
    if starter == "there":
        assert os.read(reading, 64) == b"ready\n"
        os.close(reading)
