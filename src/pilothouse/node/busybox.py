"""The busybox of the demo image: this machine's, with a `wget` whose -T works.

Debian builds busybox without FEATURE_WGET_TIMEOUT, and such a build writes to a null pointer when wget is given -T. There the applet gets
another name (of the same length, and with the same place in the sorted table, since the shell looks applets up there first), and a
script of the name `wget` keeps the time limit with `timeout`.
"""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

RENAMED = "wgeT"
TABLE_ENTRY, RENAMED_ENTRY = b"\0wc\0wget\0which\0", b"\0wc\0wgeT\0which\0"

SCRIPT = rb"""#!/bin/sh
# This build of busybox fails when wget is given -T: the time limit is kept here.
limit=0 count=$#
while [ $count -gt 0 ]; do
  word=$1; shift; count=$((count - 1))
  case $word in
    -T | --timeout) limit=$1; shift; count=$((count - 1)) ;;
    -T*) limit=${word#-T} ;;
    --timeout=*) limit=${word#*=} ;;
    -[cqS]T | -[cqS][cqS]T) limit=$1; shift; count=$((count - 1)); set -- "$@" "${word%T}" ;;
    -[cqS]T* | -[cqS][cqS]T*) limit=${word#*T}; set -- "$@" "${word%%T*}" ;;
    -[OoPYUt] | -[cqS][OoPYUt] | -[cqS][cqS][OoPYUt]) set -- "$@" "$word" "$1"; shift; count=$((count - 1)) ;;
    *) set -- "$@" "$word" ;;
  esac
done
keep="timeout $limit"
[ "$limit" = 0 ] && keep=
set -o pipefail
exec 3>&1
$keep /bin/busybox wgeT "$@" 2>&1 >&3 3>&- | sed 's/^wgeT: /wget: /; s/Usage: wgeT/Usage: wget/' >&2
status=$?
[ $status = 143 ] && { echo "wget: download timed out" >&2; exit 1; }
exit $status
"""


def wget_fails(program: Path) -> bool:
    """Whether its wget dies of a signal when it is given -T."""
    command = [str(program), "wget", "-q", "-T", "1", "-O", "/dev/null", "http://127.0.0.1:1/"]
    return subprocess.run(command, capture_output=True, check=False).returncode == -signal.SIGSEGV


def without_wget(binary: bytes) -> bytes | None:
    """The program with its wget under the other name; None where its table of applets is not as expected."""
    return binary.replace(TABLE_ENTRY, RENAMED_ENTRY) if binary.count(TABLE_ENTRY) == 1 else None


def contents(program: Path) -> tuple[bytes, dict[str, bytes]]:
    """The program for the image, and scripts that go in the place of applets, by their paths."""
    binary = program.read_bytes()
    renamed = without_wget(binary) if wget_fails(program) else None
    return (binary, {}) if renamed is None else (renamed, {"usr/bin/wget": SCRIPT})
