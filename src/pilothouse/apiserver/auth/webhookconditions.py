"""CEL of authorization webhooks: which questions are put to them at all (upstream: apiserver/pkg/authorization/cel)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from pilothouse.api.expressions.admission import TEXTS, type_text
from pilothouse.cel import kubernetes
from pilothouse.cel.environment import Environment, Program, ProgramError
from pilothouse.cel.errors import CompileError, EvaluationError
from pilothouse.cel.types import BOOL, STRING, list_of, map_of, object_type
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.quoting import aggregate

MOST = 64
REQUIREMENT = object_type("kubernetes.SelectorRequirement", {"key": STRING, "operator": STRING, "values": TEXTS})
SELECTOR = {"rawSelector": STRING, "requirements": list_of(REQUIREMENT)}
RESOURCE = object_type(
    "kubernetes.ResourceAttributes",
    {
        **dict.fromkeys(("namespace", "verb", "group", "version", "resource", "subresource", "name"), STRING),
        "fieldSelector": object_type("kubernetes.FieldSelectorAttributes", SELECTOR),
        "labelSelector": object_type("kubernetes.LabelSelectorAttributes", SELECTOR),
    },
)
REQUEST = object_type(
    "kubernetes.SubjectAccessReviewSpec",
    {
        "resourceAttributes": RESOURCE,
        "nonResourceAttributes": object_type("kubernetes.NonResourceAttributes", {"path": STRING, "verb": STRING}),
        "user": STRING,
        "groups": TEXTS,
        "extra": map_of(STRING, TEXTS),
        "uid": STRING,
    },
)
STRINGS = ("namespace", "verb", "group", "version", "resource", "subresource", "name")


class ConditionError(Exception):
    """Conditions of which one has no value, and none is false."""


@cache
def _environment() -> Environment:
    return kubernetes.stored_expressions().extended({"request": REQUEST})


def compile_conditions(expressions: Sequence[str], problems: Problems) -> list[Program]:
    """The programs of a webhook's conditions; what is wrong with them is reported."""
    if len(expressions) > MOST:
        problems.too_many(len(expressions), MOST)
        return []
    programs = []
    for index, expression in enumerate(expressions):
        at = problems.at(index, "expression")
        if not expression.strip():
            at.required()
        elif expression in expressions[:index]:
            at.duplicate(expression)
        elif (program := _program(expression, at)) is not None:
            programs.append(program)
    return programs


def _program(expression: str, problems: Problems) -> Program | None:
    try:
        program = _environment().compile(expression)
    except ProgramError as error:
        problems.internal(f"program instantiation failed: {error}")
        return None
    except CompileError as error:
        problems.invalid(expression, f"compilation failed: {error}")
        return None
    if program.output_type != BOOL:
        problems.invalid(expression, f"must evaluate to bool but got {type_text(program.output_type)}")
        return None
    return program


def match(programs: Sequence[Program], spec: Mapping[str, Any]) -> bool:
    """Whether all conditions hold for the spec of a SubjectAccessReview. ConditionError when one has no value, and none is false."""
    request = {"groups": [], "extra": {}, "uid": "", **spec}
    if (resource := spec.get("resourceAttributes")) is not None:
        request["resourceAttributes"] = {**dict.fromkeys(STRINGS, ""), **resource}
    errors = []
    for program in programs:
        try:
            if program.evaluate({"request": request}).value is False:
                return False
        except EvaluationError as error:
            errors.append(f"cel evaluation error: expression '{program.text}' resulted in error: {error}")
    if errors:
        raise ConditionError(aggregate(errors))
    return True
