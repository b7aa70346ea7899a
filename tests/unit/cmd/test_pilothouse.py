from __future__ import annotations

import subprocess
import sys

import pytest

from pilothouse.cmd import pilothouse

HEAVY = ("aiohttp", "cryptography", "grpc", "numpy", "msgspec", "yaml", "asyncio")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        pytest.param(["up"], {"name": "pilothouse", "network": None, "egress": None, "port": None, "wait": True}, id="defaults"),
        pytest.param(["up", "--no-egress", "--no-wait"], {"egress": False, "wait": False}, id="no egress, no waiting"),
        pytest.param(["up", "--network", "host", "--port", "7000"], {"network": "host", "port": 7000}, id="network and port"),
        pytest.param(["down", "--purge", "--name", "dev"], {"purge": True, "name": "dev"}, id="purge"),
        pytest.param(["status", "-o", "json"], {"output": "json"}, id="status as JSON"),
    ],
)
def test_options(words: list[str], expected: dict[str, object]) -> None:
    parsed = vars(pilothouse.parser().parse_args(words))
    assert {name: parsed[name] for name in expected} == expected


@pytest.mark.parametrize("words", [[], ["sideways"], ["up", "--port", "0"], ["up", "--network", "moon"]], ids=str)
def test_bad_usage_is_explained(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        pilothouse.parser().parse_args(words)
    assert caught.value.code == 2
    assert "usage: pilothouse" in capsys.readouterr().err


def test_failures_say_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        pilothouse.main(["down", "--name", "No Such Name"])
    assert caught.value.code == 1
    error = capsys.readouterr().err
    assert error.startswith("pilothouse: 'No Such Name' is no name for a cluster\n  what to do: ")


def test_the_command_line_imports_nothing_heavy() -> None:
    program = f"import sys, pilothouse.cmd.pilothouse; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
