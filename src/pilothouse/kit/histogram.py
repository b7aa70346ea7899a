"""Histograms with labels: cheap to observe, formatted for Prometheus when read.

- The number of label sets is bounded: what is beyond the limit is counted under OTHER.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence

LABELS_LIMIT = 2_000
OTHER = "other"
Labels = tuple[str, ...]


class Histograms:
    """Histograms of one name. `bounds` are the upper bounds of the buckets, ascending."""

    def __init__(self, bounds: Sequence[float], labels: Sequence[str]) -> None:
        self.bounds = tuple(bounds)
        self.labels = tuple(labels)
        self._counts: dict[Labels, list[int]] = {}
        self._sums: dict[Labels, float] = {}

    def observe(self, labels: Labels, value: float) -> None:
        """Count one value."""
        counts = self._counts.get(labels)
        if counts is None:
            if len(self._counts) >= LABELS_LIMIT:
                labels = (OTHER,) * len(self.labels)
            counts = self._counts.setdefault(labels, [0] * (len(self.bounds) + 1))
        counts[bisect_left(self.bounds, value)] += 1
        self._sums[labels] = self._sums.get(labels, 0.0) + value

    def samples(self) -> Iterator[tuple[Labels, list[tuple[str, float]], float]]:
        """(labels, cumulative buckets with their bounds, sum) of each set of labels."""
        for labels, counts in list(self._counts.items()):
            yield labels, cumulative(self.bounds, counts), self._sums.get(labels, 0.0)

    def counts(self) -> Iterator[tuple[Labels, int]]:
        """Number of observations by labels."""
        for labels, counts in list(self._counts.items()):
            yield labels, sum(counts)


def cumulative(bounds: Sequence[float], counts: Sequence[int]) -> list[tuple[str, float]]:
    """Prometheus' form: each bucket counts all that is not above its bound."""
    names = [str(float(bound)) if bound % 1 else str(int(bound)) for bound in bounds] + ["+Inf"]
    buckets, total = [], 0
    for name, count in zip(names, counts, strict=True):
        total += count
        buckets.append((name, float(total)))
    return buckets
