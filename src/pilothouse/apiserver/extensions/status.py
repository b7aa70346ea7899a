"""The status that a definition should have: accepted names and conditions, all in one write. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from pilothouse.api.apiextensions.conditions import NAMES_ACCEPTED, Condition, approval, find, same, with_condition
from pilothouse.api.types.apiextensions_v1 import CustomResourceDefinition, CustomResourceDefinitionStatus
from pilothouse.apiserver.extensions import naming


def status_after(
    definition: CustomResourceDefinition, group: Iterable[CustomResourceDefinition], now: str
) -> CustomResourceDefinitionStatus | None:
    """The status that is to be written; None when the definition has it. `group`: all definitions of its group, itself too."""
    status = definition.status
    names, wanted = status.acceptedNames, list[Condition | None]()
    if definition.spec.names != status.acceptedNames or find(definition, NAMES_ACCEPTED) is None:
        names, accepted = naming.accepted(definition, group)
        wanted += [accepted, naming.established(definition, accepted)]
    elif (known := find(definition, NAMES_ACCEPTED)) is not None:
        wanted.append(naming.established(definition, known))
    wanted.append(approval(definition))
    conditions = status.conditions
    for condition in wanted:
        if condition is not None and not same(condition, find(definition, condition.type)):
            conditions = with_condition(conditions, condition, now)
    if names == status.acceptedNames and conditions is status.conditions:
        return None
    return msgspec.structs.replace(status, acceptedNames=names, conditions=conditions)
