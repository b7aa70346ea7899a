from __future__ import annotations

import argparse
import errno
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

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


@pytest.mark.parametrize("output", ["full disk", "closed pipe"])
def test_progress_that_nobody_can_read_hinders_nothing(output: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with open("/dev/full", "wb") as full:
        code = "import sys; from pilothouse.cmd.pilothouse import say; say('one'); say('two'); print('went on', file=sys.stderr)"
        target = full.fileno() if output == "full disk" else writing
        done = subprocess.run([sys.executable, "-c", code], stdout=target, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, "went on\n")


def said(words: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[object, str]:
    """Exit status and what was said of the failure."""
    with pytest.raises(SystemExit) as caught:
        pilothouse.main(words)
    return caught.value.code, capsys.readouterr().err


def refused(number: int, file: str | None = "/var/lib/pilothouse/x") -> OSError:
    return OSError(number, os.strerror(number), file) if file else OSError(number, os.strerror(number))


@pytest.mark.parametrize(
    ("failure", "status", "expected"),
    [
        pytest.param(
            refused(errno.ENOSPC),
            1,
            "pilothouse: /var/lib/pilothouse/x: No space left on device\n"
            "  what to do: make room on that disk (df -h shows it), then run it again\n",
            id="the disk is full",
        ),
        pytest.param(
            refused(errno.EROFS),
            1,
            "pilothouse: /var/lib/pilothouse/x: Read-only file system\n"
            "  what to do: that disk is mounted read-only: mount it writable, then run it again\n",
            id="the disk is read-only",
        ),
        pytest.param(
            refused(errno.EACCES),
            1,
            "pilothouse: /var/lib/pilothouse/x: permission denied\n  what to do: run it again with sudo\n",
            id="a file of root",
        ),
        pytest.param(refused(errno.EIO), 1, "pilothouse: /var/lib/pilothouse/x: Input/output error\n", id="nothing to advise"),
    ],
)
def test_what_the_machine_refuses_is_explained(
    failure: BaseException, status: int, expected: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    def fail(parsed: argparse.Namespace) -> int:
        raise failure

    monkeypatch.setitem(pilothouse.COMMANDS, "up", fail)
    assert said(["up"], capsys) == (status, expected)


@pytest.mark.parametrize(("user", "remedy"), [(1000, "run it again with sudo"), (0, "give it CAP_SYS_ADMIN and CAP_NET_ADMIN")])
def test_a_missing_right_is_told_to_a_user_and_to_root(
    user: int, remedy: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(parsed: argparse.Namespace) -> int:
        raise refused(errno.EPERM, None)

    monkeypatch.setitem(pilothouse.COMMANDS, "up", fail)
    monkeypatch.setattr(os, "geteuid", lambda: user)
    status, told = said(["up"], capsys)
    assert (status, told.startswith("pilothouse: [Errno 1] Operation not permitted\n  what to do: "), remedy in told) == (1, True, True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        pytest.param(["up"], "interrupted; what was begun is put away\n  what to do: start it again: pilothouse up\n", id="up"),
        pytest.param(
            ["down", "--purge", "--name", "dev"],
            "interrupted; some of it may still be there\n  what to do: end it again: pilothouse down --name dev --purge\n",
            id="down",
        ),
        pytest.param(["status"], "interrupted\n", id="status"),
    ],
)
def test_who_interrupts_is_told_what_stands(
    words: list[str], expected: str, number: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(parsed: argparse.Namespace) -> int:
        signal.raise_signal(number)
        return 0

    monkeypatch.setitem(pilothouse.COMMANDS, words[0], interrupted)
    assert said(words, capsys) == (130, f"pilothouse: {expected}")


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """The command line takes over what signals do: not for the tests that follow."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"name": "dev"}'], ids=["empty", "cut off", "a list", "half of it missing"])
@pytest.mark.parametrize("command", ["status", "kubeconfig"])
def test_a_damaged_record_is_explained(command: str, content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = tmp_path / "var/lib/pilothouse/dev/cluster.json"
    record.parent.mkdir(parents=True)
    record.write_text(content)
    status, error = said([command, "--name", "dev", "--root", str(tmp_path)], capsys)
    assert status == 1
    assert error.startswith(f"pilothouse: {record} is damaged: ")
    assert error.endswith("\n  what to do: mend it, or give the cluster up: pilothouse down --purge --name dev\n")


@pytest.mark.parametrize("command", ["up", "down", "status", "kubeconfig"])
def test_every_command_refuses_what_is_no_name(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, error = said([command, "--name", "../x"], capsys)
    assert (status, "'../x' is no name for a cluster" in error, "what to do: use at most 40" in error) == (1, True, True)


@pytest.mark.parametrize("command", ["status", "kubeconfig"])
def test_a_cluster_that_is_not_there_is_named(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, error = said([command, "--name", "dev", "--root", str(tmp_path)], capsys)
    assert (status, error) == (1, "pilothouse: there is no cluster named dev\n  what to do: start it: pilothouse up --name dev\n")


@pytest.mark.parametrize("words", [["version"], ["--version"]])
def test_the_versions_are_printed(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        pilothouse.main(words)
    assert ended.value.code == 0
    assert re.fullmatch(r"pilothouse \S+\nKubernetes API v1\.\d+\.\d+\n", capsys.readouterr().out)


@pytest.mark.parametrize("port", ["0", "65536", "-1", "http", "1.5", ""])
def test_a_bad_port_is_bad_usage(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, error = said(["up", f"--port={port}"], capsys)
    assert (status, f"{port!r} is no port: a number from 1 to 65535 is" in error) == (2, True)


def test_the_command_line_imports_nothing_heavy() -> None:
    program = f"import sys, pilothouse.cmd.pilothouse; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
