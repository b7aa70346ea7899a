"""The status that a definition should have: accepted names and conditions, all in one write. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from pilothouse.api.apiextensions.conditions import (
    NAMES_ACCEPTED,
    NON_STRUCTURAL,
    TRUE,
    Condition,
    approval,
    condition,
    equal_ignoring_times,
    find,
    with_condition,
)
from pilothouse.api.apiextensions.structure import violations
from pilothouse.api.types.apiextensions_v1 import CustomResourceDefinition, CustomResourceDefinitionStatus
from pilothouse.apiserver.extensions import naming
from pilothouse.client.call import Call
from pilothouse.machinery import access
from pilothouse.machinery.quoting import aggregate
from pilothouse.machinery.resource import Resource


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
    wanted += [approval(definition), _non_structural(definition)]
    conditions = status.conditions
    if conditions and wanted[-1] is None and find(definition, NON_STRUCTURAL) is not None:
        conditions = [known for known in conditions if known.type != NON_STRUCTURAL]
    for said in wanted:
        if said is not None and not equal_ignoring_times(said, find(definition, said.type)):
            conditions = with_condition(conditions, said, now)
    if names == status.acceptedNames and conditions is status.conditions:
        return None
    return msgspec.structs.replace(status, acceptedNames=names, conditions=conditions)


def _non_structural(definition: CustomResourceDefinition) -> Condition | None:
    """The condition of a definition that is not structural, as only those can be that were stored long ago."""
    if not definition.spec.preserveUnknownFields and find(definition, NON_STRUCTURAL) is None:
        return None
    problems = [str(problem) for problem in violations(definition)]
    if definition.spec.preserveUnknownFields:
        problems.insert(0, "spec.preserveUnknownFields: Invalid value: true: must be false")
    if not problems:
        return None
    return condition(NON_STRUCTURAL, TRUE, "Violations", aggregate(problems))


def status_call(resource: Resource[CustomResourceDefinition], definition: CustomResourceDefinition) -> Call:
    """The update that writes the status, and the finalizers; of the spec, which may be large, it says nothing."""
    body = CustomResourceDefinition(metadata=access.clone(definition.metadata), status=access.clone(definition.status))
    return Call("update", resource, "", definition.metadata.name, "status", body)
