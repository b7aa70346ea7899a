"""Safe bind mounts of subPaths in a volume to which containers may write at the same time.

Links inside the volume are followed as they are found, but none that leads out of it; then the path is walked again from descriptor to
descriptor, following none at all, and what was opened is mounted: a link that is swapped in meanwhile leads nobody elsewhere.
"""

from __future__ import annotations

import os
import stat

from pilothouse.node import linux

LOOK = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
PERMISSIONS = 0o777 | stat.S_ISGID


def bind(root: str, path: str, target: str) -> None:
    """Bind mount `path` below `root` at `target`.

    Missing directories are made with the mode of `root`; ValueError when the path leads out of it.
    """
    descriptor = open_below(root, path)
    try:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            os.makedirs(target, 0o750, exist_ok=True)
        else:
            os.makedirs(os.path.dirname(target), 0o750, exist_ok=True)
            os.close(os.open(target, os.O_CREAT | os.O_CLOEXEC, 0o640))
        linux.mount(f"/proc/self/fd/{descriptor}", target, "", linux.MS_BIND | linux.MS_REC)
    finally:
        os.close(descriptor)


def open_below(root: str, path: str) -> int:
    """Open `path` below `root` as an O_PATH descriptor."""
    whole = os.path.realpath(root)
    resolved = os.path.realpath(os.path.join(whole, path))
    if resolved != whole and not resolved.startswith(whole + "/"):
        raise ValueError(f"{path} leads out of {root}")
    mode = stat.S_IMODE(os.stat(whole).st_mode) & PERMISSIONS
    at = os.open(whole, LOOK)
    for name in filter(None, resolved[len(whole) :].split("/")):
        try:
            step = _step(at, name, mode)
        finally:
            os.close(at)
        at = step
    return at


def _step(at: int, name: str, mode: int) -> int:
    """A descriptor of `name` in the directory `at`; a directory is made of it when there is nothing."""
    try:
        fd = os.open(name, LOOK, dir_fd=at)
    except FileNotFoundError:
        return _made(at, name, mode)
    if stat.S_ISLNK(os.fstat(fd).st_mode):
        os.close(fd)
        raise ValueError(f"{name} became a link")
    return fd


def _made(at: int, name: str, mode: int) -> int:
    os.mkdir(name, mode, dir_fd=at)
    fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=at)
    os.fchmod(fd, mode)  # whatever the umask
    return fd
