"""FlowSchema: which requests belong to which priority level."""

from __future__ import annotations

from pilothouse.api.core.columns import NONE
from pilothouse.api.core.validation.fields import report
from pilothouse.api.flowcontrol.rules import validate_condition_types, validate_rules
from pilothouse.api.internal import internal
from pilothouse.api.types.flowcontrol_v1 import FlowSchema
from pilothouse.machinery import names
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import AGE, STATUS, Column, Resource
from pilothouse.machinery.strategy import METADATA, Strategy

METHODS = ("ByNamespace", "ByUser")
PRECEDENCE, LOWEST_PRECEDENCE = 1000, 10000


def _missing(flow_schema: FlowSchema) -> str:
    return next((condition.status for condition in flow_schema.status.conditions if condition.type == "Dangling"), "?")


FLOWSCHEMA = Resource(
    FlowSchema,
    plural="flowschemas",
    namespaced=False,
    subresources=(STATUS,),
    columns=(
        Column("PriorityLevel", lambda flow_schema: flow_schema.spec.priorityLevelConfiguration.name),
        Column("MatchingPrecedence", lambda flow_schema: flow_schema.spec.matchingPrecedence or 0),
        Column(
            "DistinguisherMethod",
            lambda flow_schema: flow_schema.spec.distinguisherMethod.type if flow_schema.spec.distinguisherMethod else NONE,
        ),
        AGE,
        Column("MissingPL", _missing, description="references a broken or non-existent PriorityLevelConfiguration"),
    ),
    reset_fields={"status": ("metadata", "spec")},
    strategy=Strategy(status_keeps=METADATA),
)


@FLOWSCHEMA.default
def default(flow_schema: FlowSchema) -> None:
    """Precedence 1000. Upstream: SetDefaults_FlowSchemaSpec."""
    flow_schema.spec.matchingPrecedence = flow_schema.spec.matchingPrecedence or PRECEDENCE


@FLOWSCHEMA.validate
def validate(flow_schema: FlowSchema, problems: Problems) -> None:
    """Precedence, distinguisher, priority level and rules. Upstream: ValidateFlowSchema."""
    spec, here = flow_schema.spec, problems.at("spec")
    precedence, where = spec.matchingPrecedence or 0, here.at("matchingPrecedence")
    if precedence <= 0:
        where.invalid(precedence, "must be a positive value")
    if precedence > LOWEST_PRECEDENCE:
        where.invalid(precedence, f"must not be greater than {LOWEST_PRECEDENCE}")
    if precedence == 1 and flow_schema.metadata.name != "exempt":
        where.invalid(precedence, "only the schema named 'exempt' may have matchingPrecedence 1")
    method = spec.distinguisherMethod
    if method is not None and method.type not in METHODS:
        here.at("distinguisherMethod", "type").not_supported(internal(method, "flowcontrol.FlowDistinguisherMethod"), METHODS)
    level = spec.priorityLevelConfiguration.name
    if level:
        report(names.dns_subdomain(level), level, here, "priorityLevelConfiguration", "name")
    else:
        here.at("priorityLevelConfiguration", "name").required("must reference a priority level")
    validate_rules(spec.rules, here.at("rules"))


@FLOWSCHEMA.validate_status
def validate_status(old: FlowSchema, new: FlowSchema, problems: Problems) -> None:
    """Condition types are unique. Upstream: ValidateFlowSchemaStatusUpdate."""
    validate_condition_types(new.status.conditions, problems.at("status", "conditions"))
