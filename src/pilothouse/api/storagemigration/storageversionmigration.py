"""StorageVersionMigration: a request to write every object of a resource anew. Nothing acts on it here yet."""

from __future__ import annotations

from pilothouse.api.core.validation.conditions import validate_conditions
from pilothouse.api.internal import internal
from pilothouse.api.types.storagemigration_v1 import StorageVersionMigration
from pilothouse.machinery import names, strconv
from pilothouse.machinery.metadata import IMMUTABLE
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import STATUS, Column, Resource
from pilothouse.machinery.strategy import METADATA, Strategy

SUCCEEDED, FAILED = "Succeeded", "Failed"


def _is_true(migration: StorageVersionMigration, type: str) -> bool:
    return any(condition.type == type and condition.status == "True" for condition in migration.status.conditions)


def _state(migration: StorageVersionMigration) -> str:
    return next((condition.type for condition in migration.status.conditions if condition.status == "True"), "Unknown")


STORAGEVERSIONMIGRATION = Resource(
    StorageVersionMigration,
    plural="storageversionmigrations",
    namespaced=False,
    subresources=(STATUS,),
    columns=(
        Column("Name", lambda migration: migration.metadata.name),
        Column(
            "Resource",
            lambda migration: (
                migration.spec.resource.resource + (f".{migration.spec.resource.group}" if migration.spec.resource.group else "")
            ),
        ),
        Column("Status", _state),
    ),
    reset_fields={"status": ("metadata", "spec")},
    strategy=Strategy(validates_generate_name=True, allow_unconditional_update=False, generation=None, status_keeps=METADATA),
)


@STORAGEVERSIONMIGRATION.validate
def validate(migration: StorageVersionMigration, problems: Problems) -> None:
    """Resource and group. Upstream: ValidateStorageVersionMigration."""
    target, here = migration.spec.resource, problems.at("spec", "resource")
    if not target.resource:
        here.at("resource").required("resource is required to be set")
    elif wrong := names.dns1035_label(target.resource):
        here.at("resource").invalid(target.resource, ",".join(wrong))
    if target.group and (wrong := names.dns_subdomain(target.group)):
        here.at("group").invalid(target.group, ",".join(wrong))


@STORAGEVERSIONMIGRATION.validate_update
def validate_update(old: StorageVersionMigration, new: StorageVersionMigration, problems: Problems) -> None:
    """The spec never changes. Upstream: ValidateStorageVersionMigrationUpdate."""
    if new.spec != old.spec:
        problems.at("spec").invalid(internal(new.spec, "storagemigration.StorageVersionMigrationSpec"), IMMUTABLE)


@STORAGEVERSIONMIGRATION.validate_status
def validate_status(old: StorageVersionMigration, new: StorageVersionMigration, problems: Problems) -> None:
    """Resource version and conditions, which are final. Upstream: ValidateStorageVersionMigrationStatusUpdate."""
    here, version = problems.at("status"), new.status.resourceVersion
    if version and strconv.unsigned(version) is None:
        here.at("resourceVersion").invalid(version, f'resource version is not well formed: "{version}"')
    validate_conditions(new.status.conditions, here.at("conditions"))
    if old.status.resourceVersion and old.status.resourceVersion != version:
        here.at("resourceVersion").invalid(version, "field is immutable")
    conditions = here.at("conditions")
    if _is_true(new, SUCCEEDED) and _is_true(new, FAILED):
        conditions.invalid(new.status.conditions, "Both success and failed conditions cannot be true at the same time")
    if _is_true(old, SUCCEEDED) and not _is_true(new, SUCCEEDED):
        conditions.invalid(new.status.conditions, "Success condition cannot be set to false once it is true")
    if _is_true(old, FAILED) and not _is_true(new, FAILED):
        conditions.invalid(new.status.conditions, "Failed condition cannot be set to false once it is true")
