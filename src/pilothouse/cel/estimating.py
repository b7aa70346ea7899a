"""Static cost estimate of a checked expression: minimum and maximum.

    estimate(program.checked, SchemaSizes(type_of_self))      # Range(least, most)

Sizes come from the expression where it shows them (literals, concatenations), else from a `SizeEstimator`: `SchemaSizes` knows those of a
schema. Where nobody knows, a size may be anything. Upstream: cel-go's checker/cost.go, Kubernetes' library/cost.go.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pilothouse.cel import costs, macros, types
from pilothouse.cel.costs import ONE, UNKNOWN, CallEstimate, Node, Range, SizeEstimator, fixed
from pilothouse.cel.defaultcosts import default_estimate, equality_estimate
from pilothouse.cel.escaping import RESERVED
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

ITEMS, KEYS, VALUES, INDICES = "@items", "@keys", "@values", "@indices"
ZERO, FREE = Range(0, 0), fixed(costs.CONSTANT)
NAMED = fixed(costs.SELECT_OR_IDENTIFIER)
SELECTED_KINDS = (types.MAP_KIND, types.OBJECT_KIND, types.PARAMETER_KIND)
FIXED_SIZE_KINDS = (types.BOOL_KIND, types.DOUBLE_KIND, types.DURATION_KIND, types.INT_KIND, types.TIMESTAMP_KIND, types.UINT_KIND)
OPTIONAL_SELECT = "_?._"
Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SchemaSizes:
    """Sizes that a schema allows, by the path of a value below the variable of this type (any variable: upstream does not look at it)."""

    root: Type

    def estimate_size(self, node: Node) -> Range | None:
        """Range from 0 to the maximum number of elements at the node's path; None for an unknown path."""
        if not node.path:
            return None
        current: Type | None = self.root
        for name in node.path[1:]:
            current = _below(current, name) if current is not None else None
        return Range(0, current.max_elements or 0) if current is not None else None


def _below(parent: Type, name: str) -> Type | None:
    if name in (ITEMS, VALUES):
        return parent.element if parent.kind in (types.LIST_KIND, types.MAP_KIND) else None
    if name == KEYS:
        return parent.key if parent.kind == types.MAP_KIND else None
    if name in RESERVED or not isinstance(parent, ObjectType):  # upstream looks for escaped names only
        return None
    return parent.field_type(name)


@dataclass(frozen=True, slots=True)
class NoSizes:
    """Knows no size."""

    def estimate_size(self, node: Node) -> Range | None:
        """Always None."""
        return None


@dataclass(frozen=True, slots=True)
class _Entries:
    """Sizes of the keys (indexes) and values of a list or map."""

    is_list: bool
    key: Range
    value: Range

    def united(self, other: _Entries | None) -> _Entries | None:
        return _Entries(self.is_list, self.key.united(other.key), self.value.united(other.value)) if other is not None else None


@dataclass(frozen=True, slots=True)
class _Local:
    """A variable of a comprehension."""

    path: Path
    size: Range | None
    entries: _Entries | None = None


def estimate(checked: Any, sizes: SizeEstimator | None = None) -> Range:
    """The cost of an expression. `checked` has the typed tree as `expression` (`Program.checked`).

    An expression that is nested too deeply for this process may cost anything.
    """
    try:
        return _Estimator(sizes or NoSizes()).cost(checked.expression)
    except RecursionError:
        return UNKNOWN


class _Estimator:
    def __init__(self, sizes: SizeEstimator) -> None:
        self._sizes = sizes
        self._paths: dict[int, Path] = {}
        self._computed: dict[int, Range] = {}
        self._entries: dict[int, _Entries] = {}
        self._locals: dict[str, list[_Local]] = {}

    def size(self, node: Node) -> Range:
        """The least and most elements (or characters) of `node`'s value; UNKNOWN where neither expression nor schema says."""
        return node.computed_size or self._sizes.estimate_size(node) or UNKNOWN

    def cost(self, node: Expression) -> Range:
        """Cost of a node and all below it."""
        if isinstance(node, Identifier):
            local = self._local(node.name)
            self._paths[node.id] = local.path if local is not None else (node.name,)
            return NAMED
        if isinstance(node, Select):
            return self._select(node)
        if isinstance(node, Call):
            return self._dyn(node) if node.function == "dyn" else self._call(node)
        if isinstance(node, Comprehension):
            return self._bind(node) if _is_bind(node) else self._fold(node)
        return self._literal(node)

    def _literal(self, node: Expression) -> Range:
        if isinstance(node, ListLiteral):
            return self._list(node)
        if isinstance(node, MapLiteral):
            return self._map(node)
        if isinstance(node, StructLiteral):
            return self._sum(entry.value for entry in node.entries).plus(fixed(costs.STRUCT_CREATION))
        return FREE

    def _sum(self, nodes: Any) -> Range:
        total = ZERO
        for node in nodes:
            total = total.plus(self.cost(node))
        return total

    def _select(self, node: Select) -> Range:
        operand = self.cost(node.operand)
        if node.test_only:
            return operand
        self._paths[node.id] = (*self._path(node.operand), node.field_name)
        return operand.plus(NAMED) if node.operand.type.kind in SELECTED_KINDS else operand

    def _dyn(self, node: Call) -> Range:
        argument = node.arguments[0]
        cost = self.cost(argument)
        self._copy_sizes(node, argument)
        return cost.plus(ONE)

    def _call(self, node: Call) -> Range:
        argument_costs, arguments = [], []
        for argument in node.arguments:
            argument_costs.append(self.cost(argument))
            arguments.append(self._node(argument))
        overloads = node.reference.overloads if node.reference is not None else ()
        if not overloads:
            return _total(argument_costs).plus(ONE) if node.function == OPTIONAL_SELECT else ZERO
        cost, target = ZERO, None
        if node.target is not None:
            cost, target = self.cost(node.target), self._node(node.target)
        called, result_size = Range(costs.MOST, 0), None
        for overload in overloads:
            estimate = self._overload(node, overload, target, arguments, argument_costs)
            called = called.united(estimate.cost)
            if estimate.result_size is not None:
                result_size = estimate.result_size.united(result_size or estimate.result_size)
            if overload.id in ("index_list", "index_map"):
                result_size = self._index(node, ITEMS if overload.id == "index_list" else VALUES)
            result_size = result_size or self._size(node)
        self._set_size(node, result_size)
        return cost.plus(called)

    def _index(self, node: Call, part: str) -> Range | None:
        container = node.arguments[0]
        self._paths[node.id] = (*self._path(container), part)
        entries = self._entries_of(container)
        return entries.value if entries is not None else None

    def _overload(
        self, node: Call, overload: Any, target: Node | None, arguments: Sequence[Node], argument_costs: Sequence[Range]
    ) -> CallEstimate:
        own = overload.estimate(self, target, arguments) if overload.estimate is not None else None
        if own is None:
            own = self._equality(node.function, arguments)
        if own is not None:
            return CallEstimate(_total(argument_costs).plus(own.cost), own.result_size)
        self._note_entries(node, overload.id)
        return default_estimate(overload.id, target, arguments, argument_costs)

    def _equality(self, function: str, arguments: Sequence[Node]) -> CallEstimate | None:
        """`==` of two values of one type of Kubernetes' own."""
        if function != "_==_" or len(arguments) != 2 or arguments[0].type != arguments[1].type:
            return None
        return equality_estimate(arguments[0].type.name, arguments[1])

    def _note_entries(self, node: Call, overload: str) -> None:
        """What is known of the entries of a choice or a concatenation."""
        if overload == "conditional":
            first, second = node.arguments[1:3]
        elif overload in ("add_string", "add_bytes", "add_list"):
            first, second = node.arguments
        else:
            return
        entries = self._entries_of(first)
        self._set_entries(node, entries.united(self._entries_of(second)) if entries is not None else None)

    def _list(self, node: ListLiteral) -> Range:
        total, item = ZERO, Range(costs.MOST if node.elements else 0, 0)
        for element in node.elements:
            total = total.plus(self.cost(element))
            item = item.united(self._size(element) or UNKNOWN)
        self._entries[node.id] = _Entries(True, ONE, item)
        return total.plus(fixed(costs.LIST_CREATION))

    def _map(self, node: MapLiteral) -> Range:
        total, key, value = ZERO, Range(costs.MOST if node.entries else 0, 0), Range(costs.MOST if node.entries else 0, 0)
        for entry in node.entries:
            total = total.plus(self.cost(entry.key)).plus(self.cost(entry.value))
            key = key.united(self._size(entry.key) or UNKNOWN)
            value = value.united(self._size(entry.value) or UNKNOWN)
        self._entries[node.id] = _Entries(False, key, value)
        return total.plus(fixed(costs.MAP_CREATION))

    def _fold(self, node: Comprehension) -> Range:
        total = self.cost(node.range).plus(self.cost(node.initial))
        self._push_bound(node.accumulator, node.initial)
        if node.variable2:
            self._push_part(node.variable, node.range, keys=True)
            self._push_part(node.variable2, node.range, keys=False)
        else:
            self._push_part(node.variable, node.range, keys=not self._is_list(node.range))
        condition = self.cost(node.condition)
        turn = self.cost(node.step).plus(condition)
        self._locals[node.variable].pop()
        if node.variable2:
            self._locals[node.variable2].pop()
        total = total.plus(self.cost(node.result))
        self._locals[node.accumulator].pop()
        turns = self._size(node.range) or UNKNOWN
        self._set_fold_size(node, turns)
        return total.plus(turns.multiplied(turn))

    def _set_fold_size(self, node: Comprehension, turns: Range) -> None:
        if isinstance(node.initial, Literal):
            self._set_size(node, self._size(node.initial))
        elif isinstance(node.initial, ListLiteral | MapLiteral):
            self._set_size(node, turns)
            self._set_entries(node, self._entries_of(node.step))

    def _bind(self, node: Comprehension) -> Range:
        total = self.cost(node.range).plus(self.cost(node.initial))
        self._push_bound(node.accumulator, node.initial)
        total = total.plus(self.cost(node.result))
        self._locals[node.accumulator].pop()
        self._copy_sizes(node, node.result)
        return total

    def _push_bound(self, name: str, initial: Expression) -> None:
        local = _Local(self._path(initial), self._size(initial), self._entries_of(initial))
        self._locals.setdefault(name, []).append(local)

    def _push_part(self, name: str, container: Expression, keys: bool) -> None:
        """A variable that takes the keys (indexes) or the values (items) of what is gone through."""
        entries = self._entries_of(container)
        is_list = self._is_list(container)
        part = (INDICES if is_list else KEYS) if keys else (ITEMS if is_list else VALUES)
        size = None if entries is None else entries.key if keys else entries.value
        self._locals.setdefault(name, []).append(_Local((*self._path(container), part), size))

    def _is_list(self, container: Expression) -> bool:
        entries = self._entries_of(container)
        return entries.is_list if entries is not None else container.type.kind == types.LIST_KIND

    def _local(self, name: str) -> _Local | None:
        stack = self._locals.get(name)
        return stack[-1] if stack else None

    def _path(self, node: Expression) -> Path:
        local = self._local(node.name) if isinstance(node, Identifier) else None
        return local.path if local is not None else self._paths.get(node.id, ())

    def _node(self, node: Expression) -> Node:
        path = self._path(node)
        if path and path[0] in (macros.ACCUMULATOR, macros.OLD_ACCUMULATOR):
            path = ()
        is_constant = isinstance(node, Literal)
        return Node(path, node.type, self._size(node), getattr(node, "value", None) if is_constant else None, is_constant)

    def _size(self, node: Expression) -> Range | None:
        computed = self._computed.get(node.id)
        if computed is not None:
            return computed
        shown = _shown_size(node)
        if shown is not None:
            return shown
        known = self._sizes.estimate_size(Node(self._path(node), node.type))
        if known is not None:
            self._computed[node.id] = known
            return known
        if _has_fixed_size(node.type):
            return ONE
        local = self._local(node.name) if isinstance(node, Identifier) else None
        return local.size if local is not None else None

    def _set_size(self, node: Expression, size: Range | None) -> None:
        if size is not None:
            self._computed[node.id] = size

    def _entries_of(self, node: Expression) -> _Entries | None:
        known = self._entries.get(node.id)
        local = self._local(node.name) if known is None and isinstance(node, Identifier) else None
        return local.entries if local is not None else known

    def _set_entries(self, node: Expression, entries: _Entries | None) -> None:
        if entries is not None:
            self._entries[node.id] = entries

    def _copy_sizes(self, node: Expression, source: Expression) -> None:
        self._set_size(node, self._size(source))
        self._set_entries(node, self._entries_of(source))


def _total(parts: Sequence[Range]) -> Range:
    total = ZERO
    for part in parts:
        total = total.plus(part)
    return total


def _is_bind(node: Comprehension) -> bool:
    """Whether it is what `cel.bind` expands to: nothing to go through."""
    nothing = isinstance(node.range, ListLiteral) and not node.range.elements
    never = isinstance(node.condition, Literal) and node.condition.value is False
    return nothing and never and node.accumulator != macros.OLD_ACCUMULATOR


def _shown_size(node: Expression) -> Range | None:
    """The size of what stands in the expression itself."""
    if isinstance(node, Literal):
        return fixed(len(node.value)) if isinstance(node.value, str | bytes) else ONE
    if isinstance(node, ListLiteral):
        return fixed(len(node.elements))
    return fixed(len(node.entries)) if isinstance(node, MapLiteral) else None


def _has_fixed_size(of: Type) -> bool:
    return of.kind in FIXED_SIZE_KINDS or (types.is_optional(of) and _has_fixed_size(of.parameters[0]))
