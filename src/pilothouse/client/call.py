"""An API request as a value, and its result: for both transports and for the server's registry.

An HTTP request is parsed into a `Call`; the in-process client makes one directly. Objects in it are structs (bytes for patches).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from pilothouse.machinery.resource import Resource
from pilothouse.machinery.said_empty import SaidEmpty

T = TypeVar("T")

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_MERGE_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"


@dataclass(slots=True)
class Options:
    """Every option that a verb may have; the names are those of the query parameters in snake_case."""

    label_selector: str = ""
    field_selector: str = ""
    resource_version: str = ""
    resource_version_match: str = ""
    limit: int = 0
    continue_: str = ""
    timeout_seconds: float | None = None
    allow_watch_bookmarks: bool = False
    send_initial_events: bool | None = None
    dry_run: bool = False
    field_validation: str = ""
    field_manager: str = ""
    manager_is_agent: bool = False
    """The field manager was not said: it is the name in the User-Agent."""
    force: bool = False
    grace_period_seconds: int | None = None
    propagation_policy: str = ""
    orphan_dependents: bool | None = None
    precondition_uid: str | None = None
    precondition_resource_version: str | None = None
    ignore_store_read_error: bool = False


@dataclass(slots=True)
class Call:
    """One API request. `verb` is an RBAC verb: get, list, watch, create, update, patch, delete, deletecollection."""

    verb: str
    resource: Resource[Any]
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    body: Any = None
    patch_type: str = ""
    options: Options = field(default_factory=Options)
    body_bytes: int = 0
    """How long the body was that it came in: what is done about a large one is done outside the loop."""
    empty_lists: tuple[tuple[str, ...], ...] = ()
    """Paths of the lists that the client said are empty, where an object keeps no difference between that and no list."""
    said_empty: SaidEmpty | None = None
    """Where what a patch says is empty is noted while it is answered."""

    def with_body(self, body: Any) -> Call:
        """The same call with another body; a tenth of what `dataclasses.replace` costs, which every write in process would pay."""
        return Call(
            self.verb,
            self.resource,
            self.namespace,
            self.name,
            self.subresource,
            body,
            self.patch_type,
            self.options,
            self.body_bytes,
            self.empty_lists,
            self.said_empty,
        )


@dataclass(slots=True)
class ListResult(Generic[T]):
    """One page of a list. In process the items are committed objects: do not change them."""

    items: list[T]
    resource_version: str
    continue_: str = ""
    remaining: int | None = None


@dataclass(slots=True, frozen=True)
class WatchEvent(Generic[T]):
    """`type` is ADDED, MODIFIED, DELETED or BOOKMARK. An ERROR is raised as StatusError from the iteration instead."""

    type: str
    object: T


class Transport(Protocol):
    """Sends calls. Failures are StatusError; ConnectionError when the server cannot be reached."""

    async def call(self, call: Call) -> Any:
        """Every verb but watch: the object, or a ListResult for list and deletecollection (items may be empty)."""
        ...

    def watch(self, call: Call) -> AsyncIterator[WatchEvent[Any]]:
        """The events of a watch, in order; ends when the server ends it. Close it with `aclose` (or a cancelled task)."""
        ...
