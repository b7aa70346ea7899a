"""Actions that a plan may contain. Only the executor carries them out.

The order of a plan is kept. Creates (and deletes) that follow one another go in batches, see executor.py.
Objects in actions belong to the plan: never a cached one that was changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from pilothouse.client.call import MERGE_PATCH


@dataclass(frozen=True, slots=True)
class Announce:
    """The events recorded for a create or delete: reason and text on success, and on failure.

    `{name}` and `{error}` are filled in. Without a reason no event is recorded.
    """

    done: str = ""
    done_text: str = ""
    failed: str = ""
    failed_text: str = ""


@dataclass(frozen=True, slots=True)
class Create:
    """Create `object`, with `owner` as its controller if given. `if_absent`: an existing object counts as success.

    It is announced by an event about its owner, or about `about`.
    """

    object: Any
    owner: Any = None
    announce: Announce | None = None
    if_absent: bool = False
    about: Any = None


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete this object (its uid is a precondition); a missing object counts as success."""

    object: Any
    owner: Any = None
    announce: Announce | None = None
    grace_seconds: int | None = None
    propagation: str = ""


@dataclass(frozen=True, slots=True)
class Update:
    """Replace the object; fails with a conflict when it changed since the cache showed it."""

    object: Any
    subresource: str = ""


@dataclass(frozen=True, slots=True)
class UpdateStatus:
    """Update the status of `object`; nothing is sent when the cache shows that status already."""

    object: Any


@dataclass(frozen=True, slots=True)
class Patch:
    """Patch the object with a merge patch; a missing object counts as success."""

    object: Any
    patch: Mapping[str, Any]
    subresource: str = ""
    patch_type: str = MERGE_PATCH


@dataclass(frozen=True, slots=True)
class Adopt:
    """Make `owner` the controller of `object`, if a live read shows that the owner is not being deleted; `finalizers` are added too."""

    object: Any
    owner: Any
    finalizers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Release:
    """Remove `owner` from the owner references of `object`, and the owner's `finalizers`."""

    object: Any
    owner: Any
    finalizers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Emit:
    """Record an event about `about`."""

    about: Any
    type: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class RequeueAfter:
    """Plan again after this time, even without a change."""

    seconds: float


Action: TypeAlias = Create | Delete | Update | UpdateStatus | Patch | Adopt | Release | Emit | RequeueAfter


@dataclass(frozen=True, slots=True)
class Failure:
    """Error of the last execution of a plan, for conditions such as ReplicaFailure."""

    action: Action
    error: Exception = field(compare=False)

    @property
    def message(self) -> str:
        """The error's text."""
        return str(self.error)
