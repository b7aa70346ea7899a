"""When a toleration answers a taint."""

from __future__ import annotations

from collections.abc import Sequence

from pilothouse.api.types.core_v1 import Taint, Toleration


def tolerates(tolerations: Sequence[Toleration], taint: Taint) -> bool:
    """Whether one of the tolerations matches the taint."""
    return any(answers(toleration, taint) for toleration in tolerations)


def answers(toleration: Toleration, taint: Taint) -> bool:
    """An empty effect answers all effects; an empty key with Exists answers everything."""
    if toleration.effect and toleration.effect != taint.effect:
        return False
    if toleration.key and toleration.key != taint.key:
        return False
    if toleration.operator == "Exists":
        return True
    return toleration.operator in ("", "Equal") and toleration.value == taint.value


def first_untolerated(tolerations: Sequence[Toleration], taints: Sequence[Taint], effects: Sequence[str]) -> Taint | None:
    """The first taint of one of the effects that nothing tolerates."""
    for taint in taints:
        if taint.effect in effects and not tolerates(tolerations, taint):
            return taint
    return None
