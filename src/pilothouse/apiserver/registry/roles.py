"""Roles and bindings from the watch caches, for the RBAC authorizer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from pilothouse.api.catalogue import resource_of
from pilothouse.apiserver.auth.feed import Change, Feeds
from pilothouse.apiserver.auth.rbac.index import KINDS
from pilothouse.apiserver.cache.cache import Cache
from pilothouse.apiserver.cache.caches import Caches
from pilothouse.apiserver.cache.event import DELETED


class CacheFeed:
    """Objects and recent events of one watch cache."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    @property
    def changed(self) -> int:
        """The revision of the last change."""
        return self._cache.changed

    def objects(self) -> Iterator[Any]:
        """All objects, in the order of their keys."""
        return (entry.object for entry in self._cache.entries())

    def since(self, revision: int) -> Sequence[Change] | None:
        """Events after a revision, as far as the cache has them."""
        if revision < self._cache.floor:
            return None
        return [
            (event.previous.object if event.previous is not None else None, None if event.type == DELETED else event.entry.object)
            for event in self._cache.since(revision)
        ]


def role_feeds(caches: Caches) -> Feeds:
    """Feeds of Roles, RoleBindings, ClusterRoles and ClusterRoleBindings."""
    return feeds_of(caches, KINDS)


def feeds_of(caches: Caches, kinds: Iterable[type[Any]]) -> Feeds:
    """Those of these kinds that are served at this API level. Their caches must be loaded before anything is decided by them."""
    return {kind: CacheFeed(caches.peek(resource_of(kind))) for kind in kinds if caches.catalogue.by_kind(*kind.GVK) is not None}
