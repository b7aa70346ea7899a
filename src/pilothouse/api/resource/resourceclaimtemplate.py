"""ResourceClaimTemplate: a template that ResourceClaims are made of."""

from __future__ import annotations

from pilothouse.api.core.validation.volumes import validate_template_metadata
from pilothouse.api.internal import internal
from pilothouse.api.resource.adminaccess import validate_admin_access
from pilothouse.api.resource.claimspec import default_claim_spec, validate_claim_spec, validate_declared_claim_spec
from pilothouse.api.types.resource_v1 import ResourceClaimTemplate
from pilothouse.machinery.metadata import IMMUTABLE
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import Resource
from pilothouse.machinery.strategy import Strategy

RESOURCECLAIMTEMPLATE = Resource(
    ResourceClaimTemplate,
    plural="resourceclaimtemplates",
    strategy=Strategy(
        validates_generate_name=True,
        generation=None,
        returns_deleted_object=True,
        validate_by_namespace=lambda old, new, labels, problems: validate_admin_access(new.spec.spec.devices.requests, labels, problems),
    ),
)


@RESOURCECLAIMTEMPLATE.default
def default(template: ResourceClaimTemplate) -> None:
    """Defaults of the claim's spec."""
    default_claim_spec(template.spec.spec)


@RESOURCECLAIMTEMPLATE.validate
def validate(template: ResourceClaimTemplate, problems: Problems) -> None:
    """Rules of the claim's metadata and spec; what declarative validation adds is checked on creation.

    Upstream: ValidateResourceClaimTemplate.
    """
    if template.spec.metadata is not None:
        validate_template_metadata(template.spec.metadata, problems.at("spec", "metadata"))
    validate_claim_spec(template.spec.spec, problems.at("spec", "spec"))
    if not template.metadata.resourceVersion:
        validate_declared_claim_spec(template.spec.spec, problems.at("spec", "spec"))


@RESOURCECLAIMTEMPLATE.validate_update
def validate_update(old: ResourceClaimTemplate, new: ResourceClaimTemplate, problems: Problems) -> None:
    """The spec never changes. Upstream: ValidateResourceClaimTemplateUpdate."""
    if new.spec != old.spec:
        problems.at("spec").invalid(internal(new.spec, "resource.ResourceClaimTemplateSpec"), IMMUTABLE)
