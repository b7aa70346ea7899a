"""The status of ValidatingAdmissionPolicies: which of their expressions do not fit the types of what they match.

Upstream: pkg/controller/validatingadmissionpolicystatus.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pilothouse.api.catalogue import known
from pilothouse.api.types.admissionregistration_v1 import TypeChecking, ValidatingAdmissionPolicy
from pilothouse.api.types.apiextensions_v1 import CustomResourceDefinition
from pilothouse.controllers.framework.actions import Action, UpdateStatus
from pilothouse.controllers.framework.controller import READ, UPDATE, Controller, Reads, Rule
from pilothouse.controllers.framework.world import World
from pilothouse.machinery import codec

if TYPE_CHECKING:
    from pilothouse.api.expressions.typechecking import Kind, Kinds
    from pilothouse.cel.types import Type

GROUP = "admissionregistration.k8s.io"


class ValidatingAdmissionPolicyStatusController(Controller):
    """Checks each policy once a generation; that a definition of a kind changes later is not looked at, as upstream."""

    name = "validatingadmissionpolicy-status-controller"
    account = "validatingadmissionpolicy-status-controller"
    reconciles = ValidatingAdmissionPolicy
    watches = (Reads(CustomResourceDefinition),)
    rules = (
        Rule(GROUP, ("validatingadmissionpolicies",), READ),
        Rule(GROUP, ("validatingadmissionpolicies/status",), UPDATE),
        Rule("apiextensions.k8s.io", ("customresourcedefinitions",), READ),
    )

    def plan(self, policy: ValidatingAdmissionPolicy, world: World) -> Iterator[Action]:
        """Write typeChecking and observedGeneration of a policy that has not been checked since it changed."""
        if policy.metadata.generation <= policy.status.observedGeneration:
            return
        from pilothouse.api.expressions.typechecking import check

        changed = codec.clone(policy)
        changed.status.observedGeneration = policy.metadata.generation
        changed.status.typeChecking = TypeChecking(expressionWarnings=check(policy, kinds_in(world)))
        yield UpdateStatus(changed)


def kinds_in(world: World) -> Kinds:
    """The built-in kinds, and those of the cluster's definitions."""
    from pilothouse.api.expressions.structtypes import type_of as built_in_type
    from pilothouse.api.expressions.typechecking import Kind, Kinds
    from pilothouse.cel.schema import declared

    def of_plural(group: str, version: str, plural: str) -> Kind | None:
        resource = known().by_plural(group, version, plural)
        if resource is not None:
            return Kind(group, version, resource.kind)
        definition = world.get(CustomResourceDefinition, "", f"{plural}.{group}")
        return Kind(group, version, definition.spec.names.kind) if definition is not None and _served(definition, version) else None

    def type_of(kind: Kind) -> Type | None:
        resource = known().by_kind(*kind)
        if resource is not None:
            return built_in_type(resource)
        for definition in world.list(CustomResourceDefinition):
            if (definition.spec.group, definition.spec.names.kind) == (kind.group, kind.kind):
                served = _served(definition, kind.version)
                schema = served.schema and served.schema.openAPIV3Schema if served is not None else None
                return declared(codec.to_dict(schema), True, kind.kind) if schema is not None else None
        return None

    return Kinds(of_plural, type_of)


def _served(definition: CustomResourceDefinition, version: str) -> Any:
    """The version of a definition by its name, None when it is not served."""
    return next((each for each in definition.spec.versions or () if each.name == version and each.served), None)
