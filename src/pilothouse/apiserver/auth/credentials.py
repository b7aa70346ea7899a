"""What an authenticator of bearer tokens answers: whom a token stands for, or why it is not valid."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from pilothouse.apiserver.auth.user import User


@dataclass(frozen=True, slots=True)
class Authenticated:
    """The user of a valid token, and those of the audiences asked for that it is valid for. `warnings` are for the client, `annotations`
    for the audit log."""

    user: User
    audiences: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    annotations: tuple[tuple[str, str], ...] = ()


class BadToken(Exception):
    """A token of a kind that is known, and not valid; the text says why, in upstream's words. Clients see it in TokenReviews only."""


class TokenAuthenticator(Protocol):
    """Knows one kind of bearer token."""

    async def authenticate_token(self, token: str, audiences: Sequence[str]) -> Authenticated | None:
        """Whom a token stands for; None for a token that is not of this kind. BadToken for one that is, and is not valid for any of
        `audiences` or at all."""
        ...


@dataclass(frozen=True, slots=True)
class Fetched:
    """The answer to a GET."""

    status: str
    """Code and reason: `200 OK`."""
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    """By names in lower case."""


class FetchFailed(Exception):
    """There was no answer; the text says why, in Go's words."""


Fetch = Callable[[str, str, str], Awaitable[Fetched]]
"""GET of (URL, PEM of the authorities to believe or "" for the machine's own, bearer token or ""). FetchFailed without an answer."""
