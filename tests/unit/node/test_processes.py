from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pilothouse.node import processes
from pilothouse.node.processes import Process

STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)"


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "60"])
    yield process
    process.kill()
    process.wait()


@pytest.mark.parametrize(
    ("words", "known"),
    [
        pytest.param(["sleep", "60"], True, id="all of them"),
        pytest.param(["60"], True, id="the end"),
        pytest.param(["sh", "-c"], True, id="the beginning"),
        pytest.param(["slee"], False, id="a part of a word"),
        pytest.param(["60", "sleep"], False, id="in another order"),
    ],
)
def test_processes_are_known_by_their_words(words: list[str], known: bool) -> None:
    with subprocess.Popen(["sh", "-c", "echo; read line", "sleep", "60"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()  # now it is that program: the kernel shows its words a moment after it has begun
        found = {one.id for one in processes.with_arguments(words)}
        child.communicate()
    assert (child.pid in found) is known


def test_a_pid_file_names_a_living_process(tmp_path: Path, child: subprocess.Popen[bytes]) -> None:
    found = processes.identify(child.pid)
    assert found is not None
    processes.write_pid_file(tmp_path / "one.pid", found)
    assert processes.read(tmp_path / "one.pid") == found


@pytest.mark.parametrize("content", ["", "nonsense", "1", "4194305 7"], ids=["empty", "words", "no start moment", "nobody"])
def test_a_pid_file_that_names_nobody_is_as_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "one.pid").write_text(content)
    assert processes.read(tmp_path / "one.pid") is None


def test_a_recycled_id_is_another_process(tmp_path: Path) -> None:
    own = processes.started_at(os.getpid())
    assert own is not None
    (tmp_path / "one.pid").write_text(f"{os.getpid()} {own - 1}\n")
    assert processes.read(tmp_path / "one.pid") is None


def test_what_is_not_itself_any_more_is_not_killed(child: subprocess.Popen[bytes]) -> None:
    processes.kill([Process(child.pid, 1)], 0.1)
    assert child.poll() is None


def test_ends_gently(child: subprocess.Popen[bytes]) -> None:
    found = processes.identify(child.pid)
    assert found is not None
    assert processes.end([found], 10) == []


def test_kills_who_does_not_listen() -> None:
    stubborn = subprocess.Popen([sys.executable, "-c", STUBBORN], stdout=subprocess.PIPE)
    assert stubborn.stdout is not None
    assert stubborn.stdout.readline() == b"ready\n"
    found = processes.identify(stubborn.pid)
    assert found is not None
    assert processes.end([found], 0.1) == [found]
    stubborn.wait()
    stubborn.stdout.close()


def test_spawned_processes_have_a_mask_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log, before = tmp_path / "log", os.umask(0o077)
    try:
        process = processes.spawn(["sh", "-c", "umask; exec sleep 60"], log)
    finally:
        os.umask(before)
    try:
        while not log.read_text().endswith("\n"):
            assert processes.identify(process.id) == process
        assert int(log.read_text(), 8) == 0o022, "a container's root of mode 0700 is of no use to its users"
    finally:
        processes.kill([process])


def test_spawned_processes_are_detached_and_logged(tmp_path: Path) -> None:
    environment = {"PILOT": "yes", "PATH": os.environ["PATH"]}
    process = processes.spawn(["sh", "-c", "echo $$ $PILOT; exec sleep 60"], tmp_path / "logs" / "log", environment=environment)
    try:
        assert os.getsid(process.id) == process.id
    finally:
        processes.kill([process])
    assert (tmp_path / "logs" / "log").read_text() in (f"{process.id} yes\n", "")
