"""Cryptographic random bytes for nonces, keys and seeds. Never seeded, not even in tests.

- The system is asked for a few kilobytes at a time, since a call of it costs as much as an encryption; what was given is forgotten.
- One source a process would be forked with its pool: `pilothouse` starts its processes anew and never forks a running one.
"""

from __future__ import annotations

import os

POOL_BYTES = 4096


class SecureRandom:
    """A source of random bytes from the system."""

    def __init__(self) -> None:
        self._pool = b""
        self._taken = 0

    def bytes(self, count: int) -> bytes:
        """`count` bytes that were given to nobody before."""
        if count > POOL_BYTES // 4:
            return os.urandom(count)
        end = self._taken + count
        if end > len(self._pool):
            self._pool, self._taken, end = os.urandom(POOL_BYTES), 0, count
        taken, self._taken = self._pool[self._taken : end], end
        return taken
