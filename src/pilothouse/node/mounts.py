"""The mount table, and unmounting.

- `points()` reads the table of the calling process; nothing else here looks at it.
- `unmount_below` takes the deepest first and everything stacked on one point; it is idempotent. Who mounted a disk for a
  cluster's state keeps it: with `itself=False` the root stays.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

from pilothouse.node import linux

STACK_LIMIT = 64
"""Mounts stacked on one point that are taken away before giving up."""


@dataclass(frozen=True, slots=True)
class Mount:
    """One line of /proc/self/mountinfo."""

    point: str
    kind: str
    source: str
    options: str
    propagation: str
    """`shared:N`, `master:N`, ... or empty: private."""


def parse(text: str) -> list[Mount]:
    """The lines of a `mountinfo` file, in the order of mounting."""
    mounts = []
    for line in text.splitlines():
        left, _, right = line.partition(" - ")
        fields, tail = left.split(" "), right.split(" ")
        mounts.append(Mount(_plain(fields[4]), tail[0], _plain(tail[1]), f"{fields[5]},{tail[2]}", " ".join(fields[6:])))
    return mounts


def points(table: str = "/proc/thread-self/mountinfo") -> list[Mount]:
    """Mount points as the calling thread sees them, in its mount namespace."""
    with open(table, encoding="utf-8", errors="surrogateescape") as file:
        return parse(file.read())


def is_point(path: str) -> bool:
    """Whether something is mounted at exactly this path in this process's mount namespace."""
    return any(mount.point == path for mount in points())


def below(root: str, mounts: Iterable[Mount]) -> list[str]:
    """Mount points at or under `root`, deepest first."""
    prefix = root.rstrip("/") + "/"
    points = [mount.point for mount in mounts if mount.point == root or mount.point.startswith(prefix)]
    return sorted(points, key=lambda point: -point.count("/"))


def unmount_below(root: str, *, itself: bool = True) -> int:
    """Take away every mount at or under `root`; returns how many there were."""
    gone = 0
    real = os.path.realpath(root)
    for point in below(real, points()):
        if point == real and not itself:
            continue
        try:
            linux.unmount(point)
            gone += 1
        except OSError:
            continue
    return gone


def private_directory(path: str) -> None:
    """Make `path` a private mount point; needed to pin a mount namespace in it."""
    os.makedirs(path, mode=0o755, exist_ok=True)
    if not is_point(os.path.realpath(path)):
        linux.mount(path, path, flags=linux.MS_BIND)
    linux.mount("", path, flags=linux.MS_PRIVATE)


def _plain(text: str) -> str:
    """`mountinfo` writes blanks, tabs, newlines and backslashes in octal."""
    if "\\" not in text:
        return text
    return text.encode("latin-1", "surrogateescape").decode("unicode_escape").encode("latin-1").decode("utf-8", "surrogateescape")
