"""CallFailed: a webhook that could not be asked, or whose answer is none."""

from __future__ import annotations

from pilothouse.machinery.errors import StatusError


class CallFailed(Exception):
    """The text says what went wrong, in upstream's words. `status` is the webhook's own Status, or what its HTTP code stands for; None when
    there was no answer."""

    def __init__(self, text: str, status: StatusError | None = None) -> None:
        super().__init__(text)
        self.status = status

    @property
    def code(self) -> int:
        """The HTTP code that metrics show: 503 when there was no answer."""
        return self.status.code if self.status is not None else 503


class NoClient(CallFailed):
    """A clientConfig by which nobody can be called: it names nothing, or believes nobody."""
