"""Topology domains over columns: nodes that share the value of a label, and how many Pods each domain holds."""

from __future__ import annotations

import numpy as np

from pilothouse.scheduler.podcounts import Ints
from pilothouse.scheduler.snapshot import LabelColumn, Mask


def per_domain(labels: LabelColumn, counts: Ints, counted: Mask) -> Ints:
    """The sum of `counts` over the counted rows of each domain, by the label's value ids; one more, zero, entry stands for "no label"."""
    rows = counted & (labels.ids >= 0)
    sums = np.bincount(labels.ids[rows], weights=counts[rows], minlength=len(labels.values))
    return np.append(sums.astype(np.int64), 0)


def on_rows(labels: LabelColumn, counts: Ints, counted: Mask) -> Ints:
    """For each row, the sum over its domain; zero where it has no such label."""
    spread: Ints = per_domain(labels, counts, counted)[labels.ids]
    return spread


def has_label(labels: LabelColumn) -> Mask:
    """The rows of nodes that have the label."""
    return labels.ids >= 0


def domains(labels: LabelColumn, rows: Mask) -> Ints:
    """The value ids that occur among these rows."""
    seen = np.bincount(labels.ids[rows & has_label(labels)], minlength=len(labels.values))
    return np.flatnonzero(seen)
