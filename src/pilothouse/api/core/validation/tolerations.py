"""Rules of taints and tolerations."""

from __future__ import annotations

from pilothouse.api.core.validation.fields import report
from pilothouse.api.core.validation.remembered import remembering
from pilothouse.api.internal import internal
from pilothouse.api.types.core_v1 import Taint, Toleration
from pilothouse.machinery import names
from pilothouse.machinery.problems import Problem, Problems, quoted

EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")


@remembering
def validate_tolerations(tolerations: list[Toleration], problems: Problems) -> None:
    """Rules of tolerations. Equal lists are checked once. Upstream: ValidateTolerations."""
    for index, toleration in enumerate(tolerations):
        here = problems.at(index)
        if toleration.key:
            report(names.qualified_name(toleration.key), toleration.key, here, "key")
        elif toleration.operator != "Exists":
            here.at("operator").invalid(
                toleration.operator, 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
            )
        if toleration.tolerationSeconds is not None and toleration.effect != "NoExecute":
            here.at("effect").invalid(toleration.effect, "effect must be 'NoExecute' when `tolerationSeconds` is set")
        _validate_operator(toleration, here.at("operator"))
        if toleration.effect and toleration.effect not in EFFECTS:
            here.at("effect").not_supported(toleration.effect, EFFECTS)


def _validate_operator(toleration: Toleration, problems: Problems) -> None:
    if toleration.operator in ("", "Equal"):
        messages = names.label_value(toleration.value)
        if messages:
            problems.invalid(toleration.value, ";".join(messages))
    elif toleration.operator == "Exists":
        if toleration.value:
            problems.invalid(toleration.value, "value must be empty when `operator` is 'Exists'")
    else:
        problems.not_supported(toleration.operator, ("Equal", "Exists"))


def validate_taints(taints: list[Taint], problems: Problems) -> None:
    """Rules of a Node's taints, unique by key and effect. Upstream: validateNodeTaints."""
    seen: set[tuple[str, str]] = set()
    for index, taint in enumerate(taints):
        here = problems.at(index)
        report(names.qualified_name(taint.key), taint.key, here, "key")
        messages = names.label_value(taint.value)
        if messages:
            here.at("value").invalid(taint.value, ";".join(messages))
        if not taint.effect:
            here.at("effect").required()
        elif taint.effect not in EFFECTS:
            here.at("effect").not_supported(taint.effect, EFFECTS)
        if (taint.key, taint.effect) in seen:
            message = f"Duplicate value: {quoted(internal(taint, 'core.Taint'))}: taints must be unique by key and effect pair"
            here.found.append(Problem(here.path, "FieldValueDuplicate", message))
        seen.add((taint.key, taint.effect))
