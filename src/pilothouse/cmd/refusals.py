"""Messages for errors of the machine: full disk, missing permissions, too many open files."""

from __future__ import annotations

import errno
from collections.abc import Iterator

REMEDIES = {
    errno.ENOSPC: "make room on that disk (df -h shows it), then run it again",
    errno.EDQUOT: "make room on that disk, or have its quota raised, then run it again",
    errno.EROFS: "that disk is mounted read-only: mount it writable, then run it again",
    errno.EMFILE: "too many files are open: raise the limit (ulimit -n)",
    errno.ENFILE: "too many files are open on this machine",
    errno.EADDRINUSE: "another program listens there (ss -ltnp shows it): end it, or choose another --port",
    errno.ENOMEM: "the machine is short of memory: end something, then run it again",
}
"""What to do about it."""
FULL = ("database or disk is full", "no space left on device")
"""Words for ENOSPC: SQLite's, containerd's."""


def explanation(error: BaseException) -> str:
    """The refusal that lies behind an error and what to do about it, in one line; empty when there is none."""
    from pilothouse.node.supervisor import ContainerdFailure  # only now: the command line must be quick

    for cause in behind(error):
        if isinstance(cause, OSError) and cause.errno in REMEDIES:
            return f"{text_of(cause)}; {REMEDIES[cause.errno]}"
        if any(words in str(cause) for words in FULL):
            return f"the disk is full; {REMEDIES[errno.ENOSPC]}"
        if isinstance(cause, ContainerdFailure):
            return str(cause)
    return ""


def text_of(error: OSError) -> str:
    """An OSError in words, with the file when there is one."""
    return f"{error.filename}: {error.strerror}" if error.filename else error.strerror or str(error)


def behind(error: BaseException) -> Iterator[BaseException]:
    """The error, what it was raised from, and the members of groups."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        cause = waiting.pop(0)
        if cause is None or id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        waiting += [cause.__cause__, cause.__context__, *(cause.exceptions if isinstance(cause, BaseExceptionGroup) else ())]
