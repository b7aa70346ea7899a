"""The few system calls that Python 3.11 has no name for, through the C library.

Every function raises OSError with the kernel's errno and the path concerned. Who enters a namespace does so in a thread
or process of its own: see namespaces.py.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
from functools import cache
from typing import Any

from pilothouse.machinery import strconv

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where programs are looked for: a user's PATH often lacks the sbin directories, and after `su` root's does, too."""

MS_RDONLY = 0x1
MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_SYNCHRONOUS = 0x10
MS_REMOUNT = 0x20
MS_NOATIME = 0x400
MS_NODIRATIME = 0x800
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 1 << 18
MS_SLAVE = 1 << 19
MS_SHARED = 1 << 20
MS_RELATIME = 1 << 21
MNT_DETACH = 0x2

PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
"""Its number by architecture."""

CAPABILITIES = {"CAP_NET_ADMIN": 12, "CAP_SYS_CHROOT": 18, "CAP_SYS_ADMIN": 21, "CAP_SYS_RESOURCE": 24}
"""Their numbers."""

CLONE_FS = 0x00000200
CLONE_NEWNS = 0x00020000
CLONE_NEWNET = 0x40000000


def has_capability(name: str, status: str = "/proc/self/status") -> bool:
    """Whether this process may do what the capability is for: root in a container may lack it."""
    with open(status, encoding="utf-8") as file:
        effective = next((strconv.hexadecimal(line.split()[1]) or 0 for line in file if line.startswith("CapEff:")), 0)
    return bool(effective >> CAPABILITIES[name] & 1)


def mount(source: str, target: str, kind: str = "", flags: int = 0, data: str = "") -> None:
    """mount(2): `source` onto `target`, file system type `kind`, options in `data`. Raises OSError."""
    _call("mount", target, source.encode(), target.encode(), kind.encode() or None, ctypes.c_ulong(flags), data.encode() or None)


def unmount(target: str, flags: int = MNT_DETACH) -> None:
    """umount2(2) of what is mounted last at `target`; lazily by default. Raises OSError."""
    _call("umount2", target, target.encode(), flags)


def unshare(flags: int) -> None:
    """Give the calling thread namespaces of its own."""
    _call("unshare", "", flags)


def set_namespace(path: str, kind: int = 0) -> None:
    """Move the calling thread into the namespace that the file `path` stands for."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _call("setns", path, descriptor, kind)
    finally:
        os.close(descriptor)


def pivot_root(new: str, put_old: str) -> None:
    """The C library has no name for it either."""
    number = PIVOT_ROOT.get(platform.machine())
    if number is None:
        raise OSError(errno.ENOSYS, "pivot_root: its number is not known on this architecture", new)
    _call("syscall", new, ctypes.c_long(number), new.encode(), put_old.encode())


def look_up(function: str) -> None:
    """Find it in the C library now: after a fork, a lock that this needs may be held by a thread that is no more."""
    getattr(_library(), function)


def _call(function: str, path: str, *arguments: Any) -> None:
    if getattr(_library(), function)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{function}: {os.strerror(number)}", path)


@cache
def _library() -> Any:
    return ctypes.CDLL(None, use_errno=True)


def environment() -> dict[str, str]:
    """The caller's, but for where programs are looked for."""
    return {**os.environ, "PATH": SYSTEM_PATH}
