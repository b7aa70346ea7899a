"""ResourceClaim: a request for devices."""

from __future__ import annotations

from collections.abc import Mapping

from pilothouse.api.resource.adminaccess import granted, refuse_admin_access, validate_admin_access
from pilothouse.api.resource.claimspec import default_claim_spec, validate_claim_spec, validate_declared_claim_spec
from pilothouse.api.resource.claimstatus import allocated_devices, device_id, validate_claim_status
from pilothouse.api.types.resource_v1 import ResourceClaim
from pilothouse.machinery.metadata import IMMUTABLE
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import AGE, STATUS, Column, Resource
from pilothouse.machinery.strategy import METADATA, Strategy


def _state(claim: ResourceClaim) -> str:
    deleted = bool(claim.metadata.deletionTimestamp)
    states = ["deleted"] if deleted else []
    if claim.status.allocation is None:
        return ",".join(states if deleted else [*states, "pending"])
    return ",".join([*states, "allocated", *(["reserved"] if claim.status.reservedFor else [])])


def _validate_admin_access(old: ResourceClaim | None, new: ResourceClaim, labels: Mapping[str, str] | None, problems: Problems) -> None:
    """Upstream: AuthorizedForAdmin, and AuthorizedForAdminStatus of what is newly allocated."""
    if old is None:
        validate_admin_access(new.spec.devices.requests, labels, problems)
    elif granted(old.status.allocation) is None and (index := granted(new.status.allocation)) is not None:
        refuse_admin_access(labels, problems.at("status", "allocation", "devices", "results", index, "adminAccess"))


RESOURCECLAIM = Resource(
    ResourceClaim,
    plural="resourceclaims",
    subresources=(STATUS,),
    columns=(Column("State", _state, description="A summary of the current state (allocated, pending, reserved, etc.)."), AGE),
    reset_fields={"status": ("metadata", "spec")},
    strategy=Strategy(
        validates_generate_name=True,
        generation=None,
        returns_deleted_object=True,
        status_keeps=METADATA,
        validate_by_namespace=_validate_admin_access,
    ),
)


@RESOURCECLAIM.default
def default(claim: ResourceClaim) -> None:
    """Defaults of the spec."""
    default_claim_spec(claim.spec)


@RESOURCECLAIM.validate
def validate(claim: ResourceClaim, problems: Problems) -> None:
    """Validate a new claim; its spec is immutable."""
    if not claim.metadata.resourceVersion:
        validate_claim_spec(claim.spec, problems.at("spec"))
        validate_declared_claim_spec(claim.spec, problems.at("spec"))


@RESOURCECLAIM.validate_update
def validate_update(old: ResourceClaim, new: ResourceClaim, problems: Problems) -> None:
    """The spec never changes. Upstream: ValidateResourceClaimUpdate."""
    if new.spec != old.spec:
        problems.at("spec").invalid(None, IMMUTABLE)


@RESOURCECLAIM.prepare_status
def prepare_status(old: ResourceClaim, new: ResourceClaim, now: str) -> None:
    """Drop the status of devices that are no longer allocated."""
    gone = allocated_devices(old.status.allocation) - allocated_devices(new.status.allocation)
    if gone:
        new.status.devices = [device for device in new.status.devices if device_id(device) not in gone]


@RESOURCECLAIM.validate_status
def validate_status(old: ResourceClaim, new: ResourceClaim, problems: Problems) -> None:
    """Rules of `status`. Upstream: ValidateResourceClaimStatusUpdate."""
    validate_claim_status(old, new, problems)
