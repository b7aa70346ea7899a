"""Evaluation of x-kubernetes-validations: budgets, transition rules, messages, ratcheting.

- Each evaluation has a budget, and all of an object's together; what is spent is upstream's cost.
- A rule with oldSelf is run where the schema tells which old value belongs to a new one; a failure of any other rule is dropped where
  nothing changed (KEP-4008).
- Fields are visited in the order of their names.

Upstream: validation.go of apiextensions-apiserver pkg/apiserver/schema/cel.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pilothouse.api.apiextensions.rules.programs import OLD_SELF, SELF, Compiler, Rule
from pilothouse.cel import kubernetes
from pilothouse.cel import schema as cel_schema
from pilothouse.cel.errors import COST_LIMIT, EvaluationError
from pilothouse.cel.escaping import escape
from pilothouse.cel.limits import MAX_MESSAGE_BYTES, PER_CALL_LIMIT, RUNTIME_BUDGET
from pilothouse.cel.types import ObjectType, Type
from pilothouse.cel.values import NONE, Optional
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.quoting import go_quoted
from pilothouse.machinery.structural import StructuralSchema
from pilothouse.machinery.structural.correlating import Correlation, map_key
from pilothouse.machinery.structural.failures import ROOT
from pilothouse.machinery.structural.schema import MAP_TYPE, Node, has_rules

SKIPPED = "some validation rules were not checked because the object was invalid; correct the existing errors to complete validation"
BLOCKING = frozenset({"FieldValueNotSupported", "FieldValueRequired", "FieldValueTooLong", "FieldValueTooMany", "FieldValueTypeInvalid"})
OUT_OF_BUDGET = "validation failed due to running out of cost budget, no further validation rules will be run"
MESSAGE_OUT_OF_BUDGET = "messageExpression evaluation failed due to running out of cost budget, no further validation rules will be run"
CORRELATABLE_MAPS = (None, "granular", "atomic")


class RuleSet:
    """The rules of a kind's schema; compiled when the first object comes."""

    def __init__(self, schema: StructuralSchema) -> None:
        self._schema = schema

    @cached_property
    def _tree(self) -> _Rules | None:
        root = self._schema.root
        return _rules(root, cel_schema.declared(root.data, True, "selfType")) if self._schema.has_rules else None

    def validate(self, value: dict[str, Any], problems: Problems, old: dict[str, Any] | None = None) -> None:
        """Run the rules on a whole object, apiVersion, kind and metadata in it. They are skipped after problems that make a value unfit."""
        if self._tree is None:
            return
        if any(problem.reason in BLOCKING for problem in problems.found):
            Problems(ROOT, problems.found).invalid(None, SKIPPED)
            return
        correlation = Correlation(value, old, self._schema.root) if old is not None else None
        _Run(problems, RUNTIME_BUDGET).validate(self._tree, "", value, old, _Ratchet(correlation))


def check_default(node: Node, default: Any, problems: Problems, is_resource: bool) -> None:
    """Check that a default satisfies the rules of its schema, as the old and the new value."""
    if not has_rules(node):
        return
    tree = _rules(node, cel_schema.declared(node.data, is_resource or node.embedded, "selfType"))
    if tree is None:
        return
    before = len(problems.found)
    for old in (default, None):
        if len(problems.found) == before:
            _Run(problems, RUNTIME_BUDGET).validate(tree, problems.path, default, old, _Ratchet(None))


@dataclass(slots=True)
class _Rules:
    """The rules of a schema and of those below it."""

    node: Node
    type: Type | None
    rules: list[Rule]
    fields: dict[str, _Rules]
    items: _Rules | None
    additional: _Rules | None

    @property
    def kind(self) -> str:
        """The schema's type, which messages show instead of a value."""
        return self.node.type


def _rules(node: Node, type_: Type | None) -> _Rules | None:
    """The rules of a schema and below it; None where there are none."""
    if not has_rules(node):
        return None
    element = type_.element if type_ is not None and node.type in ("array", "object") and not isinstance(type_, ObjectType) else None
    fields: dict[str, _Rules] = {}
    for name, child in node.properties.items():
        below = _field_type(child, name, type_)
        if below is not None and (made := _rules(child, below)) is not None:
            fields[name] = made
    items = _rules(node.items, element) if node.items is not None else None
    additional = _rules(node.additional, element) if node.additional is not None else None
    compiler = Compiler(kubernetes.stored_expressions(), type_) if type_ is not None else None
    compiled = [compiler.rule(rule, node.data) for rule in node.rules] if compiler is not None else []
    return _Rules(node, type_, compiled, fields, items, additional)


def _field_type(child: Node, name: str, parent: Type | None) -> Type | None:
    identifier = escape(name)
    if identifier is None:
        return cel_schema.declared(child.data, child.embedded, "selfType")
    return parent.fields.get(identifier) if isinstance(parent, ObjectType) else None


@dataclass(slots=True)
class _Ratchet:
    """The old value that belongs to a place, or else to the nearest place above."""

    here: Correlation | None
    above: Correlation | None = None

    def field(self, name: str) -> _Ratchet:
        if self.here is None:
            return self
        if self.above is None and name in ("apiVersion", "kind"):
            return _Ratchet(None)
        return _Ratchet(self.here.field(name), self.here)

    def item(self, index: int) -> _Ratchet:
        return self if self.here is None else _Ratchet(self.here.item(index), self.here)

    def drops(self) -> bool:
        """Whether nothing changed here, so that failures are dropped."""
        nearest = self.here or self.above
        return nearest is not None and nearest.equal()


class _Stop(Exception):
    """The budget is spent: no rule is run any more."""


@dataclass(slots=True)
class _Run:
    """One run over an object: what is left of its budget, and where problems go."""

    problems: Problems
    budget: int
    _stopped: bool = field(default=False)

    def validate(self, rules: _Rules, path: str, value: Any, old: Any, ratchet: _Ratchet) -> None:
        """Run the rules of a place and of all below it."""
        try:
            self._validate(rules, path, value, old, ratchet)
        except _Stop:
            self._stopped = True

    def _validate(self, rules: _Rules, path: str, value: Any, old: Any, ratchet: _Ratchet) -> None:
        if value is None:
            return
        if rules.rules:
            self._expressions(rules, path, value, old, ratchet)
        if value.__class__ is list and rules.items is not None:
            self._list(rules, rules.items, path, value, old, ratchet)
        elif value.__class__ is dict:
            self._map(rules, path, value, old if old.__class__ is dict else {}, ratchet)

    def _list(self, rules: _Rules, items: _Rules, path: str, value: list[Any], old: Any, ratchet: _Ratchet) -> None:
        known: dict[Any, Any] = {}
        keys = rules.node.list_keys
        if rules.node.list_type == "map" and old.__class__ is list:
            for item in old:
                if (key := map_key(item, keys)) is not None:
                    known.setdefault(key, item)
        for index, item in enumerate(value):
            before = known.get(map_key(item, keys)) if known else None
            self._validate(items, f"{path}[{index}]", item, before, ratchet.item(index))

    def _map(self, rules: _Rules, path: str, value: dict[str, Any], old: Mapping[str, Any], ratchet: _Ratchet) -> None:
        correlatable = rules.node.data.get(MAP_TYPE) in CORRELATABLE_MAPS
        if rules.additional is not None:
            for name in sorted(value):
                before = old.get(name) if correlatable else None
                self._validate(rules.additional, f"{path}[{name}]", value[name], before, ratchet.field(name))
        for name in sorted(rules.fields.keys() & value.keys()):
            before = old.get(name) if correlatable else None
            below = f"{path}.{name}" if path else name
            self._validate(rules.fields[name], below, value[name], before, ratchet.field(name))

    def _expressions(self, rules: _Rules, path: str, value: Any, old: Any, ratchet: _Ratchet) -> None:
        here = Problems(path or ROOT, self.problems.found)
        if self.budget <= 0:
            here.invalid(rules.kind, OUT_OF_BUDGET)
            raise _Stop
        for rule in rules.rules:
            if rule.problem:
                here.invalid(rules.kind, f"rule compile error: {rule.problem}")
            elif rule.program is not None and not (rule.uses_old and old is None and not rule.old_is_optional):
                self._rule(rule, rules, path, value, self._activation(rule, rules, value, old), ratchet)

    def _activation(self, rule: Rule, rules: _Rules, value: Any, old: Any) -> dict[str, Any]:
        activation: dict[str, Any] = {SELF: value}
        if not rule.uses_old:
            return activation
        if not rule.old_is_optional:
            activation[OLD_SELF] = old
        elif old is None:
            activation[OLD_SELF] = NONE
        else:
            convert = rules.type.convert if rules.type is not None else None
            activation[OLD_SELF] = Optional.of(convert(old) if convert is not None else old)
        return activation

    def _rule(self, rule: Rule, rules: _Rules, path: str, value: Any, activation: dict[str, Any], ratchet: _Ratchet) -> None:
        assert rule.program is not None
        here = Problems(path or ROOT, self.problems.found)
        error: EvaluationError | None = None
        try:
            result = rule.program.evaluate(activation, budget=PER_CALL_LIMIT)
            cost, holds = result.cost, result.value is True
        except EvaluationError as failed:
            error, cost, holds = failed, failed.cost, False
        if cost > self.budget:
            here.invalid(rules.kind, OUT_OF_BUDGET)
            raise _Stop
        self.budget -= cost
        if error is not None:
            self._failed(error, rule, rules, here)
        elif not holds:
            self._broken(rule, rules, path, value, activation, ratchet)

    def _failed(self, error: EvaluationError, rule: Rule, rules: _Rules, here: Problems) -> None:
        """Report a rule that could not be evaluated."""
        text = str(error)
        if text.startswith("no such overload"):
            words = f"'{text}': call arguments did not match a supported operator, function or macro signature for rule: {rule.shown}"
            here.invalid(rules.kind, words)
        elif text.startswith(COST_LIMIT):
            here.invalid(
                rules.kind, f"'{text}': no further validation rules will be run due to call cost exceeds limit for rule: {rule.shown}"
            )
            raise _Stop
        else:
            here.invalid(rules.kind, f"{text} evaluating rule: {rule.shown}")

    def _broken(self, rule: Rule, rules: _Rules, path: str, value: Any, activation: dict[str, Any], ratchet: _Ratchet) -> None:
        """Report a rule that does not hold."""
        place = f"{path}.{rule.path}" if path and rule.path else path or rule.path or ROOT
        drops = not rule.uses_old and ratchet.drops()
        here = Problems(place, [] if drops else self.problems.found)
        detail = self._message(rule, rules, activation, here) or _default_message(rule)
        reason, is_whole = rule.data.get("reason"), rules.kind in ("object", "array")
        if reason == "FieldValueForbidden":
            here.forbidden(detail)
        elif reason == "FieldValueRequired":
            here.required(detail)
        elif reason == "FieldValueDuplicate":
            here.duplicated() if is_whole else here.duplicate(value)
        elif is_whole:
            here.wrong(detail)
        else:
            here.invalid(value, detail)

    def _message(self, rule: Rule, rules: _Rules, activation: dict[str, Any], here: Problems) -> str:
        """What the message expression says; "" where it says nothing fit, and the rule's own message is told."""
        if rule.message is None:
            return ""
        expression = rule.data.get("messageExpression") or ""
        error: EvaluationError | None = None
        said: Any = None
        try:
            result = rule.message.evaluate(activation, budget=PER_CALL_LIMIT)
            cost, said = result.cost, result.value
        except EvaluationError as failed:
            error, cost = failed, failed.cost
        if cost > self.budget:
            here.invalid(rules.kind, MESSAGE_OUT_OF_BUDGET)
            raise _Stop
        if error is not None and str(error).startswith(COST_LIMIT):
            words = f"no further validation rules will be run due to call cost exceeds limit for messageExpression: {go_quoted(expression)}"
            here.invalid(rules.kind, words)
            raise _Stop
        self.budget -= cost
        text = said.strip() if isinstance(said, str) else ""
        return "" if len(text.encode()) > MAX_MESSAGE_BYTES or "\n" in text else text


def _default_message(rule: Rule) -> str:
    message = rule.data.get("message") or ""
    return message.strip() if message else f"failed rule: {rule.shown}"
