"""CallFailed: a webhook call that failed."""

from __future__ import annotations

from pilothouse.machinery.errors import StatusError


class CallFailed(Exception):
    """A webhook call failed; the text is upstream's. `status` is the webhook's Status or that of its HTTP code; None without a response."""

    def __init__(self, text: str, status: StatusError | None = None) -> None:
        super().__init__(text)
        self.status = status

    @property
    def code(self) -> int:
        """The HTTP code that metrics show: 503 when there was no answer."""
        return self.status.code if self.status is not None else 503


class NoClient(CallFailed):
    """A client configuration that cannot be used: it names no endpoint, or its caBundle has no certificate."""
