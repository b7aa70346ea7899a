"""FlowSchema: which requests belong to which priority level."""

from __future__ import annotations

from pilothouse.api.core.columns import NONE
from pilothouse.api.core.validation.fields import named
from pilothouse.api.types.flowcontrol_v1 import FlowSchema
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import AGE, STATUS, Column, Resource

PRECEDENCE, LOWEST_PRECEDENCE = 1000, 10000


def _missing(one: FlowSchema) -> str:
    return next((condition.status for condition in one.status.conditions if condition.type == "Dangling"), "?")


FLOWSCHEMA = Resource(
    FlowSchema,
    plural="flowschemas",
    namespaced=False,
    subresources=(STATUS,),
    columns=(
        Column("PriorityLevel", lambda one: one.spec.priorityLevelConfiguration.name),
        Column("MatchingPrecedence", lambda one: one.spec.matchingPrecedence or 0),
        Column("DistinguisherMethod", lambda one: one.spec.distinguisherMethod.type if one.spec.distinguisherMethod else NONE),
        AGE,
        Column("MissingPL", _missing, description="references a broken or non-existent PriorityLevelConfiguration"),
    ),
    reset_fields={"status": ("metadata", "spec")},
)


@FLOWSCHEMA.default
def default(one: FlowSchema) -> None:
    one.spec.matchingPrecedence = one.spec.matchingPrecedence or PRECEDENCE


@FLOWSCHEMA.validate
def validate(one: FlowSchema, problems: Problems) -> None:
    here, precedence = problems.at("spec"), one.spec.matchingPrecedence or 0
    if precedence < 0:
        here.at("matchingPrecedence").invalid(precedence, "must be a positive value")
    if precedence > LOWEST_PRECEDENCE:
        here.at("matchingPrecedence").invalid(precedence, f"must not be greater than {LOWEST_PRECEDENCE}")
    named(one.spec.priorityLevelConfiguration.name, here, "priorityLevelConfiguration", "name")
