"""The pause program runs for real: it is a file of a few hundred bytes."""

from __future__ import annotations

import platform
import signal
import subprocess
from pathlib import Path

import pytest

from pilothouse.node import images, pause


@pytest.mark.parametrize("architecture", ["amd64", "arm64"])
def test_is_a_small_static_executable(architecture: str) -> None:
    program = pause.program(architecture)
    assert program.startswith(b"\x7fELF\x02\x01")
    assert int.from_bytes(program[18:20], "little") == pause.ELF_MACHINES[architecture]
    assert int.from_bytes(program[64 + 32 : 64 + 40], "little") == len(program) < 512


@pytest.mark.skipif(platform.machine() not in images.ARCHITECTURES, reason="no pause program for this machine")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_waits_until_it_is_asked_to_end(tmp_path: Path, number: signal.Signals) -> None:
    path = tmp_path / "pause"
    path.write_bytes(pause.program(images.architecture()))
    path.chmod(0o755)
    process = subprocess.Popen([path])
    try:
        process.send_signal(signal.SIGCHLD)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.05)
        process.send_signal(number)
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.wait()
