"""Block devices: detecting and making filesystems, with blkid (util-linux) and mkfs."""

from __future__ import annotations

import errno
import subprocess
from collections.abc import Sequence

from pilothouse.node import linux

NOTHING_FOUND = 2
"""blkid's exit code for a device that bears nothing it knows."""
PARTITIONS = "unknown data, probably partitions"
FORCE = {"ext4": ("-F", "-m0"), "ext3": ("-F", "-m0"), "xfs": ("-f",)}
"""Arguments of mkfs: no questions asked, and no blocks kept for root."""


def filesystem(device: str) -> str:
    """Type of the filesystem on a device, "" for none; upstream's text for a disk with a partition table, which must not be formatted."""
    done = _run(["blkid", "-p", "-s", "TYPE", "-s", "PTTYPE", "-o", "export", device], device)
    if done.returncode == NOTHING_FOUND:
        return ""
    if done.returncode:
        raise OSError(errno.EIO, f"failed to get disk format: {done.stdout.strip()}", device)
    return kind_of(done.stdout)


def kind_of(text: str) -> str:
    """Filesystem type in the output of `blkid -o export`, lines of NAME=value. Pure."""
    said = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    return PARTITIONS if said.get("PTTYPE") else said.get("TYPE", "")


def format(device: str, kind: str) -> None:
    """Make a filesystem of type `kind`. Raises OSError with the output of mkfs."""
    done = _run([f"mkfs.{kind}", *FORCE.get(kind, ()), device], device)
    if done.returncode:
        raise OSError(errno.EIO, f"format failed: {done.stdout.strip()}", device)


def _run(command: Sequence[str], device: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False, env=linux.environment()
        )
    except FileNotFoundError as error:
        raise OSError(errno.ENOENT, f"{command[0]} is not installed", device) from error
