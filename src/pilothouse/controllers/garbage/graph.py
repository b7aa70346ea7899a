"""The graph of owners and dependents, by uid.

- Fed with every change of every object; gives the uids that are worth a look: `deletable` (may have lost its owners, or waits for its
  dependents) and `orphaning` (its dependents are to be let go before it is).
- An owner that is named but not known is a virtual node until it shows or turns out to be absent: a cache may be behind.
- An owner that is known to be in another namespace than its dependent is told (`elsewhere`): such a reference owns nothing.
- Holds nothing of an object but its identity, its owners and what its finalizers say.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, field
from typing import Any

from pilothouse.machinery.meta_v1 import ObjectMeta, OwnerReference

ORPHAN = "orphan"
FOREGROUND = "foregroundDeletion"


@dataclass(slots=True, eq=False)
class Node:
    """One object. `kind` is its struct class; None for an owner of a kind that is not served."""

    uid: str
    kind: type[Any] | None
    namespace: str
    name: str
    owners: list[OwnerReference] = field(default_factory=list)
    dependents: dict[str, Node] = field(default_factory=dict)
    deleting: bool = False
    deleting_dependents: bool = False
    orphaning: bool = False
    virtual: bool = False

    def is_named_by(self, reference: OwnerReference) -> bool:
        """Whether a reference that bears its uid also says its group, kind and name."""
        if self.kind is None:
            return True
        group, _, kind = self.kind.GVK
        return bool((group, kind, self.name) == (reference.apiVersion.rpartition("/")[0], reference.kind, reference.name))

    def blocks(self, owner_uid: str) -> bool:
        """It holds up the foreground deletion of that owner."""
        return any(owner.uid == owner_uid and owner.blockOwnerDeletion for owner in self.owners)


Note = Callable[[str], None]
Mismatch = Callable[["Node", OwnerReference], None]
KindOf = Callable[[OwnerReference], type[Any] | None]
IsNamespaced = Callable[[type[Any]], bool]


class Graph:
    """Owners and dependents by uid, kept current by events."""

    def __init__(
        self, kind_of: KindOf, is_namespaced: IsNamespaced, deletable: Note, orphaning: Note, elsewhere: Mismatch = lambda node, owner: None
    ) -> None:
        self.nodes: dict[str, Node] = {}
        self._kind_of = kind_of
        self._is_namespaced = is_namespaced
        self._deletable = deletable
        self._orphaning = orphaning
        self._elsewhere = elsewhere

    def observe(self, type_: str, old: Any, new: Any) -> None:
        """A change of an object, as informers tell it."""
        if new is None:
            self.gone(old.metadata.uid)
            return
        if old is not None and old.metadata.uid != new.metadata.uid:
            self.gone(old.metadata.uid)
        elif old is not None and self._knows(new.metadata.uid) and _say_the_same(old.metadata, new.metadata):
            return  # a renewal, a status: most changes are no matter of owners
        self._put(new)

    def _knows(self, uid: str) -> bool:
        node = self.nodes.get(uid)
        return node is not None and not node.virtual

    def gone(self, uid: str) -> None:
        """The object is no more: its dependents may be garbage, and an owner may have waited for it."""
        node = self.nodes.pop(uid, None)
        if node is None:
            return
        node.dependents.pop(uid, None)  # an object that owns itself is not its own survivor
        for reference in node.owners:
            owner = self.nodes.get(reference.uid)
            if owner is not None:
                owner.dependents.pop(uid, None)
                self._forget_if_needless(owner)
                if owner.deleting_dependents:
                    self._deletable(owner.uid)
        for dependent in [*node.dependents.values()]:
            self._deletable(dependent.uid)
        if node.dependents:  # they still name it: a virtual node keeps who they are until they let go
            node.virtual, node.owners, node.deleting_dependents, node.orphaning = True, [], False, False
            self.nodes[uid] = node

    def _put(self, obj: Any) -> None:
        meta = obj.metadata
        node = self.nodes.get(meta.uid)
        if node is None:
            node = self.nodes[meta.uid] = Node(meta.uid, type(obj), meta.namespace, meta.name)
        before_owners = {owner.uid for owner in node.owners}
        shown = node.virtual
        node.kind, node.namespace, node.name, node.virtual = type(obj), meta.namespace, meta.name, False
        fresh = self._set_owners(node, meta.ownerReferences)
        self._check_namespaces(node, before_owners, shown=shown)
        before = node.deleting_dependents, node.orphaning
        node.deleting = bool(meta.deletionTimestamp)
        node.deleting_dependents = node.deleting and FOREGROUND in meta.finalizers
        node.orphaning = node.deleting and ORPHAN in meta.finalizers
        if node.orphaning and not before[1]:
            self._orphaning(node.uid)
        if node.deleting_dependents and not before[0]:
            self._deletable(node.uid)
            for dependent in node.dependents.values():
                self._deletable(dependent.uid)
        if fresh and self._may_be_garbage(node):
            self._deletable(node.uid)

    def _set_owners(self, node: Node, owners: list[OwnerReference]) -> bool:
        """Keep both ends of the edges; True when an owner was named that was not before."""
        before = {owner.uid: owner for owner in node.owners}
        now = {owner.uid: owner for owner in owners}
        node.owners = [*owners]
        for uid, reference in before.items():
            owner = self.nodes.get(uid)
            if owner is None:
                continue
            lost = uid not in now
            if lost:
                owner.dependents.pop(node.uid, None)
                self._forget_if_needless(owner)
            if owner.deleting_dependents and (lost or (reference.blockOwnerDeletion and not now[uid].blockOwnerDeletion)):
                self._deletable(uid)
        for reference in now.values():
            self._owner(reference, node).dependents[node.uid] = node
        return any(uid not in before for uid in now)

    def _check_namespaces(self, node: Node, before: Container[str], *, shown: bool) -> None:
        """Tell of references across namespaces: of this object to its owners, and to it where it has only now `shown`."""
        for reference in node.owners:
            owner = self.nodes[reference.uid]
            if reference.uid not in before and not owner.virtual:
                self._check(node, owner)
        for dependent in [*node.dependents.values()] if shown else ():
            self._check(dependent, node)
            if any(reference.uid == node.uid and not node.is_named_by(reference) for reference in dependent.owners):
                self._deletable(dependent.uid)

    def _check(self, node: Node, owner: Node) -> None:
        if owner.namespace and owner.namespace != node.namespace:
            self._elsewhere(node, next(reference for reference in node.owners if reference.uid == owner.uid))
            self._deletable(node.uid)

    def _owner(self, reference: OwnerReference, dependent: Node) -> Node:
        owner = self.nodes.get(reference.uid)
        if owner is None:
            kind = self._kind_of(reference)
            namespace = dependent.namespace if kind is not None and self._is_namespaced(kind) else ""
            owner = self.nodes[reference.uid] = Node(reference.uid, kind, namespace, reference.name, virtual=True)
        return owner

    def _may_be_garbage(self, node: Node) -> bool:
        """An owner is unknown, another than the reference says, or on its way out with its dependents."""
        owners = [(self.nodes[reference.uid], reference) for reference in node.owners]
        return any(owner.virtual or owner.deleting_dependents or not owner.is_named_by(reference) for owner, reference in owners)

    def _forget_if_needless(self, node: Node) -> None:
        if node.virtual and not node.dependents:
            self.nodes.pop(node.uid, None)

    def dependents(self, uid: str) -> list[Node]:
        """The nodes that name this uid as an owner."""
        node = self.nodes.get(uid)
        return [*node.dependents.values()] if node else []

    def blocking(self, uid: str) -> list[Node]:
        """The dependents that hold up a foreground deletion."""
        return [dependent for dependent in self.dependents(uid) if dependent.blocks(uid)]


def _say_the_same(before: ObjectMeta, after: ObjectMeta) -> bool:
    """Whether two states of an object are the same to the graph."""
    return (
        before.ownerReferences == after.ownerReferences
        and before.deletionTimestamp == after.deletionTimestamp
        and before.finalizers == after.finalizers
    )


@dataclass(slots=True)
class Owners:
    """The owners of an object by what has become of them."""

    solid: list[OwnerReference] = field(default_factory=list)
    dangling: list[OwnerReference] = field(default_factory=list)
    waiting: list[OwnerReference] = field(default_factory=list)
    """In foreground deletion: there until their blocking dependents are gone."""


def without(references: Iterable[OwnerReference], uids: Iterable[str]) -> list[OwnerReference]:
    """The references whose uid is none of these."""
    gone = {*uids}
    return [reference for reference in references if reference.uid not in gone]
