"""Number of Pods by node that match a predicate, kept up to date by changes instead of recounting.

- Pods that are equal in namespace, labels and whether they terminate share one `LabelSet`: a predicate is asked once for each of these.
- Placed Pods that have the same affinity and anti-affinity terms share one `Affinities`: one column of counts, however many they are.
- A row is the place of a node in `NodeColumns`; this module knows rows only.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field

import msgspec
import numpy as np
from numpy.typing import NDArray

from pilothouse.api.types.core_v1 import Pod
from pilothouse.scheduler.facts import PodFacts

Ints = NDArray[np.int64]
PodPredicate = Callable[[Pod], bool]
"""Depends on a Pod's namespace, labels and deletionTimestamp alone."""

COLUMNS_LIMIT = 512
"""Predicates whose counts are kept; beyond that the least recently used is dropped."""
DEAD_LIMIT = 64
"""`Affinities` without Pods that `affinities_seen` may hold beside as many living ones, before the list is made anew."""

LabelKey = tuple[str, frozenset[tuple[str, str]], bool]


@dataclass(slots=True, eq=False)
class CountColumn:
    """Number of Pods on each row for which a predicate holds."""

    holds: PodPredicate
    counts: Ints


@dataclass(slots=True, eq=False)
class LabelSet:
    """Existing Pods with the same namespace and labels: their number by row, and the columns that count them."""

    example: Pod
    rows: dict[int, int] = field(default_factory=dict)
    columns: list[CountColumn] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Affinities:
    """Existing Pods with the same affinity terms: an example, and their number by row."""

    example: PodFacts
    counts: Ints
    total: int = 0


def has_pod_affinity(pod: Pod) -> bool:
    """Whether the Pod has pod affinity or pod anti-affinity."""
    affinity = pod.spec.affinity
    return affinity is not None and (affinity.podAffinity is not None or affinity.podAntiAffinity is not None)


def label_key(pod: Pod) -> LabelKey:
    """What a selector can see of a Pod: namespace, labels, and whether it is terminating."""
    meta = pod.metadata
    return meta.namespace, frozenset(meta.labels.items()), bool(meta.deletionTimestamp)


def affinity_key(pod: Pod) -> bytes:
    """A key that is equal for Pods whose affinity terms match the same Pods. Labels count only where matchLabelKeys name them."""
    affinity = pod.spec.affinity
    near, far = (affinity.podAffinity, affinity.podAntiAffinity) if affinity is not None else (None, None)
    terms = [
        term
        for group in (near, far)
        if group is not None
        for term in (
            *group.requiredDuringSchedulingIgnoredDuringExecution,
            *(weighted.podAffinityTerm for weighted in group.preferredDuringSchedulingIgnoredDuringExecution),
        )
    ]
    named = {key for term in terms for key in (*term.matchLabelKeys, *term.mismatchLabelKeys)}
    labels = {key: value for key, value in pod.metadata.labels.items() if key in named}
    return msgspec.json.encode((pod.metadata.namespace, labels, near, far), order="deterministic")


class PodCounts:
    """The counts of one `NodeColumns`."""

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._columns: dict[Hashable, CountColumn] = {}
        self._label_sets: dict[LabelKey, LabelSet] = {}
        self.affinities: dict[bytes, Affinities] = {}
        self.affinities_seen: list[Affinities] = []
        """Every `Affinities` in the order in which it came up; those that have no Pods left may be among them."""
        self.epoch = 0
        """Changes when `affinities_seen` is made anew; else that list only grows."""

    def matching(self, key: Hashable, holds: PodPredicate) -> Ints:
        """Number of Pods by row for which `holds` is true; equal keys must mean equal predicates. Do not change the result."""
        column = self._columns.pop(key, None)
        if column is None:
            column = self._counted(holds)
            if len(self._columns) >= COLUMNS_LIMIT:
                self._drop(next(iter(self._columns)))
        self._columns[key] = column  # the least recently asked for comes first
        return column.counts

    def change(self, row: int, facts: PodFacts, sign: int) -> None:
        """Count a Pod on a row (1), or no longer (-1)."""
        self._change_labels(row, facts.pod, sign)
        if has_pod_affinity(facts.pod):
            self._change_affinities(row, facts, sign)

    def grow(self, rows: int) -> None:
        """Make room for more rows."""
        self._rows = rows
        every: list[CountColumn | Affinities] = [*self._columns.values(), *self.affinities_seen]
        for counted in every:
            counted.counts = np.concatenate((counted.counts, np.zeros(rows - len(counted.counts), np.int64)))

    def _change_labels(self, row: int, pod: Pod, sign: int) -> None:
        key = label_key(pod)
        label_set = self._label_sets.get(key)
        if label_set is None:
            label_set = self._label_sets[key] = LabelSet(pod)
            label_set.columns = [column for column in self._columns.values() if column.holds(pod)]
        for column in label_set.columns:
            column.counts[row] += sign
        left = label_set.rows.get(row, 0) + sign
        if left:
            label_set.rows[row] = left
        else:
            del label_set.rows[row]
            if not label_set.rows:
                del self._label_sets[key]

    def _change_affinities(self, row: int, facts: PodFacts, sign: int) -> None:
        key = affinity_key(facts.pod)
        group = self.affinities.get(key)
        if group is None:
            group = self.affinities[key] = Affinities(facts, np.zeros(self._rows, np.int64))
            self.affinities_seen.append(group)
        group.counts[row] += sign
        group.total += sign
        if not group.total:
            del self.affinities[key]
            if len(self.affinities_seen) > 2 * len(self.affinities) + DEAD_LIMIT:
                self.affinities_seen = list(self.affinities.values())
                self.epoch += 1

    def _counted(self, holds: PodPredicate) -> CountColumn:
        column = CountColumn(holds, np.zeros(self._rows, np.int64))
        for label_set in self._label_sets.values():
            if holds(label_set.example):
                label_set.columns.append(column)
                add(column.counts, label_set.rows)
        return column

    def _drop(self, key: Hashable) -> None:
        column = self._columns.pop(key)
        for label_set in self._label_sets.values():
            if column in label_set.columns:
                label_set.columns.remove(column)


def add(counts: Ints, rows: Mapping[int, int]) -> None:
    """Add `rows` to the counts of each row."""
    counts[np.fromiter(rows.keys(), np.int64, len(rows))] += np.fromiter(rows.values(), np.int64, len(rows))


def by_affinities(pods: Iterable[PodFacts]) -> dict[bytes, list[PodFacts]]:
    """Pods that have affinity terms, grouped by equal terms."""
    groups: dict[bytes, list[PodFacts]] = {}
    for facts in pods:
        if has_pod_affinity(facts.pod):
            groups.setdefault(affinity_key(facts.pod), []).append(facts)
    return groups
