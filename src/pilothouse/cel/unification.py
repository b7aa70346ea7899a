"""Assignability of types with type parameters: the rules by which cel-go's checker takes an argument for a parameter.

A `Substitution` holds what type parameters stand for. What fails leaves it as it was, in time of what was tried and not of what is known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from pilothouse.cel import types
from pilothouse.cel.types import Type

_LEGACY_NULLABLE = frozenset((types.OPAQUE_KIND, types.OBJECT_KIND, types.ANY_KIND, types.DURATION_KIND, types.TIMESTAMP_KIND))
_COMPOSED = frozenset((types.OPAQUE_KIND, types.LIST_KIND, types.MAP_KIND))
_PARAMETERIZED = _COMPOSED | {types.TYPE_KIND}


class Substitution(dict[str, Type]):
    """Types by the names of the parameters that stand for them."""

    __slots__ = ("_tried",)

    def __init__(self) -> None:
        super().__init__()
        self._tried: list[tuple[str, Type | None]] = []

    def assign(self, source: Type, target: Type) -> bool:
        """Whether `source` may stand for `target`; if so, what follows from it is kept."""
        return self._settled(_assignable(self, source, target))

    def assign_all(self, sources: Sequence[Type], targets: Sequence[Type]) -> bool:
        """The same for the arguments of a call."""
        return self._settled(_all_assignable(self, sources, targets))

    def bind(self, name: str, bound: Type) -> None:
        """Bind a type parameter, until the trial fails."""
        self._tried.append((name, self.get(name)))
        self[name] = bound

    def _settled(self, success: bool) -> bool:
        if not success:
            for name, former in reversed(self._tried):
                if former is None:
                    del self[name]
                else:
                    self[name] = former
        self._tried.clear()
        return success


def substitute(known: Mapping[str, Type], original: Type, *, free_to_dyn: bool = False) -> Type:
    """The type with its parameters replaced by what is known; the others stay, or become dyn."""
    if original.kind == types.PARAMETER_KIND:
        bound = known.get(original.name)
        if bound is not None:
            return substitute(known, bound, free_to_dyn=free_to_dyn)
        return types.DYN if free_to_dyn else original
    if not original.parameters or original.kind not in _PARAMETERIZED:
        return original
    replaced = tuple([substitute(known, parameter, free_to_dyn=free_to_dyn) for parameter in original.parameters])
    if all(new is old for new, old in zip(replaced, original.parameters, strict=True)):
        return original
    return replace(original, parameters=replaced)


def most_general(first: Type, second: Type) -> Type:
    """The less specific of two types of which one is assignable to the other."""
    return first if _equal_or_less_specific(first, second) else second


def accepts(target: Type, source: Type) -> bool:
    """Whether a type without parameters takes another."""
    if target.nullable and source.kind == types.NULL_KIND:
        return True
    if target is source or target.is_dyn:
        return True
    return (
        target.kind == source.kind
        and target.name == source.name
        and len(target.parameters) == len(source.parameters)
        and all(map(accepts, target.parameters, source.parameters))
    )


def is_dyn_or_error(candidate: Type) -> bool:
    """Whether the checker lets anything pass for this type."""
    return candidate.kind in (types.DYN_KIND, types.ANY_KIND, types.ERROR_KIND)


def _assignable(known: Substitution, source: Type, target: Type) -> bool:
    if target.kind == types.PARAMETER_KIND:
        valid, bound = _bind(known, source, target)
        if valid or bound:
            return valid
    if source.kind == types.PARAMETER_KIND:
        return _bind(known, target, source)[0]
    if is_dyn_or_error(source) or is_dyn_or_error(target):
        return True
    if source.kind == types.NULL_KIND or target.kind == types.NULL_KIND:
        other = target if source.kind == types.NULL_KIND else source
        return other.kind in _LEGACY_NULLABLE or accepts(other, types.NULL)
    if source.kind == types.TYPE_KIND:
        return target.kind == types.TYPE_KIND
    if source.kind in _COMPOSED:
        same = source.kind == target.kind and source.name == target.name
        return same and _all_assignable(known, source.parameters, target.parameters)
    return accepts(target, source)


def _all_assignable(known: Substitution, sources: Sequence[Type], targets: Sequence[Type]) -> bool:
    if len(sources) != len(targets):
        return False
    return all(_assignable(known, source, target) for source, target in zip(sources, targets, strict=True))


def _bind(known: Substitution, value: Type, parameter: Type) -> tuple[bool, bool]:
    """Whether `value` may be what `parameter` stands for, and whether that was known already."""
    if value == parameter:
        return True, True
    bound = known.get(parameter.name)
    if bound is not None:
        if value == bound:
            return True, True
        if not _assignable(known, value, bound):
            return False, True
        general = most_general(value, bound)
        if _free_of(known, parameter, general):
            known.bind(parameter.name, general)
        return True, True
    if _free_of(known, parameter, value):
        known.bind(parameter.name, value)
        return True, False
    return False, False


def _free_of(known: Substitution, parameter: Type, within: Type) -> bool:
    """Whether a parameter does not occur in a type, directly or by what is known."""
    if parameter == within:
        return False
    if within.kind == types.PARAMETER_KIND:
        bound = known.get(within.name)
        return bound is None or _free_of(known, parameter, bound)
    return within.kind not in _PARAMETERIZED or all(_free_of(known, parameter, inner) for inner in within.parameters)


def _equal_or_less_specific(first: Type, second: Type) -> bool:
    if first.is_dyn:
        return True
    if second.is_dyn or first.kind != second.kind:
        return False
    if first.kind == types.TYPE_KIND:
        return True
    if first.kind in _COMPOSED:
        if first.name != second.name or len(first.parameters) != len(second.parameters):
            return False
        return all(map(_equal_or_less_specific, first.parameters, second.parameters))
    return first == second
