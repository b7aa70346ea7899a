"""Creating and repairing the default FlowSchemas and PriorityLevelConfigurations. Pure.

Pure; upstream decides the same in pkg/registry/flowcontrol/ensurer:

- Who is missing is made; mandatory objects have their specs, suggested ones as long as AUTO_UPDATE says "true".
- An object without that annotation that was never changed (generation 1) is updated; a changed one is its administrator's.
- What bears the annotation "true" and is no default (any more) is removed.
- A FlowSchema says in its condition Dangling whether its priority level is there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pilothouse.api.types.flowcontrol_v1 import FlowSchema, FlowSchemaCondition, PriorityLevelConfiguration
from pilothouse.apiserver.fairness.defaults import AUTO_UPDATE, EXEMPT, MANDATORY
from pilothouse.machinery import strconv
from pilothouse.machinery.codec import clone
from pilothouse.machinery.conditions import find_condition

DANGLING = "Dangling"


@dataclass(frozen=True, slots=True)
class Step:
    """A write: of a whole object, or of the name of one that goes."""

    verb: Literal["create", "update", "delete"]
    object: Any


def changes(current: Mapping[str, Any], defaults: Sequence[Any]) -> Iterator[Step]:
    """The writes that are missing; `current` are the objects of the kind of `defaults` by name."""
    wanted = {default.metadata.name for default in defaults}
    for default in defaults:
        there = current.get(default.metadata.name)
        if there is None:
            yield Step("create", default)
        elif (revised := revised_of(there, default)) is not None:
            yield Step("update", revised)
    for name, there in current.items():
        if name not in wanted and annotated(there) is True:
            yield Step("delete", there)


def revised_of(there: Any, default: Any) -> Any:
    """The object as it should be, a copy; None when it is so."""
    said = annotated(there)
    follows = there.metadata.name in MANDATORY or (there.metadata.generation == 1 if said is None else said)
    spec_changes = follows and not same_spec(default, there)
    if said == follows and not spec_changes:
        return None
    revised = clone(there)
    if spec_changes:
        revised.spec = clone(default).spec
    revised.metadata.annotations = {**revised.metadata.annotations, AUTO_UPDATE: "true" if follows else "false"}
    return revised


def annotated(there: Any) -> bool | None:
    """Value of the auto-update annotation; None when it is missing or invalid."""
    try:
        return strconv.parse_bool(there.metadata.annotations.get(AUTO_UPDATE, ""))
    except ValueError:
        return None


def same_spec(default: Any, there: Any) -> bool:
    """Whether a spec is the default one; the figures of the exempt priority level are free."""
    if isinstance(there, PriorityLevelConfiguration) and default.metadata.name == EXEMPT:
        return there.spec.type == default.spec.type and there.spec.exempt is not None and there.spec.limited is None
    return bool(there.spec == default.spec)


def dangling(schema: FlowSchema, levels: frozenset[str]) -> FlowSchemaCondition | None:
    """The condition that a schema should have, without a time; None when it has it."""
    wanted = condition_of(schema, is_dangling=schema.spec.priorityLevelConfiguration.name not in levels)
    said = find_condition(schema.status.conditions, DANGLING)
    if said is not None and (said.status, said.reason, said.message) == (wanted.status, wanted.reason, wanted.message):
        return None
    return wanted


def condition_of(schema: FlowSchema, *, is_dangling: bool) -> FlowSchemaCondition:
    """The condition of a schema whose priority level is missing, or there; without a time."""
    level = schema.spec.priorityLevelConfiguration.name
    status, reason, ending = ("True", "NotFound", "but there is no such object") if is_dangling else ("False", "Found", "and it exists")
    message = f'This FlowSchema references the PriorityLevelConfiguration object named "{level}" {ending}'
    return FlowSchemaCondition(type=DANGLING, status=status, reason=reason, message=message)
