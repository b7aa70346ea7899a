"""Strategy: how objects of a kind are written and deleted, where that differs from the rules of all kinds.

The names are those of upstream's strategies (k8s.io/apiserver/pkg/registry/rest); the values of a kind stand in its own file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pilothouse.machinery import access
from pilothouse.machinery.problems import Problems

Moves = Callable[[Any, Any], bool]
"""(old, new): whether metadata.generation grows by one with this update."""


def content_changed(old: Any, new: Any) -> bool:
    """Anything but metadata and status differs."""
    return not access.same_but_metadata_and_status(old, new)


def never(old: Any, new: Any) -> bool:
    """The generation stays what it was at creation."""
    return False


@dataclass(frozen=True, slots=True)
class Strategy:
    """`generation` says when the generation moves; None: the server sets none and keeps what the creator wrote.

    `first_generation` is set at creation (None: what the creator wrote is kept). `default_deletion` is the propagation of a delete
    that asks for none: "Background", "Orphan" (kinds that were so in their first versions, perhaps with a `deletion_warning`), or
    "" where dependents are never followed (Events). `returns_deleted_object`: a delete answers with the object instead of a Status.
    `status_at_creation`: the creator says the status, too. `status_keeps` are the fields of the metadata that an update of the
    status leaves alone. `status_defaults_by_spec`: what is filled into a status depends on the spec. `storage_prefix` is where
    upstream keeps the kind in its store, as messages show it (default: plural).
    `any_finalizer`: a finalizer need not be a standard one or have a domain. `compares_first`: an update is told what may not change
    before what is wrong in itself. `counts_disabled`: a field of a feature that is off moves the generation, though it is dropped.
    `validates_generate_name`: an update is told what is wrong with metadata.generateName, too.
    `lists_cached`: upstream lists from its watch cache, where a limit at resourceVersion 0 is overlooked.
    `has_unsafe_deleter`: what of the kind cannot be decoded may be deleted on request (KEP-3926).
    `validate_by_namespace(old, new, labels, problems)` are rules of new objects (`old` is None) and of statuses that look at the labels of
    the object's namespace (None: it is not there); their problems come before all others.
    `begin_deletion(object, now)`: the first delete does this to the object and no more; a controller ends what it begins.
    """

    allow_create_on_update: bool = False
    allow_unconditional_update: bool = True
    generation: Moves | None = content_changed
    first_generation: int | None = 1
    default_deletion: str = "Background"
    deletion_warning: str = ""
    returns_deleted_object: bool = False
    status_at_creation: bool = False
    status_keeps: frozenset[str] = frozenset()
    status_defaults_by_spec: bool = False
    storage_prefix: str = ""
    any_finalizer: bool = False
    compares_first: bool = False
    counts_disabled: bool = False
    lists_cached: bool = True
    has_unsafe_deleter: bool = True
    validates_generate_name: bool = False
    validate_by_namespace: Callable[[Any, Any, Mapping[str, str] | None, Problems], None] | None = None
    begin_deletion: Callable[[Any, str], None] | None = None


DEFAULT = Strategy()
METADATA = frozenset(("annotations", "deletionTimestamp", "finalizers", "labels", "ownerReferences"))
"""All of the metadata that upstream resets in updates of the status of some kinds."""
