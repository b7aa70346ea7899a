"""The type checker: resolves names and overloads, infers types, reports everything that is wrong in cel-go's words.

It writes `type` and `reference` into the nodes of the tree that it is given.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pilothouse.cel import types
from pilothouse.cel.declarations import Function, Overload
from pilothouse.cel.errors import CompileError, Issue
from pilothouse.cel.scopes import Names, Resolved
from pilothouse.cel.syntax import (
    Call,
    Comprehension,
    Entry,
    Expression,
    Identifier,
    ListLiteral,
    Literal,
    MapLiteral,
    Reference,
    Select,
    StructLiteral,
    walk,
)
from pilothouse.cel.tokens import place
from pilothouse.cel.types import ObjectType, Type
from pilothouse.cel.unification import Substitution, is_dyn_or_error, most_general, substitute
from pilothouse.cel.values import type_of

OPTIONAL_SELECT = "_?._"
LOGIC = ("_&&_", "_||_")


@dataclass(frozen=True, slots=True)
class Checked:
    """A tree whose nodes have their types and references."""

    text: str
    expression: Expression

    @property
    def output_type(self) -> Type:
        """The type of the whole."""
        return self.expression.type


def check(text: str, tree: Expression, names: Names) -> Checked:
    """The tree with types, or CompileError with everything that does not fit."""
    checker = _Checker(text, names)
    checker.check(tree)
    checker.finish(tree)
    if checker.issues:
        raise CompileError(text, checker.issues)
    return Checked(text, tree)


class _Checker:
    def __init__(self, text: str, names: Names) -> None:
        self.issues: list[Issue] = []
        self._text = text
        self._names = names
        self._known = Substitution()
        self._locals: list[dict[str, Type]] = []
        self._free = 0

    def report(self, node: Expression | Entry, message: str) -> None:
        """Note a problem at the place of a node."""
        line, column = place(self._text, node.offset)
        self.issues.append(Issue(line, column, message))

    def mismatch(self, node: Expression, expected: Type, actual: Type) -> None:
        """Note that a node has another type than it must have."""
        self.report(node, f"expected type '{expected}' but found '{actual}'")

    def check(self, node: Expression) -> None:
        """Give a node, and all below it, its type."""
        node.type = _CHECKS[type(node)](self, node)

    def finish(self, tree: Expression) -> None:
        """Put what was inferred last in the place of type parameters."""
        for node in walk(tree):
            node.type = substitute(self._known, node.type, free_to_dyn=True)

    def _new_parameter(self) -> Type:
        self._free += 1
        return types.parameter(f"_var{self._free - 1}")

    def _assign(self, source: Type, target: Type) -> bool:
        return self._known.assign(source, target)

    def _undeclared(self, node: Expression, name: str) -> Type:
        self.report(node, f"undeclared reference to '{name}' (in container '')")
        return types.ERROR

    # Names.

    def _local(self, name: str) -> Type | None:
        for scope in reversed(self._locals):
            if name in scope:
                return scope[name]
        return None

    def _resolve(self, name: str) -> Resolved | None:
        """A name as it stands: a variable of a comprehension unless a dot leads it."""
        local = self._local(name)
        if local is not None:
            return Resolved(local, Reference(name))
        return self._names.identifier(name.removeprefix("."))

    def literal(self, node: Literal) -> Type:
        """The type of a constant."""
        return type_of(node.value)

    def identifier(self, node: Identifier) -> Type:
        """Type of a name."""
        resolved = self._resolve(node.name)
        if resolved is None:
            return self._undeclared(node, node.name)
        node.reference = resolved.reference
        return resolved.type

    def select(self, node: Select) -> Type:
        """The type of a field, or of a qualified name."""
        resolved = self._qualified(node)
        if resolved is not None:
            node.reference = resolved.reference
            return resolved.type
        result = self._field(node, node.operand, node.field_name, optional=False)
        return types.BOOL if node.test_only else substitute(self._known, result)

    def _qualified(self, node: Select) -> Resolved | None:
        """What `a.b.c` stands for when that whole name is declared and `a` is no variable of a comprehension."""
        if node.test_only:
            return None
        path = _path(node)
        if path is None or self._local(path.partition(".")[0]) is not None:
            return None
        return self._names.identifier(path.removeprefix("."))

    def _field(self, node: Expression, operand: Expression, name: str, *, optional: bool) -> Type:
        self.check(operand)
        target = substitute(self._known, operand.type)
        was_optional = types.is_optional(target)
        if was_optional:
            target = target.element
        result = types.ERROR
        if target.kind == types.MAP_KIND:
            result = target.element
        elif target.kind == types.OBJECT_KIND:
            declared = target.field_type(name) if isinstance(target, ObjectType) else None
            if declared is None:
                self.report(node, f"undefined field '{name}'")
            result = declared or types.ERROR
        else:
            if target.kind == types.PARAMETER_KIND:
                self._assign(types.DYN, target)
            elif not is_dyn_or_error(target):
                self.report(node, f"type '{target}' does not support field selection")
            result = types.DYN
        return types.optional_of(result) if was_optional or optional else result

    # Calls.

    def call(self, node: Call) -> Type:
        """The type of a call by its overloads."""
        if node.function == OPTIONAL_SELECT:
            return self._optional_select(node)
        for argument in node.arguments:
            self.check(argument)
        if node.target is not None:
            prefix = _path(node.target)
            namespaced = self._function(f"{prefix}.{node.function}") if prefix is not None else None
            if namespaced is not None:
                node.target, node.function = None, namespaced.name
                return self._overloads(node, namespaced, node.arguments)
            self.check(node.target)
        function = self._function(node.function)
        if function is None:
            return self._undeclared(node, node.function)
        node.function = function.name
        return self._overloads(node, function, node.arguments if node.target is None else [node.target, *node.arguments])

    def _function(self, name: str) -> Function | None:
        return self._names.functions.get(name.removeprefix("."))

    def _optional_select(self, node: Call) -> Type:
        operand, name = node.arguments
        assert isinstance(name, Literal)
        name.type = types.STRING
        return substitute(self._known, self._field(node, operand, name.value, optional=True))

    def _overloads(self, node: Call, function: Function, arguments: Sequence[Expression]) -> Type:
        if function.name in LOGIC:
            return self._logic(node, function, arguments)
        argument_types = [argument.type for argument in arguments]
        fitting: list[Overload] = []
        result: Type | None = None
        for overload in function.overloads:
            if overload.receiver == (node.target is None):
                continue
            returned = self._fit(overload, argument_types)
            if returned is None:
                continue
            fitting.append(overload)
            if result is None:
                result = returned
            elif result.kind not in (types.DYN_KIND, types.ANY_KIND) and returned != result:
                result = types.DYN
        if result is None:
            shown = _signature([substitute(self._known, type_, free_to_dyn=True) for type_ in argument_types], node.target is not None)
            self.report(node, f"found no matching overload for '{function.name}' applied to '{shown}'")
            return types.ERROR
        node.reference = Reference(function.name, overloads=tuple(fitting))
        return result

    def _fit(self, overload: Overload, arguments: list[Type]) -> Type | None:
        """What an overload gives for arguments of these types; None when it does not take them."""
        fresh: dict[str, Type] = {}
        for parameter in (*overload.parameters, overload.result):
            self._freshen(parameter, fresh)
        parameters = [substitute(fresh, parameter) for parameter in overload.parameters] if fresh else overload.parameters
        if not self._known.assign_all(arguments, parameters):
            return None
        return substitute(self._known, substitute(fresh, overload.result) if fresh else overload.result)

    def _freshen(self, declared: Type, fresh: dict[str, Type]) -> None:
        if declared.kind == types.PARAMETER_KIND and declared.name not in fresh:
            fresh[declared.name] = self._new_parameter()
        for inner in declared.parameters:
            self._freshen(inner, fresh)

    def _logic(self, node: Call, function: Function, arguments: Sequence[Expression]) -> Type:
        right = True
        for argument in arguments:
            if not self._assign(argument.type, types.BOOL):
                self.mismatch(argument, types.BOOL, argument.type)
                right = False
        node.reference = Reference(function.name, overloads=function.overloads[:1])
        return types.BOOL if right else types.ERROR

    # Aggregates.

    def list(self, node: ListLiteral) -> Type:
        """The type of a list by its elements."""
        element: Type | None = None
        for index, item in enumerate(node.elements):
            self.check(item)
            element = self._join(element, self._unwrapped(item, index in node.optional))
        return types.list_of(element or self._new_parameter())

    def map(self, node: MapLiteral) -> Type:
        """The type of a map by its entries."""
        key: Type | None = None
        value: Type | None = None
        for entry in node.entries:
            self.check(entry.key)
            key = self._join(key, entry.key.type)
            self.check(entry.value)
            value = self._join(value, self._unwrapped(entry.value, entry.optional))
        if key is None or value is None:
            return types.map_of(self._new_parameter(), self._new_parameter())
        return types.map_of(key, value)

    def _unwrapped(self, node: Expression, optional: bool) -> Type:
        """The type of a value behind a question mark, which must be an optional one."""
        if not optional:
            return node.type
        if types.is_optional(node.type):
            return node.type.element
        if node.type.kind not in (types.DYN_KIND, types.ANY_KIND):
            self.mismatch(node, types.optional_of(node.type), node.type)
        return node.type

    def _join(self, previous: Type | None, current: Type) -> Type:
        """The type of elements of two types; those of mixed literals are refused later (validating.py)."""
        if previous is None:
            return current
        return most_general(previous, current) if self._assign(previous, current) else types.DYN

    def struct(self, node: StructLiteral) -> Type:
        """The type of an object that an expression makes."""
        made = self._names.named_type(node.name.removeprefix("."))
        if made is None:
            return self._undeclared(node, node.name)
        node.name = made.name
        node.reference = Reference(made.name, is_constant=True, value=made)
        if not isinstance(made, ObjectType):
            self.report(node, f"'{made}' is not a message type")
        for entry in node.entries:
            self.check(entry.value)
            declared = made.field_type(entry.key) if isinstance(made, ObjectType) else types.ERROR
            if declared is None:
                self.report(entry, f"undefined field '{entry.key}'")
            given = self._unwrapped(entry.value, entry.optional)
            if not self._assign(declared or types.ERROR, given):
                message = f"expected type of field '{entry.key}' is '{declared}' but provided type is '{given}'"
                self.report(entry, message)
        return made if isinstance(made, ObjectType) else types.ERROR

    # Comprehensions.

    def comprehension(self, node: Comprehension) -> Type:
        """The type of what a fold gives."""
        self.check(node.range)
        self.check(node.initial)
        variables = self._variables(node, substitute(self._known, node.range.type))
        with self._scope({node.accumulator: node.initial.type}):
            with self._scope(variables):
                self.check(node.condition)
                self._must_be(node.condition, types.BOOL)
                self.check(node.step)
                self._must_be(node.step, node.initial.type)
            self.check(node.result)
        return substitute(self._known, node.result.type)

    def _variables(self, node: Comprehension, range_: Type) -> dict[str, Type]:
        second: Type
        if range_.kind == types.LIST_KIND:
            first, second = (types.INT, range_.element) if node.variable2 else (range_.element, types.DYN)
        elif range_.kind == types.MAP_KIND:
            first, second = range_.key, range_.element
        elif range_.kind in (types.DYN_KIND, types.PARAMETER_KIND, types.ERROR_KIND):
            self._assign(types.DYN, range_)
            first = second = types.DYN
        else:
            shown = "expression of type '{}' cannot be range of a comprehension (must be list, map, or dynamic)"
            self.report(node.range, shown.format(range_))
            first = second = types.ERROR
        return {node.variable: first, node.variable2: second} if node.variable2 else {node.variable: first}

    def _must_be(self, node: Expression, expected: Type) -> None:
        if not self._assign(expected, node.type):
            self.mismatch(node, expected, node.type)

    @contextmanager
    def _scope(self, variables: dict[str, Type]) -> Any:
        self._locals.append(variables)
        try:
            yield
        finally:
            self._locals.pop()


def _path(node: Expression) -> str | None:
    """`a.b.c` of a chain of selections from a name, None of anything else."""
    if isinstance(node, Identifier):
        return node.name
    if isinstance(node, Select) and not node.test_only:
        prefix = _path(node.operand)
        return f"{prefix}.{node.field_name}" if prefix is not None else None
    return None


def _signature(arguments: list[Type], is_method: bool) -> str:
    target = f"{arguments[0]}." if is_method else ""
    return f"{target}({', '.join(map(str, arguments[is_method:]))})"


_CHECKS: dict[type, Callable[[_Checker, Any], Type]] = {
    **{Literal: _Checker.literal, Identifier: _Checker.identifier, Select: _Checker.select, Call: _Checker.call},
    **{ListLiteral: _Checker.list, MapLiteral: _Checker.map, StructLiteral: _Checker.struct, Comprehension: _Checker.comprehension},
}
