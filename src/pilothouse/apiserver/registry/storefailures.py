"""Statuses for failures of the store: upstream's for a remote store, the cause for a local one."""

from __future__ import annotations

from pilothouse.apiserver.storage.interface import NotTransformable, StorageFailed, StorageTimedOut, StorageUnavailable
from pilothouse.machinery.errors import StatusError, failure, internal_error, timeout
from pilothouse.machinery.meta_v1 import StatusDetails

TIMED_OUT = "request did not complete within requested timeout - context deadline exceeded"


def status_of(error: StorageFailed, what: str) -> StatusError:
    """Status of a failure; `what` says what the store cannot do: "be read", or "write"."""
    if isinstance(error, NotTransformable):
        return failure(500, "", str(error))
    if isinstance(error, StorageTimedOut):
        failed = timeout(TIMED_OUT)
        failed.status.details = StatusDetails()
        return failed
    if isinstance(error, StorageUnavailable):
        return failure(500, "", str(error))
    return internal_error(f"the store cannot {what}: {error}")
