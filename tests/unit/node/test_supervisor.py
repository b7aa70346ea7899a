"""A containerd that is a shell script: what is tested is the keeping, not the kept."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pilothouse.kit.clock import SystemClock
from pilothouse.node import processes, supervisor
from pilothouse.node.containerd import ContainerdPaths
from pilothouse.node.supervisor import ContainerdFailure, Supervisor

PROGRAM = """#!{python}
import socket, sys, time
served = socket.socket(socket.AF_UNIX)
try:
    __import__("os").unlink("{socket}")
except FileNotFoundError:
    pass
served.bind("{socket}")
served.listen()
time.sleep(60)
"""


@pytest.fixture
def keeper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Supervisor]:
    paths = ContainerdPaths(tmp_path / "root", tmp_path / "run")
    program = tmp_path / "bin" / "containerd"
    program.parent.mkdir()
    program.write_text(PROGRAM.format(python=sys.executable, socket=paths.socket))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    made = Supervisor(paths, tmp_path / "pid", tmp_path / "log", SystemClock(), pod_cidr="10.222.64.0/24", mtu=1500)
    yield made
    if (left := processes.read(tmp_path / "pid")) is not None:
        processes.kill([left])


async def test_returns_when_it_answers(keeper: Supervisor) -> None:
    await keeper.start()
    assert supervisor.answers(keeper.paths.socket)


async def test_adopts_one_that_runs(keeper: Supervisor, tmp_path: Path) -> None:
    await keeper.start()
    before = processes.read(tmp_path / "pid")
    another = Supervisor(keeper.paths, tmp_path / "pid", tmp_path / "log", SystemClock(), pod_cidr="10.222.64.0/24", mtu=1500)
    await another.start()
    assert processes.read(tmp_path / "pid") == before


async def test_starts_it_again_when_it_ends(keeper: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "FIRST_BACK_OFF_SECONDS", 0.01)
    await keeper.start()
    before = processes.read(tmp_path / "pid")
    assert before is not None
    running = asyncio.create_task(keeper.run())
    try:
        os.kill(before.id, signal.SIGKILL)
        for _ in range(500):
            if (now := processes.read(tmp_path / "pid")) not in (None, before) and supervisor.answers(keeper.paths.socket):
                break
            await asyncio.sleep(0.02)
        assert now not in (None, before)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_says_where_the_log_is_when_it_does_not_start(keeper: Supervisor, tmp_path: Path) -> None:
    (tmp_path / "bin" / "containerd").write_text("#!/bin/sh\nexit 1\n")
    with pytest.raises(ContainerdFailure, match=str(tmp_path / "log")):
        await keeper.start()


async def test_local_images_are_brought_in_once_and_again_where_containerd_lost_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths, imports = ContainerdPaths(tmp_path / "root", tmp_path / "run"), tmp_path / "imports"
    program = tmp_path / "bin" / "ctr"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho import >> {imports}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    for _ in range(2):
        paths.images.mkdir(parents=True, exist_ok=True)
        for _ in range(2):
            await supervisor.import_local_images(paths, tmp_path / "images")
        shutil.rmtree(paths.images)
    assert imports.read_text().split() == ["import", "import"]
