"""Expressions that select devices: the `cel` selectors of DeviceClasses, ResourceClaims and ResourceClaimTemplates.

They see `device` with its driver, attributes and capacity (by domain, then by name), and have `cel.bind`. What they may cost is bounded
when they are written. Upstream: k8s.io/dynamic-resource-allocation/cel.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from pilothouse.api.expressions.admission import type_text
from pilothouse.cel import kubernetes
from pilothouse.cel.costs import Node, Range
from pilothouse.cel.declarations import Library, Macro, MacroError
from pilothouse.cel.environment import Environment, ProgramError
from pilothouse.cel.errors import CompileError
from pilothouse.cel.estimating import ITEMS, KEYS, VALUES, estimate
from pilothouse.cel.libraries.quantity import QUANTITY
from pilothouse.cel.macros import UNUSED, Factory
from pilothouse.cel.syntax import Expression, Identifier
from pilothouse.cel.types import ANY, BOOL, LIST_KIND, MAP_KIND, OBJECT_KIND, STRING, ObjectType, Type, map_of
from pilothouse.machinery.problems import Problems

GREATEST_COST = 1_000_000
LONGEST = 10 * 1024
ENTRIES = 32
"""Attributes, and capacities, of a device."""
DOMAIN, IDENTIFIER, DRIVER = STRING.of_size(63), STRING.of_size(32), STRING.of_size(63)
ATTRIBUTE = ANY.of_size(64)
TOO_COMPLEX = "too complex, exceeds cost limit"


def _by_domain(value: Type) -> Type:
    return map_of(DOMAIN, map_of(IDENTIFIER, value).of_size(ENTRIES)).of_size(ENTRIES)


DEVICE = ObjectType(
    OBJECT_KIND,
    "kubernetes.DRADevice",
    fields={
        "allowMultipleAllocations": BOOL.of_size(1),
        "driver": DRIVER,
        "attributes": _by_domain(ATTRIBUTE),
        "capacity": _by_domain(replace(QUANTITY)),
    },
)


def _bind(factory: Factory, target: Expression, arguments: list[Expression]) -> Expression | None:
    """`cel.bind(name, value, expression)`: the expression with a name for a value."""
    if not isinstance(target, Identifier) or target.name != "cel":
        return None
    name = arguments[0]
    if not isinstance(name, Identifier):
        raise MacroError("cel.bind() variable names must be simple identifiers", name)
    parts = (arguments[1], factory.literal(False), factory.identifier(name.name), arguments[2])
    return factory.comprehension(factory.list(), (UNUSED, ""), name.name, parts)


BINDINGS = Library("cel.lib.ext.cel.bindings", macros=(Macro("bind", 3, receiver=True, expand=_bind),))


class DeviceSizes:
    """The greatest sizes of what `device` holds. All attributes have the same, whatever their names."""

    def estimate_size(self, node: Node) -> Range | None:
        """Range from 0 to the maximum number of elements at the node's path."""
        if not node.path or node.path[0] != "device":
            return None
        current: Type | None = DEVICE
        for name in node.path[1:]:
            current = _below(current, name) if current is not None else None
        return None if current is None else Range(0, current.max_elements or 0)


def _below(parent: Type, name: str) -> Type | None:
    if name in (ITEMS, VALUES):
        return parent.element if parent.kind in (LIST_KIND, MAP_KIND) else None
    if name == KEYS:
        return parent.key if parent.kind == MAP_KIND else None
    if isinstance(parent, ObjectType):
        return parent.field_type(name)
    return ATTRIBUTE if parent.kind == MAP_KIND and parent.element is ATTRIBUTE else None


@cache
def _environment() -> Environment:
    return kubernetes.new_expressions().extended({"device": DEVICE}, libraries=(BINDINGS,))


def validate_selector(expression: str, problems: Problems) -> None:
    """Report a selector that is too long, does not compile, selects nothing or may cost too much."""
    if len(expression.encode()) > LONGEST:
        problems.too_long(LONGEST)
        return
    try:
        program = _environment().compile(expression)
    except ProgramError as error:
        problems.internal(f"program instantiation failed: {error}")
        return
    except CompileError as error:
        problems.invalid(expression, f"compilation failed: {error}")
        return
    if program.output_type not in (BOOL, ANY):
        problems.invalid(expression, f"must evaluate to bool or the unknown type, not {type_text(program.output_type)}")
    elif estimate(program.checked, DeviceSizes()).most > GREATEST_COST:
        problems.forbidden(TOO_COMPLEX)
