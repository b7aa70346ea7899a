"""Compiling of x-kubernetes-validations when a definition is written, with errors and cost limits.

Costs are static: of one evaluation at most, times how often the schema can stand in an object (its cardinality).

Upstream: apiextensions-apiserver pkg/apis/apiextensions/validation (cel_validation.go, and what validation.go does with compiled rules).
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import msgspec

from pilothouse.api.apiextensions.internal import ordered, shown_rule, spec_of
from pilothouse.api.apiextensions.rules import running
from pilothouse.api.apiextensions.rules.programs import Compiler
from pilothouse.api.apiextensions.schemas import Context, has
from pilothouse.api.types.apiextensions_v1 import CustomResourceDefinition
from pilothouse.cel import kubernetes
from pilothouse.cel import schema as cel_schema
from pilothouse.cel.environment import Environment
from pilothouse.cel.limits import STATIC_DEFINITION_LIMIT, STATIC_LIMIT
from pilothouse.cel.types import Type
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.structural.schema import EMBEDDED, RULES, Node

MOST = (1 << 64) - 1
TOLD = 4
"""How many rules are told to cost most."""
ADVICE = "(try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)"
CONTRIBUTED = "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema"
NO_TYPE = (
    "internal error: failed to construct type information for x-kubernetes-validations rules: "
    "unable to convert structural schema to CEL declarations"
)

Schema = Mapping[str, Any]


class Definition:
    """The rules of one definition; `stored` are the expressions that it already had. It is what `validation.Rules` asks for."""

    def __init__(self, stored: frozenset[str] = frozenset()) -> None:
        self.stored = stored

    def context(self, schema: dict[str, Any], *, any_cost: bool) -> Context:
        """The context of a resource's schema; `any_cost` where the schema did not change."""
        return SchemaContext(schema, Costs(any_cost), self.stored)

    def check_default(self, node: Node, default: Any, problems: Problems, is_resource: bool) -> None:
        """Report the rules of a schema that its own default breaks."""
        running.check_default(node, default, problems, is_resource)

    def total(self, context: Context, problems: Problems) -> None:
        """Report where the rules of a schema together cost too much."""
        assert isinstance(context, SchemaContext)
        context.costs.report(problems)


def expressions_of(definition: CustomResourceDefinition) -> frozenset[str]:
    """Every rule and message expression of a definition."""
    expressions: set[str] = set()

    def look(schema: Schema) -> bool:
        for rule in schema.get(RULES) or ():
            expressions.update(rule[name] for name in ("rule", "messageExpression") if rule.get(name))
        return False

    for schema in spec_of(definition).schemas():
        has(schema, look)
    return frozenset(expressions)


class Costs:
    """Total cost of a schema's rules, and the most expensive ones."""

    def __init__(self, any_cost: bool) -> None:
        self.any_cost, self.total = any_cost, 0
        self._expensive: list[tuple[int, str]] = []

    def add(self, path: str, cost: int) -> None:
        """Count an expression at its path."""
        self.total = min(self.total + cost, MOST)
        if cost >= STATIC_DEFINITION_LIMIT // 100:
            self._expensive.append((cost, path))
            self._expensive.sort(key=lambda entry: -entry[0])
            del self._expensive[TOLD:]

    def report(self, problems: Problems) -> None:
        """Report a total beyond the limit, after the expressions that contributed most."""
        if self.total <= STATIC_DEFINITION_LIMIT:
            return
        for _, path in self._expensive:
            Problems(path, problems.found).forbidden(CONTRIBUTED)
        what = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema"
        problems.forbidden(too_expensive(what, self.total, STATIC_DEFINITION_LIMIT))


def too_expensive(what: str, cost: int, limit: int) -> str:
    """Message about a cost that exceeds its limit."""
    factor = cost / limit
    shown = "more than 100x" if factor > 100 else f"{factor:.6f}x" if factor < 1.5 else f"{factor:.1f}x"
    return f"{what} exceeds budget by factor of {shown} {ADVICE}"


def times(cost: int, cardinality: int) -> int:
    """A product that stops at the largest unsigned integer."""
    return min(cost * cardinality, MOST)


class SchemaContext:
    """Type of a schema, and how often it can occur in an object (None: unbounded)."""

    def __init__(
        self, schema: Schema, costs: Costs, stored: frozenset[str], parent: SchemaContext | None = None, step: str | None = ""
    ) -> None:
        self.schema, self.costs, self.stored = schema, costs, stored
        self._parent = parent
        self.cardinality: int | None = 1
        if parent is not None:
            within = _most_below(parent.schema)
            known = parent.cardinality
            self.cardinality = None if known is None or within is None else times(known, within)

    def below(self, schema: Schema) -> SchemaContext:
        """The context of a schema one step down."""
        return SchemaContext(schema, self.costs, self.stored, self)

    @cached_property
    def type(self) -> Type | None:
        """The type of values. Upstream names it by the time, so that no expression depends on the name."""
        number = zlib.crc32(msgspec.json.encode(self.schema)) % 1_000_000_000
        return cel_schema.declared(self.schema, self._is_resource, f"selfType{number}")

    def compile(self, problems: Problems, uncorrelatable: str | None) -> None:
        """Compile the schema's rules, report errors, and add their cost."""
        if self.type is None:
            problems.internal(NO_TYPE)
            return
        for index, data in enumerate(self.schema.get(RULES) or ()):
            self._compile(data, problems.at(index), uncorrelatable)

    def _compile(self, data: Mapping[str, Any], problems: Problems, uncorrelatable: str | None) -> None:
        assert self.type is not None
        compiler = Compiler(self._environment(data.get("rule") or ""), self.type)
        rule = compiler.rule(data, self.schema)
        at_rule, at_message = problems.at("rule"), problems.at("messageExpression")
        often = self.cardinality if self.cardinality is not None else cel_schema.max_cardinality(self.schema, self._is_resource)
        cost = times(rule.cost, often)
        self._count("estimated rule cost", cost, at_rule)
        if rule.problem:
            at_rule.invalid(ordered(shown_rule(data)), rule.problem)
        if rule.message_problem:
            at_message.invalid(ordered(shown_rule(data)), rule.message_problem)
        elif rule.message is not None:
            self._count("estimated messageExpression cost", rule.message_cost, at_message)
        if rule.uses_old:
            if uncorrelatable is not None:
                at_rule.invalid(data["rule"], f"oldSelf cannot be used on the uncorrelatable portion of the schema within {uncorrelatable}")
        elif data.get("optionalOldSelf") is not None:
            problems.at("optionalOldSelf").invalid(data["optionalOldSelf"], "may not be set if oldSelf is not used in rule")

    @property
    def _is_resource(self) -> bool:
        return self._parent is None or bool(self.schema.get(EMBEDDED))

    def _environment(self, expression: str) -> Environment:
        return kubernetes.stored_expressions() if expression in self.stored else kubernetes.new_expressions()

    def _count(self, what: str, cost: int, problems: Problems) -> None:
        if not self.costs.any_cost and cost > STATIC_LIMIT:
            problems.forbidden(too_expensive(what, cost, STATIC_LIMIT))
        self.costs.add(problems.path, cost)


def _most_below(schema: Schema) -> int | None:
    """How often a schema's parts can stand in it; None without bound."""
    if schema.get("type") == "object" and schema.get("additionalProperties") is not None:
        most = schema.get("maxProperties")
    elif schema.get("type") == "array":
        most = schema.get("maxItems")
    else:
        return 1
    return None if most is None else max(most, 0)
