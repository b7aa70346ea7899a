"""ResourceClaimTemplate: a template that ResourceClaims are made of."""

from __future__ import annotations

from pilothouse.api.core.validation.fields import immutable
from pilothouse.api.resource.claimspec import default_claim_spec, validate_claim_spec
from pilothouse.api.types.resource_v1 import ResourceClaimTemplate
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import Resource

RESOURCECLAIMTEMPLATE = Resource(ResourceClaimTemplate, plural="resourceclaimtemplates")


@RESOURCECLAIMTEMPLATE.default
def default(one: ResourceClaimTemplate) -> None:
    default_claim_spec(one.spec.spec)


@RESOURCECLAIMTEMPLATE.validate
def validate(one: ResourceClaimTemplate, problems: Problems) -> None:
    validate_claim_spec(one.spec.spec, problems.at("spec", "spec"))


@RESOURCECLAIMTEMPLATE.validate_update
def validate_update(old: ResourceClaimTemplate, new: ResourceClaimTemplate, problems: Problems) -> None:
    immutable(new.spec, old.spec, problems, "spec")
