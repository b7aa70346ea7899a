"""Conditions in a status, by type.

Upstream: `meta.FindStatusCondition` and `meta.IsStatusConditionTrue` of apimachinery, and the same functions written once more for each
kind. Setting a condition is the kind's own: which times move, and what counts as no change, differs.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeVar


class Condition(Protocol):
    """Fields that conditions of every kind have."""

    type: str
    status: str
    """True, False or Unknown."""


C = TypeVar("C", bound=Condition)


def find_condition(conditions: Iterable[C] | None, type: str) -> C | None:
    """The condition of this type; None where there is none."""
    for condition in conditions or ():  # a loop, not a generator: controllers ask this for every Pod in every plan
        if condition.type == type:
            return condition
    return None


def is_condition_true(conditions: Iterable[Condition] | None, type: str) -> bool:
    """Whether the condition of this type is there with status True."""
    condition = find_condition(conditions, type)
    return condition is not None and condition.status == "True"
