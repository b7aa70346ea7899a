"""Accepted names of a definition, and the conditions about them. Pure.

Names are unique in a group: plural, singular and short names among themselves, kind and list kind among themselves.
Who has a name keeps it.

Upstream: the naming and the establishing controller of apiextensions-apiserver (pkg/controller/status, pkg/controller/establish).
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from pilothouse.api.apiextensions.conditions import ESTABLISHED, FALSE, NAMES_ACCEPTED, TRUE, Condition, condition, find
from pilothouse.api.types.apiextensions_v1 import CustomResourceDefinition, CustomResourceDefinitionNames
from pilothouse.machinery.quoting import aggregate, go_quoted

Names = CustomResourceDefinitionNames
NO_CONFLICTS = condition(NAMES_ACCEPTED, TRUE, "NoConflicts", "no conflicts found")
IS_ESTABLISHED = condition(ESTABLISHED, TRUE, "InitialNamesAccepted", "the initial names have been accepted")
NOT_ACCEPTED = condition(ESTABLISHED, FALSE, "NotAccepted", "not all names are accepted")


def accepted(definition: CustomResourceDefinition, group: Iterable[CustomResourceDefinition]) -> tuple[Names, Condition]:
    """The names that a definition has from now on, and its condition NamesAccepted. `group`: all definitions of its group, itself too."""
    resources, kinds = _taken(group)
    wanted, mine = definition.spec.names, definition.status.acceptedNames
    names = msgspec.structs.replace(mine, categories=list(wanted.categories))
    told = NO_CONFLICTS
    for field, reason, taken in (
        ("plural", "PluralConflict", resources),
        ("singular", "SingularConflict", resources),
        ("shortNames", "ShortNamesConflict", resources),
        ("kind", "KindConflict", kinds),
        ("listKind", "ListKindConflict", kinds),
    ):
        asked, has = getattr(wanted, field), getattr(mine, field)
        if asked == has:
            continue
        if in_use := _in_use(asked, has, taken):
            told = condition(NAMES_ACCEPTED, FALSE, reason, in_use)
        else:
            setattr(names, field, asked)
    return names, told


def _taken(group: Iterable[CustomResourceDefinition]) -> tuple[set[str], set[str]]:
    """The resource names and the kinds that are in use."""
    resources: set[str] = set()
    kinds: set[str] = set()
    for other in group:
        names = other.status.acceptedNames
        resources.update((names.plural, names.singular, *names.shortNames))
        kinds.update((names.kind, names.listKind))
    return resources, kinds


def _in_use(asked: str | list[str], has: str | list[str], taken: set[str]) -> str:
    """What is wrong with a name, or with a list of short names; "" when nothing is."""
    names = [asked] if isinstance(asked, str) else asked
    mine = [has] if isinstance(has, str) else has
    return aggregate(f"{go_quoted(name)} is already in use" for name in names if name not in mine and name in taken)


def established(definition: CustomResourceDefinition, names_accepted: Condition) -> Condition:
    """The condition Established: once true it stays."""
    known = find(definition, ESTABLISHED)
    if known is not None and known.status == TRUE:
        return known
    return IS_ESTABLISHED if names_accepted.status == TRUE else NOT_ACCEPTED
