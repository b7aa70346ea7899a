"""The objects of one kind and how they change: what authorizers follow instead of asking for all of them at each decision."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

Change = tuple[Any, Any]
"""(the object as it was, the object as it is); None where there is none."""


class Feed(Protocol):
    """The objects of one kind, and how they change."""

    @property
    def changed(self) -> int:
        """The revision of the last change."""
        ...

    def objects(self) -> Iterable[Any]:
        """All of them now."""
        ...

    def since(self, revision: int) -> Sequence[Change] | None:
        """The changes after a revision; None when they are not known any more."""
        ...


Feeds = dict[type[Any], Feed]
"""Feeds by their kinds."""


class Follower:
    """Takes the changes of several feeds since it was last asked; `forget(kind)` comes before all objects are given anew."""

    def __init__(self, feeds: Feeds, forget: Callable[[type[Any]], None]) -> None:
        self._feeds = feeds
        self._forget = forget
        self._seen: dict[type[Any], int] = {}

    def changes(self) -> list[tuple[type[Any], Sequence[Change]]]:
        """What has changed, by kind; mostly nothing."""
        return [(kind, self._since(kind, feed)) for kind, feed in self._feeds.items() if feed.changed != self._seen.get(kind)]

    def _since(self, kind: type[Any], feed: Feed) -> Sequence[Change]:
        seen = self._seen.get(kind)
        changes = feed.since(seen) if seen is not None else None
        if changes is None:
            self._forget(kind)
            changes = [(None, obj) for obj in feed.objects()]
        self._seen[kind] = feed.changed
        return changes
