"""Rules of taints and tolerations."""

from __future__ import annotations

from pilothouse.api.core.validation.fields import report
from pilothouse.api.core.validation.remembered import remembering
from pilothouse.api.types.core_v1 import Taint, Toleration
from pilothouse.machinery import names
from pilothouse.machinery.problems import Problem, Problems, quoted

EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")


@remembering
def validate_tolerations(tolerations: list[Toleration], problems: Problems) -> None:
    for index, one in enumerate(tolerations):
        here = problems.at(index)
        if one.key:
            report(names.qualified_name(one.key), one.key, here, "key")
        elif one.operator != "Exists":
            here.at("operator").invalid(
                one.operator, 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
            )
        if one.tolerationSeconds is not None and one.effect != "NoExecute":
            here.at("effect").invalid(one.effect, "effect must be 'NoExecute' when `tolerationSeconds` is set")
        _validate_operator(one, here.at("operator"))
        if one.effect and one.effect not in EFFECTS:
            here.at("effect").not_supported(one.effect, EFFECTS)


def _validate_operator(one: Toleration, problems: Problems) -> None:
    if one.operator in ("", "Equal"):
        found = names.label_value(one.value)
        if found:
            problems.invalid(one.value, ";".join(found))
    elif one.operator == "Exists":
        if one.value:
            problems.invalid(one.value, "value must be empty when `operator` is 'Exists'")
    else:
        problems.not_supported(one.operator, ("Equal", "Exists"))


def validate_taints(taints: list[Taint], problems: Problems) -> None:
    seen: set[tuple[str, str]] = set()
    for index, one in enumerate(taints):
        here = problems.at(index)
        report(names.qualified_name(one.key), one.key, here, "key")
        found = names.label_value(one.value)
        if found:
            here.at("value").invalid(one.value, ";".join(found))
        if not one.effect:
            here.at("effect").required()
        elif one.effect not in EFFECTS:
            here.at("effect").not_supported(one.effect, EFFECTS)
        if (one.key, one.effect) in seen:
            message = f"Duplicate value: {quoted(one)}: taints must be unique by key and effect pair"
            here.found.append(Problem(here.path, "FieldValueDuplicate", message))
        seen.add((one.key, one.effect))
