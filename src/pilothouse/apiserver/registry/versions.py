"""What a resourceVersion in a request means: a revision to be reached, or one that is too far ahead."""

from __future__ import annotations

from pilothouse.apiserver.registry.kernel import Kernel
from pilothouse.kit.clock import wait_for
from pilothouse.machinery.errors import StatusError, bad_request, failure
from pilothouse.machinery.meta_v1 import StatusCause, StatusDetails

FRESH_SECONDS = 3.0
"""How long a request waits for the revision that it asks for."""


def revision_of(text: str) -> int:
    """A resourceVersion as a number; a StatusError 400 for what is none."""
    if not text:
        return 0
    if not (text.isascii() and text.isdigit()) or int(text) >= 2**64:
        raise bad_request(f'Invalid value: "{text}": strconv.ParseUint: parsing "{text}": invalid syntax')
    return int(text)


async def reached_or_timeout(kernel: Kernel, revision: int) -> None:
    """Return when the caches show `revision`; a StatusError 504 as upstream's when that does not come about."""
    if revision <= kernel.caches.revision:
        return
    try:
        await wait_for(kernel.clock, kernel.caches.reached(revision), FRESH_SECONDS)
    except TimeoutError as error:
        raise too_large(revision, kernel.caches.revision) from error


def too_large(revision: int, current: int) -> StatusError:
    message = f"Too large resource version: {revision}, current: {current}"
    details = StatusDetails(
        retryAfterSeconds=1, causes=[StatusCause(reason="ResourceVersionTooLarge", message="Too large resource version")]
    )
    return failure(504, "Timeout", f"Timeout: {message}", details)
