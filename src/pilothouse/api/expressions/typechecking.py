"""Type checking of ValidatingAdmissionPolicies against the kinds that they match: what the status of a policy warns of.

- Only validations and their messages are checked, against at most MOST_KINDS kinds that the rules name without wildcards.
- A kind whose schema is not known is left out. Nothing that is found here changes what the policy does.

Upstream: policy/validating/typechecking.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pilothouse.api.expressions.admission import NAMESPACE, REQUEST, VARIABLES_NAME, declared_variable
from pilothouse.api.types.admissionregistration_v1 import ExpressionWarning, NamedRuleWithOperations, ValidatingAdmissionPolicy, Variable
from pilothouse.cel import kubernetes
from pilothouse.cel.environment import Environment
from pilothouse.cel.errors import CompileError
from pilothouse.cel.libraries.authz import AUTHORIZER
from pilothouse.cel.types import DYN, OBJECT_KIND, ObjectType, Type

MOST_KINDS = 10


class Kind(NamedTuple):
    """Group, version and kind."""

    group: str
    version: str
    kind: str

    def __str__(self) -> str:
        return f"{self.group}/{self.version}, Kind={self.kind}"


@dataclass(frozen=True, slots=True)
class Kinds:
    """The cluster's kinds: the kind of (group, version, plural), and the type of a kind; None when unknown."""

    of_plural: Callable[[str, str, str], Kind | None]
    type_of: Callable[[Kind], Type | None]


def check(policy: ValidatingAdmissionPolicy, kinds: Kinds) -> list[ExpressionWarning]:
    """The warnings for a policy's status."""
    environments = [(kind, _environment(policy, of, kinds)) for kind in kinds_of(policy, kinds) if (of := kinds.type_of(kind)) is not None]
    warnings: list[ExpressionWarning] = []
    for index, validation in enumerate(policy.spec.validations):
        for field in ("expression", "messageExpression"):
            expression = getattr(validation, field)
            issues = [
                f"{kind}: {issue}\n" for kind, environment in environments if expression and (issue := _issue(expression, environment))
            ]
            if issues:
                warnings.append(ExpressionWarning(fieldRef=f"spec.validations[{index}].{field}", warning="\n".join(issues)))
    return warnings


def kinds_of(policy: ValidatingAdmissionPolicy, kinds: Kinds) -> Sequence[Kind]:
    """The kinds that a policy's rules name, in order; MOST_KINDS at the most."""
    constraints = policy.spec.matchConstraints
    matching: set[Kind] = set()
    for rule in constraints.resourceRules if constraints is not None else ():
        for count, kind in enumerate(_named(rule, kinds), start=1):
            matching.add(kind)
            if count == MOST_KINDS:
                return sorted(matching)
    return sorted(matching)


def _named(rule: NamedRuleWithOperations, kinds: Kinds) -> Iterator[Kind]:
    if any("*" in text for text in (*rule.apiGroups, *rule.apiVersions)):
        return
    plurals = sorted(plural for plural in rule.resources if "*" not in plural and "/" not in plural)
    for group in sorted(rule.apiGroups):
        for version in sorted(rule.apiVersions):
            yield from filter(None, (kinds.of_plural(group, version, plural) for plural in plurals))


def _environment(policy: ValidatingAdmissionPolicy, of: Type, kinds: Kinds) -> Environment:
    """The names that the policy's expressions see when its object is of a type. What does not compile of its variables is dynamic."""
    variables: dict[str, Type] = {}
    declared: dict[str, Type] = {
        "namespaceObject": NAMESPACE,
        "request": REQUEST,
        "object": of,
        "oldObject": of,
        "authorizer": AUTHORIZER,
        "variables": ObjectType(OBJECT_KIND, VARIABLES_NAME, fields=variables),
    }
    param_kind = policy.spec.paramKind
    if param_kind is not None:
        group, _, version = param_kind.apiVersion.rpartition("/")
        declared["params"] = kinds.type_of(Kind(group, version, param_kind.kind)) or DYN
    environment = kubernetes.stored_expressions().extended(declared)
    _declare(policy.spec.variables, variables, environment)
    return environment


def _declare(listed: Iterable[Variable], variables: dict[str, Type], environment: Environment) -> None:
    for variable in listed:
        try:
            output: Type | None = environment.check(variable.expression).output_type
        except CompileError:
            output = None
        variables[variable.name] = declared_variable(output)


def _issue(expression: str, environment: Environment) -> str:
    try:
        environment.check(expression)
    except CompileError as error:
        return str(error)
    return ""
