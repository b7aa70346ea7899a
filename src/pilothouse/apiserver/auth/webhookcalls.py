"""Questions to webhooks for authentication and authorization, asked again when that may help (upstream: apiserver/pkg/util/webhook)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from pilothouse.kit.clock import Clock
from pilothouse.kit.entropy import Entropy

FIRST_SECONDS, FACTOR, JITTER, STEPS = 0.5, 1.5, 0.2, 5
ASKED_AGAIN = (429, 500, 504)

Ask = Callable[[bytes], Awaitable[bytes]]
"""A review goes out, a review comes back. AskFailed when none does."""


class AskFailed(Exception):
    """The text says why, in the words of client-go. `code` is that of the answer, 0 without one; `is_late`: there was none in time."""

    def __init__(self, text: str, code: int = 0, *, is_late: bool = False, was_reset: bool = False) -> None:
        super().__init__(text)
        self.code, self.is_late, self.was_reset = code, is_late, was_reset

    @property
    def may_pass(self) -> bool:
        """Whether it may help to ask again."""
        return self.code in ASKED_AGAIN or self.was_reset


@dataclass(frozen=True, slots=True)
class Asker:
    """Asks a webhook, up to STEPS times with growing pauses where what went wrong may pass."""

    post: Ask
    clock: Clock
    entropy: Entropy

    async def ask(self, review: bytes) -> bytes:
        """The answer to a review. AskFailed with what went wrong last."""
        pause = FIRST_SECONDS
        for step in range(STEPS):
            try:
                return await self.post(review)
            except AskFailed as error:
                if not error.may_pass or step == STEPS - 1:
                    raise
            await self.clock.sleep(self.entropy.jitter(pause, JITTER))
            pause *= FACTOR
        raise AssertionError("the last step returns or raises")
