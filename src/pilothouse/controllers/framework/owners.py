"""Controller references and claiming of objects (upstream's ControllerRefManager).

- An object has at most one controller; only its controller may count it.
- What matches the selector and has no controller is adopted; what is owned and no longer matches is released.
- An owner that is being deleted, or an orphan that is, is left alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from pilothouse.client.store import LabelMatcher
from pilothouse.controllers.framework.actions import Action, Adopt, Release
from pilothouse.machinery.meta_v1 import OwnerReference

T = TypeVar("T")


def controller_of(obj: Any) -> OwnerReference | None:
    """The reference to the object's controller."""
    return next((reference for reference in obj.metadata.ownerReferences if reference.controller), None)


def controlled_by(obj: Any, owner: Any) -> bool:
    """Whether the controller reference of `obj` names the uid of `owner`."""
    reference = controller_of(obj)
    return reference is not None and reference.uid == owner.metadata.uid


def controller_reference(owner: Any) -> OwnerReference:
    """The reference that makes `owner` the controller."""
    meta = owner.metadata
    return OwnerReference(
        apiVersion=owner.apiVersion, kind=owner.kind, name=meta.name, uid=meta.uid, controller=True, blockOwnerDeletion=True
    )


@dataclass(slots=True)
class Claim(Generic[T]):
    """The objects that an owner controls or adopts, and the actions for adopting and releasing."""

    members: list[T] = field(default_factory=list)
    actions: list[Action] = field(default_factory=list)


def claim(
    owner: Any,
    candidates: Iterable[T],
    selector: LabelMatcher,
    suits: Callable[[T], bool] = lambda obj: True,
    *,
    finalizers: tuple[str, ...] = (),
) -> Claim[T]:
    """Divide `candidates`, all objects of the owner's namespace that may concern it, as ControllerRefManager does.

    `finalizers` are set on adopted objects.
    """
    result: Claim[T] = Claim()
    dying = bool(owner.metadata.deletionTimestamp)
    for candidate in candidates:
        meta = candidate.metadata  # type: ignore[attr-defined]
        reference = controller_of(candidate)
        matches = selector.matches(meta.labels) and suits(candidate)
        if reference is None:
            if matches and not dying and not meta.deletionTimestamp:
                result.members.append(candidate)
                result.actions.append(Adopt(candidate, owner, finalizers))
        elif reference.uid == owner.metadata.uid:
            if matches:
                result.members.append(candidate)
            elif not dying:
                result.actions.append(Release(candidate, owner, finalizers))
    return result
