"""Failed logins: what they may cost. Good credentials are never held up.

- Each address has BURST failures at once and RATE a second more; beyond, its failures are answered late, by DELAY_SECONDS.
- At most WAITING_LIMIT answers are held back at a time; beyond, the address is told to come again later (429).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pilothouse.kit.clock import Clock
from pilothouse.machinery import errors

BURST, RATE = 50.0, 10.0
DELAY_SECONDS = 1.0
WAITING_LIMIT = 100
ADDRESSES_LIMIT = 4096


@dataclass(slots=True)
class FailedLogins:
    """One per API server."""

    clock: Clock
    waiting: int = 0
    _left: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Address -> failures that it has left, and the moment of the last one."""

    async def note(self, address: str) -> None:
        """Return when the failure may be answered; StatusError 429 when too many wait for that."""
        if self._take(address):
            return
        if self.waiting >= WAITING_LIMIT:
            raise errors.too_many_requests("Too many requests, please try again later.", 1)
        self.waiting += 1
        try:
            await self.clock.sleep(DELAY_SECONDS)
        finally:
            self.waiting -= 1

    def _take(self, address: str) -> bool:
        now = self.clock.monotonic()
        left, last = self._left.get(address, (BURST, now))
        left = min(BURST, left + (now - last) * RATE)
        if len(self._left) >= ADDRESSES_LIMIT and address not in self._left:
            self._left.clear()
        self._left[address] = (max(left - 1.0, 0.0), now)
        return left >= 1.0
