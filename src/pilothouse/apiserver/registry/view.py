"""Views: reading and writing an object under one path, as `/status` or `/scale`.

The object itself is one view, `/status` another, `/scale` a third. Update and patch work on views and know none of them;
the views of subresources are found in subresources/.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pilothouse.apiserver.registry import strategy
from pilothouse.kit.clock import Clock
from pilothouse.machinery.codec import clone
from pilothouse.machinery.resource import Resource

T = TypeVar("T")
METADATA = ("annotations", "finalizers", "labels", "ownerReferences")
"""What clients write of the metadata."""


def _itself(resource: Resource[Any], obj: Any) -> Any:
    return obj


@dataclass(frozen=True, slots=True)
class View:
    """`read(resource, object)` is what the client sees; `write(resource, old, body)` the whole object that it asks for, a copy
    that may be changed; `check(resource, old, new)` raises StatusError. `body` is what is exchanged when that is not the kind itself
    (`custom_body`: of custom kinds), and then `replicas(resource)` the path, by version, of the one field of the object that it writes.
    `prepare(resource, old, new, clock)` sets what the client leaves to the server. `taken` are the top-level fields of the body that
    `write` looks at; None: all. `check_shown(resource, body)` raises StatusError for what can be written, but not be read."""

    name: str
    write: Callable[[Resource[Any], Any, Any], Any]
    check: Callable[[Resource[Any], Any, Any], None]
    read: Callable[[Resource[Any], Any], Any] = _itself
    plurals: frozenset[tuple[str, str]] | None = None
    body: Resource[Any] | None = None
    custom_body: Resource[Any] | None = None
    defaulted: bool = False
    replicas: Callable[[Resource[Any]], Mapping[str, tuple[str, ...] | None]] | None = None
    prepare: Callable[[Resource[Any], Any, Any, Clock], None] | None = None
    fields_read: frozenset[str] | None = None
    check_shown: Callable[[Resource[Any], Any], None] | None = None

    @property
    def is_full_object(self) -> bool:
        """Whether the body is of the object's type."""
        return self.body is None

    def exchanged(self, resource: Resource[Any]) -> Resource[Any] | None:
        """Type of the body when it differs from the kind, else None."""
        return self.custom_body if resource.is_hub and self.custom_body is not None else self.body


def _write_main(resource: Resource[Any], old: Any, body: Any) -> Any:
    strategy.prepare_update(resource, old, body)
    return body


MAIN = View("", _write_main, strategy.validate_update, defaulted=True)


def with_metadata_of(old: T, body: Any, *taken: str) -> T:
    """A copy of `old` with the named metadata fields of `body`."""
    new = clone(old)
    for field in taken:
        setattr(new.metadata, field, getattr(body.metadata, field))  # type: ignore[attr-defined]
    return new
