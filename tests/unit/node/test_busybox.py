"""The script in the place of a wget that fails with -T, run by this machine's shell with stand-ins for busybox."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from pilothouse.node import busybox

PROGRAM = """#!/bin/sh
shift
case "$*" in *slow*) exec sleep 60 ;; *bad*) echo "wgeT: bad address" >&2; exit 1 ;; esac
for word in "$@"; do echo "[$word]"; done
"""


def run(tmp_path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    program = tmp_path / "busybox"
    program.write_text(PROGRAM)
    program.chmod(0o755)
    script = tmp_path / "wget"
    script.write_bytes(busybox.SCRIPT.replace(b"/bin/busybox", str(program).encode()).replace(b"#!/bin/sh", b"#!/bin/bash"))
    return subprocess.run(["bash", str(script), *words], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("words", "handed_on"),
    [
        pytest.param(["-T", "5", "-q", "-O", "-", "http://a/"], ["-q", "-O", "-", "http://a/"], id="-T apart"),
        pytest.param(["-q", "-T5", "http://a/"], ["-q", "http://a/"], id="-T together"),
        pytest.param(["-qT", "5", "-O-", "http://a/"], ["-q", "-O-", "http://a/"], id="with a flag, apart"),
        pytest.param(["-qT5", "http://a/"], ["-q", "http://a/"], id="with a flag, together"),
        pytest.param(["--timeout=5", "http://a/"], ["http://a/"], id="the long option"),
        pytest.param(["--timeout", "5", "http://a/"], ["http://a/"], id="the long option apart"),
        pytest.param(["-qO", "-Two", "http://a b/"], ["-qO", "-Two", "http://a b/"], id="a value that looks like it"),
        pytest.param(["--header", "x: y z", "http://a/"], ["--header", "x: y z", "http://a/"], id="none"),
        pytest.param(["-T", "0", "http://a/"], ["http://a/"], id="no limit"),
    ],
)
def test_the_limit_is_taken_out(tmp_path: Path, words: list[str], handed_on: list[str]) -> None:
    done = run(tmp_path, *words)
    assert (done.stdout, done.stderr, done.returncode) == ("".join(f"[{word}]\n" for word in handed_on), "", 0)


def test_failures_bear_the_name_of_wget(tmp_path: Path) -> None:
    done = run(tmp_path, "-T", "5", "http://bad/")
    assert (done.stderr, done.returncode) == ("wget: bad address\n", 1)


@pytest.mark.parametrize("entries", [1, 0, 2])
def test_only_a_table_as_expected_is_changed(entries: int) -> None:
    changed = busybox.without_wget(b"\x7fELF..." + busybox.TABLE_ENTRY * entries)
    assert (changed is None) is (entries != 1)
    if changed is not None:
        assert changed == b"\x7fELF..." + busybox.RENAMED_ENTRY
