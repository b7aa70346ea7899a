"""Meaning of resourceVersion in a request: a revision to wait for, or an invalid one."""

from __future__ import annotations

from pilothouse.apiserver.registry.store import RegistryStore
from pilothouse.kit.clock import wait_for
from pilothouse.machinery import strconv
from pilothouse.machinery.errors import StatusError, failure
from pilothouse.machinery.meta_v1 import StatusCause, StatusDetails
from pilothouse.machinery.problems import Problems

FRESH_SECONDS = 3.0
"""How long a request waits for the revision that it asks for."""


class InvalidRevision(ValueError):
    """A resourceVersion that is not a number. The status depends on the verb, as upstream's does."""

    def __init__(self, text: str, cause: str) -> None:
        self.cause = cause
        problems = Problems("resourceVersion")
        problems.invalid(text, cause)
        self.problems = problems.found
        super().__init__(str(self.problems[0]))


def revision_of(text: str) -> int:
    """A resourceVersion as a number."""
    if not text:
        return 0
    try:
        return strconv.parse_uint(text)
    except ValueError as error:
        raise InvalidRevision(text, str(error)) from error


async def wait_until_fresh(store: RegistryStore, revision: int, *, cached: bool = True) -> None:
    """Wait until the caches show `revision`. Raises upstream's 504 when they do not in time.

    `cached`: upstream's answer comes from its watch cache, which says when to ask again.
    """
    if revision <= store.caches.revision:
        return
    try:
        await wait_for(store.clock, store.caches.wait_for_revision(revision), FRESH_SECONDS)
    except TimeoutError as error:
        raise too_large(revision, store.caches.revision, 1 if cached else 0) from error


def too_large(revision: int, current: int, retry_seconds: int = 1) -> StatusError:
    """The 504 for a resource version that the server has not reached; clients retry after a second.

    As storage.NewTooLargeResourceVersionError.
    """
    message = f"Too large resource version: {revision}, current: {current}"
    details = StatusDetails(
        retryAfterSeconds=retry_seconds, causes=[StatusCause(reason="ResourceVersionTooLarge", message="Too large resource version")]
    )
    return failure(504, "Timeout", f"Timeout: {message}", details)
