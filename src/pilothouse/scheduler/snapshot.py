"""The nodes as columns: one row a node, one array a fact, so that a filter is a mask and a score a vector.

- Updated by deltas (a node, a Pod), never rebuilt; a delta costs the same in a cluster of any size.
- Facts with few distinct values (taints, labels) are interned: a plugin judges each distinct value once.
- A free row is not `alive`; its other columns are zero. Rows of deleted nodes are reused.
- `window(row)` is a private copy of one row, to ask "what if" (preemption) or to judge again one changed node.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from pilothouse.api.types.core_v1 import Node, Taint
from pilothouse.scheduler.facts import CPU, MEMORY, PODS, PodFacts, amount
from pilothouse.scheduler.podcounts import Ints, PodCounts, PodPredicate

Mask = NDArray[np.bool_]

Column = TypeVar("Column", bound=np.generic)

CHANGES_LIMIT = 1024
"""Changed rows that are remembered one by one; whoever is further behind must look at all rows."""
TaintKey = tuple[tuple[str, str, str], ...]


@dataclass(slots=True)
class LabelColumn:
    """The values of one label key: `ids[row]` is an index into `values`, or -1 where the node has no such label."""

    ids: NDArray[np.int32]
    values: list[str] = field(default_factory=list)
    index: dict[str, int] = field(default_factory=dict)

    def intern(self, value: str | None) -> int:
        """The id of a value, new when it was not seen before; -1 for None."""
        if value is None:
            return -1
        if value not in self.index:
            self.index[value] = len(self.values)
            self.values.append(value)
        return self.index[value]

    def where(self, wanted: Callable[[str], bool]) -> Mask:
        """The rows that have the label with a value that is wanted; asks once for each distinct value."""
        hits = np.array([*(wanted(value) for value in self.values), False], dtype=np.bool_)
        return hits[self.ids]  # -1 takes the last entry


class NodeColumns:
    """All nodes of the cluster, as columns. Read by plugins; changed only through the methods below."""

    def __init__(self, capacity: int = 16) -> None:
        self.resources: list[str] = [CPU, MEMORY, PODS, "ephemeral-storage"]
        self.column: dict[str, int] = {name: place for place, name in enumerate(self.resources)}
        self.names: list[str] = [""] * capacity
        self.objects: list[Node | None] = [None] * capacity
        self.pods: list[dict[str, PodFacts]] = [{} for _ in range(capacity)]
        self.rows: dict[str, int] = {}
        self.alive: Mask = np.zeros(capacity, np.bool_)
        self.unschedulable: Mask = np.zeros(capacity, np.bool_)
        self.taint_set: NDArray[np.int32] = np.zeros(capacity, np.int32)
        self.allocatable: Ints = np.zeros((capacity, len(self.resources)), np.int64)
        self.requested: Ints = np.zeros((capacity, len(self.resources)), np.int64)
        self.nonzero: Ints = np.zeros((capacity, 2), np.int64)
        self.taint_sets: list[list[Taint]] = [[]]
        self.images: dict[str, dict[str, int]] = {}
        self.ports: dict[tuple[str, int], dict[str, dict[str, int]]] = {}
        self.total = 0
        self.structure = 0
        self.changes: list[int] = []
        self.waiting: dict[str, dict[str, PodFacts]] = {}
        self.claims: dict[tuple[str, str], int] = {}
        """How many placed Pods name a PersistentVolumeClaim, by its namespace and name; in a window, how many more than in the whole."""
        self.nominated: dict[str, dict[str, PodFacts]] = {}
        """Pods without a node for which room is being cleared, by that node's name and their UID."""
        self._taint_index: dict[TaintKey, int] = {(): 0}
        self._labels: dict[str, LabelColumn] = {}
        self.counts = PodCounts(capacity)
        self.scratch: dict[str, Any] = {}
        """For plugins: what they keep of these columns, by their name."""
        self._all_nodes: NodeColumns | None = None
        self._row = 0
        self._free = list(range(capacity))[::-1]

    # Reading

    def label(self, key: str) -> LabelColumn:
        """The column of a label key; made when first asked for, kept up to date from then on."""
        if key not in self._labels:
            column = LabelColumn(np.full(len(self.names), -1, np.int32))
            for row, node in enumerate(self.objects):
                if node is not None:
                    column.ids[row] = column.intern(node.metadata.labels.get(key))
            self._labels[key] = column
        return self._labels[key]

    def window(self, row: int) -> NodeColumns:
        """One row by itself, as a copy that may be changed freely."""
        window = NodeColumns(1)
        window.resources, window.column, window.taint_sets = self.resources, self.column, self.taint_sets
        window.names, window.objects, window.pods = [self.names[row]], [self.objects[row]], [dict(self.pods[row])]
        window.rows = {self.names[row]: 0}
        for name in ("alive", "unschedulable", "taint_set", "allocatable", "requested", "nonzero"):
            setattr(window, name, getattr(self, name)[row : row + 1].copy())
        window.images, window.total = self.images, self.total
        window._all_nodes, window._row = self, row
        for facts in window.pods[0].values():
            window._take_ports(0, facts, 1)
        return window

    @property
    def all_nodes(self) -> NodeColumns:
        """All nodes: these columns, or for a window those that it was cut from. For plugins that look beyond a node."""
        return self._all_nodes or self

    def cut(self, column: NDArray[Column]) -> NDArray[Column]:
        """Of a column over `whole`, what concerns these rows."""
        return column if self._all_nodes is None else column[self._row : self._row + 1]

    def pods_matching(self, key: Hashable, holds: PodPredicate) -> Ints:
        """Of each row of `whole`, how many Pods `holds` is true for; equal keys must mean equal predicates. Do not change it.

        In a window its own row counts as it is there, the others as they are in the whole.
        """
        if self._all_nodes is None:
            return self.counts.matching(key, holds)
        counts = self._all_nodes.counts.matching(key, holds).copy()
        counts[self._row] = sum(1 for facts in self.pods[0].values() if holds(facts.pod))
        return counts

    def overlaid(self, counts: Ints, own: int) -> Ints:
        """Counts over `whole`; in a window with `own` for its row."""
        if self._all_nodes is None or counts[self._row] == own:
            return counts
        counts = counts.copy()
        counts[self._row] = own
        return counts

    def only_here(self, own: int) -> Ints:
        """Counts over `whole` of what is nowhere but in the row of this window."""
        return self.overlaid(np.zeros(len(self.all_nodes.names), np.int64), own)

    def users_of_claim(self, key: tuple[str, str]) -> int:
        """How many placed Pods name this PersistentVolumeClaim; in a window its own row counts as it is there."""
        changed = self.claims.get(key, 0)
        return changed if self._all_nodes is None else changed + self._all_nodes.claims.get(key, 0)

    # Deltas

    def set_node(self, node: Node) -> None:
        """A node is new or changed."""
        name = node.metadata.name
        row = self.rows.get(name)
        if row is None:
            row = self._take_row(name)
        old = self.objects[row]
        self.objects[row] = node
        self.structure += 1
        self.unschedulable[row] = bool(node.spec.unschedulable)
        self.taint_set[row] = self._taints(node.spec.taints)
        for key, column in self._labels.items():
            column.ids[row] = column.intern(node.metadata.labels.get(key))
        self.allocatable[row] = 0
        for resource, value in (node.status.allocatable or node.status.capacity).items():
            place = self._resource(resource)  # may widen the arrays: before the row is looked up
            self.allocatable[row, place] = amount(resource, value)
        if old is None or old.status.images != node.status.images:
            self._set_images(name, old, node)
        for facts in self.waiting.pop(name, {}).values():
            self.add_pod(name, facts)

    def remove_node(self, name: str) -> None:
        """A node is gone; its Pods, if any, wait for a node of that name."""
        row = self.rows.get(name)
        if row is None:
            return
        left = dict(self.pods[row])
        for facts in left.values():
            self.remove_pod(name, facts)
        del self.rows[name]
        if left:
            self.waiting[name] = left
        self._set_images(name, self.objects[row], None)
        self.names[row], self.objects[row] = "", None
        self.alive[row] = self.unschedulable[row] = False
        self.taint_set[row] = 0
        self.allocatable[row] = 0
        for column in self._labels.values():
            column.ids[row] = -1
        self.total -= 1
        self.structure += 1
        self._free.append(row)

    def add_pod(self, node_name: str, facts: PodFacts) -> None:
        """A Pod takes its place on a node (by binding, or by our assuming it)."""
        row = self.rows.get(node_name)
        if row is None:
            self.waiting.setdefault(node_name, {})[facts.uid] = facts
        elif facts.uid not in self.pods[row]:
            self.pods[row][facts.uid] = facts
            self._account(row, facts, 1)

    def remove_pod(self, node_name: str, facts: PodFacts) -> None:
        """A Pod has left its node; what was accounted for it then is given back."""
        row = self.rows.get(node_name)
        known = None if row is None else self.pods[row].pop(facts.uid, None)
        if row is not None and known is not None:
            self._account(row, known, -1)
        elif node_name in self.waiting:
            self.waiting[node_name].pop(facts.uid, None)
            if not self.waiting[node_name]:
                del self.waiting[node_name]

    def nominate(self, facts: PodFacts, node_name: str) -> None:
        """Room on a node is being cleared for this Pod; an empty name: no longer."""
        for name in [name for name, waiting in self.nominated.items() if facts.uid in waiting]:
            del self.nominated[name][facts.uid]
            if not self.nominated[name]:
                del self.nominated[name]
        if node_name:
            self.nominated.setdefault(node_name, {})[facts.uid] = facts

    def nominated_before(self, pod: PodFacts, node_name: str) -> list[PodFacts]:
        """The others for which room on a node is being cleared and that do not yield to this Pod."""
        waiting = self.nominated.get(node_name, {})
        return [other for other in waiting.values() if other.uid != pod.uid and other.priority >= pod.priority]

    # Inside

    def _account(self, row: int, facts: PodFacts, sign: int) -> None:
        for resource, value in facts.requests.items():
            place = self._resource(resource)
            self.requested[row, place] += sign * value
        self.requested[row, self.column[PODS]] += sign
        self.nonzero[row, 0] += sign * facts.nonzero[0]
        self.nonzero[row, 1] += sign * facts.nonzero[1]
        self._take_ports(row, facts, sign)
        self._take_claims(facts, sign)
        if self._all_nodes is None:
            self.counts.change(row, facts, sign)
        self._changed(row)

    def _take_claims(self, facts: PodFacts, sign: int) -> None:
        for key in facts.claims:
            users = self.claims.get(key, 0) + sign
            if users:
                self.claims[key] = users
            else:
                del self.claims[key]

    def _take_ports(self, row: int, facts: PodFacts, sign: int) -> None:
        name = self.names[row]
        for address, protocol, port in facts.host_ports:
            by_node = self.ports.setdefault((protocol, port), {})
            taken = by_node.setdefault(name, {})
            taken[address] = taken.get(address, 0) + sign
            if taken[address] <= 0:
                del taken[address]
            if not taken:
                del by_node[name]
            if not by_node:
                del self.ports[protocol, port]

    def _changed(self, row: int) -> None:
        self.changes.append(row)
        if len(self.changes) > CHANGES_LIMIT:
            self.changes.clear()
            self.structure += 1

    def _taints(self, taints: list[Taint]) -> int:
        key = tuple((taint.key, taint.value, taint.effect) for taint in taints)
        if key not in self._taint_index:
            self._taint_index[key] = len(self.taint_sets)
            self.taint_sets.append(list(taints))
        return self._taint_index[key]

    def _set_images(self, name: str, old: Node | None, node: Node | None) -> None:
        for image in old.status.images if old else ():
            for alias in image.names or ():
                holders = self.images.get(alias, {})
                holders.pop(name, None)
                if not holders:
                    self.images.pop(alias, None)
        for image in node.status.images if node else ():
            for alias in image.names or ():
                self.images.setdefault(alias, {})[name] = image.sizeBytes or 0

    def _resource(self, name: str) -> int:
        place = self.column.get(name)
        if place is None:
            place = self.column[name] = len(self.resources)
            self.resources.append(name)
            empty = np.zeros((len(self.names), 1), np.int64)
            self.allocatable = np.hstack((self.allocatable, empty))
            self.requested = np.hstack((self.requested, empty))
            self.structure += 1
        return place

    def _take_row(self, name: str) -> int:
        if not self._free:
            self._grow()
        row = self._free.pop()
        self.names[row], self.rows[name] = name, row
        self.alive[row] = True
        self.total += 1
        return row

    def _grow(self) -> None:
        old = len(self.names)
        self.names += [""] * old
        self.objects += [None] * old
        self.pods += [{} for _ in range(old)]
        for name in ("alive", "unschedulable", "taint_set", "allocatable", "requested", "nonzero"):
            column = getattr(self, name)
            setattr(self, name, np.concatenate((column, np.zeros_like(column))))
        self.counts.grow(2 * old)
        for labels in self._labels.values():
            labels.ids = np.concatenate((labels.ids, np.full(old, -1, np.int32)))
        self._free += range(2 * old - 1, old - 1, -1)
