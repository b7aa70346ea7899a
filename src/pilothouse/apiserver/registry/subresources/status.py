"""`/status`: updates status and most metadata; the spec is kept."""

from __future__ import annotations

from typing import Any

from pilothouse.apiserver.registry.strategy import carry_metadata, validate_status
from pilothouse.apiserver.registry.view import View
from pilothouse.kit.clock import Clock
from pilothouse.machinery import access, time
from pilothouse.machinery.resource import Resource


def write(resource: Resource[Any], old: Any, body: Any) -> Any:
    """The old object with the status and the metadata of the body, but for the metadata that the kind keeps."""
    new = access.with_parts(old, metadata=body.metadata, status=access.status(body))  # the rest is shared: nobody changes it any more
    carry_metadata(old, new)
    for name in resource.strategy.status_keeps:
        setattr(new.metadata, name, getattr(old.metadata, name))
    return new


def prepare(resource: Resource[Any], old: Any, new: Any, clock: Clock) -> None:
    """Run the kind's own hooks for writes of `status`."""
    for hook in resource.status_preparers:
        hook(old, new, time.now_text(clock))


STATUS = View("status", write, validate_status, defaulted=True, prepare=prepare, fields_read=frozenset({"metadata", "status"}))
