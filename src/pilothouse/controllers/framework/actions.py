"""What a plan may ask for. A plan is a sequence of these values; the executor is the only one who does them.

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
    """The events that tell of a create or delete: reason and text of success, then of failure. `{name}` and `{error}` are filled in.
    Without a reason there is no event."""

    done: str = ""
    done_text: str = ""
    failed: str = ""
    failed_text: str = ""


@dataclass(frozen=True, slots=True)
class Create:
    """Create `object`; with `owner`, controlled by it. `if_absent`: that it is there already is as good.

    It is announced by an event about its owner, or about `about`.
    """

    object: Any
    owner: Any = None
    announce: Announce | None = None
    if_absent: bool = False
    about: Any = None


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete this very object (its uid is a precondition); that it is gone already is as good."""

    object: Any
    owner: Any = None
    announce: Announce | None = None
    grace_seconds: int | None = None
    propagation: str = ""


@dataclass(frozen=True, slots=True)
class Update:
    """Replace the object; fails with a conflict when it has changed since the cache showed it."""

    object: Any
    subresource: str = ""


@dataclass(frozen=True, slots=True)
class UpdateStatus:
    """Write the status of `object`; nothing is sent when the cache shows that status already."""

    object: Any


@dataclass(frozen=True, slots=True)
class Patch:
    """Patch the object with a merge patch, given as data; that it is gone is as good."""

    object: Any
    patch: Mapping[str, Any]
    subresource: str = ""
    patch_type: str = MERGE_PATCH


@dataclass(frozen=True, slots=True)
class Adopt:
    """Make `owner` the controller of `object`, when the owner still lives (asked of the server, not of the cache); `finalizers` are
    those that the owner's objects bear."""

    object: Any
    owner: Any
    finalizers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Release:
    """Take `owner` out of the owners of `object`, and off it the `finalizers` of the owner's objects."""

    object: Any
    owner: Any
    finalizers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Emit:
    """Tell of something by an event about `about`."""

    about: Any
    type: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class RequeueAfter:
    """Plan again when this much time has passed, though nothing changes."""

    seconds: float


Action: TypeAlias = Create | Delete | Update | UpdateStatus | Patch | Adopt | Release | Emit | RequeueAfter


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong when the last plan was executed: for conditions such as ReplicaFailure."""

    action: Action
    error: Exception = field(compare=False)

    @property
    def message(self) -> str:
        """The error's text."""
        return str(self.error)
