"""Whether tolerations match taints: the one rule that the scheduler, the controllers and the kubelet share.

Names are upstream's (component-helpers/scheduling/corev1 and core/v1 Toleration.ToleratesTaint).
"""

from __future__ import annotations

from collections.abc import Sequence

from pilothouse.api.types.core_v1 import Taint, Toleration


def tolerates_taint(toleration: Toleration, taint: Taint) -> bool:
    """Whether the toleration matches the taint. An empty effect matches all effects; an empty key with Exists matches every taint."""
    if toleration.effect and toleration.effect != taint.effect:
        return False
    if toleration.key and toleration.key != taint.key:
        return False
    if toleration.operator == "Exists":
        return True
    return toleration.operator in ("", "Equal") and toleration.value == taint.value


def tolerations_tolerate_taint(tolerations: Sequence[Toleration], taint: Taint) -> bool:
    """Whether one of the tolerations matches the taint."""
    return any(tolerates_taint(toleration, taint) for toleration in tolerations)


def find_matching_untolerated_taint(tolerations: Sequence[Toleration], taints: Sequence[Taint], effects: Sequence[str]) -> Taint | None:
    """The first taint of one of the effects that no toleration matches, or None."""
    for taint in taints:
        if taint.effect in effects and not tolerations_tolerate_taint(tolerations, taint):
            return taint
    return None
