"""Resolution of names: variables, constants, types and functions of an environment, and comprehension variables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pilothouse.cel.declarations import Function, Overload
from pilothouse.cel.syntax import Reference
from pilothouse.cel.types import Type, type_of

TypeResolver = Callable[[str], "Type | None"]
"""Finds an object type by its name, for types that are not listed (`Object.spec.template`)."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """A name that was found: its type, and what evaluation will take it from."""

    type: Type
    reference: Reference


@dataclass(frozen=True, slots=True)
class Names:
    """The global names of an environment."""

    variables: Mapping[str, Type]
    constants: Mapping[str, tuple[Type, Any]]
    types: Mapping[str, Type]
    functions: Mapping[str, Function]
    resolvers: tuple[TypeResolver, ...] = ()

    def identifier(self, name: str) -> Resolved | None:
        """A variable, a constant or a type by its whole name."""
        variable = self.variables.get(name)
        if variable is not None:
            return Resolved(variable, Reference(name))
        constant = self.constants.get(name)
        if constant is not None:
            return Resolved(constant[0], Reference(name, is_constant=True, value=constant[1]))
        named = self.named_type(name)
        return Resolved(type_of(named), Reference(name, is_constant=True, value=named)) if named is not None else None

    def named_type(self, name: str) -> Type | None:
        """A type by its name."""
        known = self.types.get(name)
        if known is not None:
            return known
        for resolve in self.resolvers:
            resolved = resolve(name)
            if resolved is not None:
                return resolved
        return None


def merged(functions: Mapping[str, Function], more: tuple[Function, ...]) -> dict[str, Function]:
    """The functions with those of another library: overloads of one name together, one of an id that is there already taking its place."""
    result = dict(functions)
    for function in more:
        known = result.get(function.name)
        if known is None:
            result[function.name] = replace(function, overloads=_complete(function))
            continue
        overloads = {overload.id: overload for overload in (*known.overloads, *_complete(function))}
        result[function.name] = Function(
            function.name,
            tuple(overloads.values()),
            known.cost or function.cost,
            known.estimate or function.estimate,
            known.dynamic or function.dynamic,
            known.prepare or function.prepare,
        )
    return result


def _complete(function: Function) -> tuple[Overload, ...]:
    """Its overloads with the cost and the estimate of the function where they have none."""
    return tuple(
        replace(overload, cost=overload.cost or function.cost, estimate=overload.estimate or function.estimate)
        for overload in function.overloads
    )
