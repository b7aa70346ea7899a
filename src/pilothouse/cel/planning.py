"""Planner: compiles the checked tree to closures, one `Run` for each node.

As in cel-go, constants are computed once when the program is made (literals of constants, conversions of constants, membership in a list
of constants) and cost nothing at run time; a chain of selections is one attribute.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pilothouse.cel import attributes, calls, closures, folds, types
from pilothouse.cel.attributes import Attribute, Qualifier
from pilothouse.cel.frames import UNSET, Frame, Run
from pilothouse.cel.macros import NOT_STRICTLY_FALSE
from pilothouse.cel.scopes import Names
from pilothouse.cel.syntax import (
    Call,
    Comprehension,
    Expression,
    Identifier,
    ListLiteral,
    Literal,
    MapLiteral,
    Select,
    StructLiteral,
)
from pilothouse.cel.types import ObjectType, Type

MAP_INSERT = "cel.@mapInsert"
REGEXES = frozenset(("matches", "find", "findAll"))
"""Functions whose second argument cel-go compiles when it is constant; its arguments are then evaluated in order."""
IN_ORDER = frozenset(("format",))
"""Functions of two arguments that are always evaluated in order."""
CONVERSIONS = frozenset(("bool", "bytes", "double", "duration", "dyn", "int", "string", "timestamp", "type", "uint"))
_EXACT = frozenset((types.STRING_KIND, types.INT_KIND, types.BOOL_KIND))
_NO_FRAME = Frame({}, (), 0, 1 << 62, None)


class Plan:
    """Compiled node. `constant` is its value if constant (UNSET otherwise), `attribute` the attribute that selections extend."""

    __slots__ = ("_run", "attribute", "constant")

    def __init__(self, run: Run | None, constant: Any = UNSET, attribute: Attribute | None = None) -> None:
        self._run = run
        self.constant = constant
        self.attribute = attribute

    @property
    def run(self) -> Run:
        """The closure; that of an attribute is made when nothing more is selected from it."""
        if self._run is None:
            assert self.attribute is not None
            self._run = self.attribute.run()
        return self._run


def constant(value: Any) -> Plan:
    """A value that is known already."""
    return Plan(lambda frame: value, value)


Local = tuple[Run, "tuple[str, int] | None"]
"""How to get a variable of a comprehension, and its place in a frame if it has one from the start."""


class Planner:
    """Makes the closures of one program. Afterwards `variables` and `slots` say what a frame needs."""

    def __init__(self, names: Names) -> None:
        self.variables: list[tuple[str, Type]] = []
        self.slots = 0
        self._names = names
        self._indexes: dict[str, int] = {}
        self._locals: list[dict[str, Local]] = []

    def plan(self, node: Expression) -> Plan:
        """The plan of any node."""
        if isinstance(node, Call):
            return _SPECIAL.get(node.function, Planner.call)(self, node)
        return _PLANS[type(node)](self, node)

    def _run(self, node: Expression) -> Run:
        return self.plan(node).run

    def _attribute(self, attribute: Attribute) -> Plan:
        return Plan(None, attribute=attribute)

    def literal(self, node: Literal) -> Plan:
        """A constant."""
        return constant(node.value)

    def identifier(self, node: Expression) -> Plan:
        """A variable, or a name that stands for a constant or a type."""
        reference = node.reference
        assert reference is not None
        if reference.is_constant:
            return constant(reference.value)
        local = None if isinstance(node, Identifier) and node.name.startswith(".") else self._local(reference.name)
        if local is not None:
            return self._attribute(Attribute(local[0], place=local[1]))
        index = self._index(reference.name)
        return self._attribute(Attribute(closures.variable(index), place=("values", index)))

    def _local(self, name: str) -> Local | None:
        for scope in reversed(self._locals):
            if name in scope:
                return scope[name]
        return None

    def _index(self, name: str) -> int:
        if name not in self._indexes:
            self._indexes[name] = len(self.variables)
            self.variables.append((name, self._names.variables[name]))
        return self._indexes[name]

    def _extended(self, operand: Plan, qualifier: Qualifier) -> Plan:
        attribute = operand.attribute or Attribute(operand.run)
        attribute.add(qualifier)
        if qualifier.test_only:
            run = attribute.resolve()
            return Plan(run if attribute.condition is None else closures.discounted(run))
        return self._attribute(attribute)

    def select(self, node: Select) -> Plan:
        """A field, its presence, or a qualified name."""
        if node.reference is not None:
            return self.identifier(node)
        return self._extended(self.plan(node.operand), _field(node.operand.type, node.field_name, test_only=node.test_only))

    # Calls.

    def call(self, node: Call) -> Plan:
        """A call, an operator or an index."""
        assert node.reference is not None
        function, overloads = self._names.functions[node.function], node.reference.overloads
        operands = node.arguments if node.target is None else [node.target, *node.arguments]
        plans = [self.plan(operand) for operand in operands]
        if function.prepare is not None:
            function.prepare([plan.constant for plan in plans])
        call = calls.implementation(function, overloads, [operand.type for operand in operands])
        cost = calls.cost_of(function, overloads)
        second = plans[-1].constant if len(plans) == 2 else UNSET
        in_order = node.function in IN_ORDER or (second is not UNSET and node.function in REGEXES)
        run = calls.call_of(call, [plan.run for plan in plans], cost, second, in_order=in_order)
        if node.function in CONVERSIONS and len(plans) == 1 and plans[0].constant is not UNSET:
            return constant(run(_NO_FRAME))
        return Plan(run)

    def logic(self, node: Call) -> Plan:
        """`&&` and `||`: the second operand is asked only when the first does not decide, and an error counts only then."""
        return Plan(closures.logic(self._run(node.arguments[0]), self._run(node.arguments[1]), decisive=node.function == "_||_"))

    def conditional(self, node: Call) -> Plan:
        """`?:`, an attribute with two branches."""
        condition = self.plan(node.arguments[0])
        first = self.plan(node.arguments[1])
        second = self.plan(node.arguments[2])
        branches = first.attribute or Attribute(first.run), second.attribute or Attribute(second.run)
        return self._attribute(Attribute(None, condition=condition.run, branches=branches))

    def equal(self, node: Call) -> Plan:
        """`==` and `!=`."""
        left, right = node.arguments
        exact = left.type.kind in _EXACT and left.type == right.type and not left.type.nullable
        first, second, negated = self.plan(left), self.plan(right), node.function == "_!=_"
        if exact and second.constant is not UNSET:
            return Plan(calls.equality_to(first.run, second.constant, negated=negated))
        return Plan(calls.equality(first.run, second.run, exact=exact, negated=negated))

    def index(self, node: Call) -> Plan:
        """`a[b]`, `a[?b]`, `a.?b`."""
        operand, index = [self.plan(argument) for argument in node.arguments]
        optional = node.function != "_[_]"
        if index.constant is not UNSET:
            if node.function == "_?._":
                return self._extended(operand, _field(node.arguments[0].type, index.constant, optional=True))
            attributes.check_key(index.constant)
            return self._extended(operand, Qualifier(index.constant, optional=optional))
        dynamic = index.attribute.resolve() if index.attribute is not None else index.run
        return self._extended(operand, Qualifier(dynamic=dynamic, optional=optional))

    def membership(self, node: Call) -> Plan:
        """`in`: a list of constants is looked up as a set, which costs nothing."""
        collection = self.plan(node.arguments[1])
        values = collection.constant
        assert node.reference is not None
        if values is UNSET or len(node.reference.overloads) != 1 or node.reference.overloads[0].id != "in_list":
            return self._membership_of(node, collection)
        if not values:
            return constant(False)
        members = closures.member_set(values)
        return (
            Plan(closures.in_set(self._run(node.arguments[0]), members)) if members is not None else self._membership_of(node, collection)
        )

    def _membership_of(self, node: Call, collection: Plan) -> Plan:
        assert node.reference is not None
        function = self._names.functions[node.function]
        overloads = node.reference.overloads
        call = calls.implementation(function, overloads, [argument.type for argument in node.arguments])
        return Plan(calls.call_of(call, [self._run(node.arguments[0]), collection.run], calls.cost_of(function, overloads)))

    def alternative(self, node: Call) -> Plan:
        """`or` and `orValue` of optionals: the other one is asked only when the first has no value."""
        assert node.target is not None
        return Plan(closures.alternative(self._run(node.target), self._run(node.arguments[0]), unwrap=node.function == "orValue"))

    # Aggregates.

    def list(self, node: ListLiteral) -> Plan:
        """A list; a constant when its elements are."""
        plans = [self.plan(element) for element in node.elements]
        run = closures.list_literal([plan.run for plan in plans], node.optional)
        return constant(run(_NO_FRAME)) if all(plan.constant is not UNSET for plan in plans) else Plan(run)

    def map(self, node: MapLiteral) -> Plan:
        """A map; a constant when keys and values are."""
        keys = [self.plan(entry.key) for entry in node.entries]
        values = [self.plan(entry.value) for entry in node.entries]
        entries = [(key.run, value.run, entry.optional) for key, value, entry in zip(keys, values, node.entries, strict=True)]
        run = closures.map_literal(entries)
        return constant(run(_NO_FRAME)) if all(plan.constant is not UNSET for plan in (*keys, *values)) else Plan(run)

    def struct(self, node: StructLiteral) -> Plan:
        """An object."""
        assert isinstance(node.type, ObjectType)
        fields = [(entry.key, self._run(entry.value), entry.optional) for entry in node.entries]
        return Plan(closures.struct_literal(node.type, fields))

    # Comprehensions.

    def comprehension(self, node: Comprehension) -> Plan:
        """A fold, by the form of its parts."""
        range_ = self._run(node.range)
        initial = self.plan(node.initial)
        first, second, slot = self._new_slot(), self._new_slot() if node.variable2 else -1, self._new_slot()
        loop = folds.Loop(range_, first, second)
        variables = {node.variable: _local(first)} | ({node.variable2: _local(second)} if node.variable2 else {})
        self._locals += [{node.accumulator: (closures.accumulator(slot, initial.run), None)}, variables]
        run = self._special(node, loop, initial)
        if run is None:
            condition, step = self._run(node.condition), self._run(node.step)
            self._locals.pop()
            run = folds.general(loop, slot, condition, step, self._run(node.result))
        else:
            self._locals.pop()
        self._locals.pop()
        return Plan(run)

    def _new_slot(self) -> int:
        self.slots += 1
        return self.slots - 1

    def _special(self, node: Comprehension, loop: folds.Loop, initial: Plan) -> Run | None:
        step = node.step
        if not isinstance(step, Call):
            return None
        accumulates = _is_name(step.arguments[0] if step.arguments else step, node.accumulator)
        if step.function in ("_&&_", "_||_") and accumulates and _is_quantifier(node, step.function):
            return folds.quantifier(loop, self._run(step.arguments[1]), until=step.function == "_||_")
        if not isinstance(node.condition, Literal) or node.condition.value is not True:
            return None
        only, inner = (step.arguments[0], step.arguments[1]) if step.function == "_?_:_" else (None, step)
        if only is not None and not _is_name(step.arguments[2], node.accumulator):
            return None
        if not isinstance(inner, Call) or not inner.arguments or not _is_name(inner.arguments[0], node.accumulator):
            return None
        if initial.constant == 0 and only is not None and _counts(inner) and _is_one(node):
            return folds.exactly_one(loop, self._run(only))
        if not _is_name(node.result, node.accumulator) or initial.constant not in ([], {}):
            return None
        add = self._adding(inner)
        if add is None:
            return None
        return folds.collecting(loop, None if only is None else self._run(only), type(initial.constant), add)

    def _adding(self, step: Call) -> Callable[[Frame, Any], None] | None:
        item = step.arguments[1]
        if step.function == "_+_" and isinstance(item, ListLiteral) and len(item.elements) == 1 and not item.optional:
            plan = self.plan(item.elements[0])
            return folds.adding_item(plan.run, constant=plan.constant is not UNSET)
        if step.function == MAP_INSERT:
            return closures.map_insertion([self._run(argument) for argument in step.arguments[1:]])
        return None


def _is_name(node: Expression, name: str) -> bool:
    return isinstance(node, Identifier) and node.name == name


def _is_quantifier(node: Comprehension, function: str) -> bool:
    """Whether condition, initial value and result are those that `all` and `exists` expand to."""
    condition = node.condition
    if not isinstance(condition, Call) or condition.function != NOT_STRICTLY_FALSE or not _is_name(node.result, node.accumulator):
        return False
    tested = condition.arguments[0]
    if function == "_||_":
        if not isinstance(tested, Call) or tested.function != "!_":
            return False
        tested = tested.arguments[0]
    return isinstance(node.initial, Literal) and node.initial.value is (function == "_&&_") and _is_name(tested, node.accumulator)


def _counts(step: Call) -> bool:
    return step.function == "_+_" and isinstance(step.arguments[1], Literal) and step.arguments[1].value == 1


def _is_one(node: Comprehension) -> bool:
    result = node.result
    return isinstance(result, Call) and result.function == "_==_" and _is_name(result.arguments[0], node.accumulator)


def _field(operand: Type, name: str, *, optional: bool = False, test_only: bool = False) -> Qualifier:
    """A selection by name: the property's name in JSON, and how its values are converted."""
    target = operand.element if types.is_optional(operand) else operand
    if isinstance(target, ObjectType):
        declared = target.field_type(name)
        convert = None if declared is None else declared.convert
        return Qualifier(target.properties.get(name, name), None, convert, optional, test_only, of_object=True, name=name)
    return Qualifier(name, optional=optional, test_only=test_only)


def _local(slot: int) -> Local:
    return (lambda frame: frame.locals[slot]), ("locals", slot)


_PLANS: dict[type, Callable[[Planner, Any], Plan]] = {
    **{Literal: Planner.literal, Identifier: Planner.identifier, Select: Planner.select, Call: Planner.call},
    **{ListLiteral: Planner.list, MapLiteral: Planner.map, StructLiteral: Planner.struct, Comprehension: Planner.comprehension},
}
_SPECIAL: dict[str, Callable[[Planner, Call], Plan]] = {
    **dict.fromkeys(("_&&_", "_||_"), Planner.logic),
    **dict.fromkeys(("_==_", "_!=_"), Planner.equal),
    **dict.fromkeys(("_[_]", "_[?_]", "_?._"), Planner.index),
    **dict.fromkeys(("or", "orValue"), Planner.alternative),
    **{"_?_:_": Planner.conditional, "@in": Planner.membership},
}
