"""CustomResourceDefinition: a kind that the cluster's users define."""

from __future__ import annotations

import msgspec

from pilothouse.api.apiextensions import compaction, nested, validation
from pilothouse.api.apiextensions.conditions import CLEANUP_FINALIZER, ESTABLISHED, TERMINATING, TRUE, condition, is_true, with_condition
from pilothouse.api.apiextensions.warnings import new_warnings
from pilothouse.api.core.columns import CREATED_AT
from pilothouse.api.types.apiextensions_v1 import CustomResourceConversion, CustomResourceDefinition
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import STATUS, Column, Resource
from pilothouse.machinery.strategy import Strategy

HTTPS_PORT = 443
OFFLOAD_BYTES = 4 * 1024
"""Of a definition's JSON: its validation takes a fifth of a millisecond a kilobyte, with CEL rules two."""


def begin_deletion(definition: CustomResourceDefinition, now: str) -> None:
    """Set deletionTimestamp, the clean-up finalizer and the condition Terminating; the definition is removed after its instances."""
    meta, status = definition.metadata, definition.status
    meta.deletionTimestamp = now
    if CLEANUP_FINALIZER not in meta.finalizers:
        meta.finalizers = [*meta.finalizers, CLEANUP_FINALIZER]
    told = "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon"
    status.conditions = with_condition(status.conditions, condition(TERMINATING, TRUE, "InstanceDeletionPending", told), now)


def served_versions(definition: CustomResourceDefinition) -> str:
    """The served versions by name, the stored one marked."""
    served = (version for version in definition.spec.versions or () if version.served)
    return ",".join(sorted(f"{version.name}(storage)" if version.storage else version.name for version in served))


COLUMNS = (
    Column("Scope", lambda definition: definition.spec.scope, description="Cluster/Namespaced"),
    Column("Versions", served_versions, description="Served versions"),
    CREATED_AT,
    Column("Group", lambda definition: definition.spec.group, priority=1, description="API group"),
    Column("Kind", lambda definition: definition.spec.names.kind, priority=1, description="CustomResource kind"),
    Column("ShortNames", lambda definition: ",".join(definition.spec.names.shortNames), priority=1, description="Short names"),
    Column(
        "Established", lambda definition: is_true(definition, ESTABLISHED), type="boolean", priority=1, description="Established status"
    ),
)

CUSTOMRESOURCEDEFINITION = Resource(
    CustomResourceDefinition,
    plural="customresourcedefinitions",
    short_names=("crd", "crds"),
    categories=("api-extensions",),
    namespaced=False,
    subresources=(STATUS,),
    columns=COLUMNS,
    strategy=Strategy(
        any_finalizer=True,
        allow_unconditional_update=False,
        storage_prefix="apiextensions.k8s.io/customresourcedefinitions",
        begin_deletion=begin_deletion,
    ),
)
CUSTOMRESOURCEDEFINITION.offload_bytes = OFFLOAD_BYTES
CUSTOMRESOURCEDEFINITION.compact = compaction.compact


@CUSTOMRESOURCEDEFINITION.default
def default(definition: CustomResourceDefinition) -> None:
    """Singular and list names, conversion None, port of a conversion webhook, and the stored version in `status.storedVersions`.

    Upstream: SetDefaults_CustomResourceDefinitionSpec.
    """
    nested.read(definition)
    names = definition.spec.names
    names.singular = names.singular or names.kind.lower()
    names.listKind = names.listKind or (f"{names.kind}List" if names.kind else "")
    definition.spec.conversion = definition.spec.conversion or CustomResourceConversion(strategy="None")
    webhook = definition.spec.conversion.webhook
    if webhook is not None and webhook.clientConfig is not None and (service := webhook.clientConfig.service) is not None:
        service.port = HTTPS_PORT if service.port is None else service.port
    stored = next((version.name for version in definition.spec.versions or () if version.storage), None)
    if stored is not None and not definition.status.storedVersions:
        definition.status.storedVersions = [stored]


@CUSTOMRESOURCEDEFINITION.validate_create
def validate(definition: CustomResourceDefinition, problems: Problems) -> None:
    """Rules of a new definition; CEL rules are compiled. Upstream: ValidateCustomResourceDefinition."""
    from pilothouse.api.apiextensions.rules.compiling import Definition  # late: CEL takes 60 ms to import

    validation.validate(definition, problems, Definition())


@CUSTOMRESOURCEDEFINITION.validate_update
def validate_update(old: CustomResourceDefinition, new: CustomResourceDefinition, problems: Problems) -> None:
    """Rules of a changed definition; CEL rules that did not change are tolerated. Upstream: ValidateCustomResourceDefinitionUpdate."""
    from pilothouse.api.apiextensions.rules.compiling import Definition, expressions_of

    validation.validate_update(old, new, problems, Definition(expressions_of(old)))


@CUSTOMRESOURCEDEFINITION.validate_status
def validate_status(old: CustomResourceDefinition, new: CustomResourceDefinition, problems: Problems) -> None:
    """Rules of `status`: names, conditions, stored versions. Upstream: ValidateUpdateCustomResourceDefinitionStatus."""
    validation.validate_status(new, problems)


@CUSTOMRESOURCEDEFINITION.warn
def warn(new: CustomResourceDefinition, old: CustomResourceDefinition | None) -> list[str]:
    """Warnings for what is new in the definition and can have no effect."""
    return new_warnings(old, new)


@CUSTOMRESOURCEDEFINITION.prepare_create
def prepare_create(definition: CustomResourceDefinition) -> None:
    """Note the version in which objects will be stored."""
    _note_stored_version(definition)


@CUSTOMRESOURCEDEFINITION.prepare_update
def prepare_update(old: CustomResourceDefinition, new: CustomResourceDefinition) -> None:
    """Note the version in which objects will be stored from now on; versions noted before stay."""
    _note_stored_version(new)


@CUSTOMRESOURCEDEFINITION.prepare_status
def prepare_status(old: CustomResourceDefinition, new: CustomResourceDefinition, now: str) -> None:
    """An empty list of stored versions is filled in again, as defaults do."""
    if not new.status.storedVersions:
        _note_stored_version(new)


def _note_stored_version(definition: CustomResourceDefinition) -> None:
    """The storage version joins those in which objects may be stored; who has migrated them takes the others away."""
    known = definition.status.storedVersions or []
    stored = next((version.name for version in definition.spec.versions or () if version.storage), None)
    if stored is not None and stored not in known:
        definition.status = msgspec.structs.replace(definition.status, storedVersions=[*known, stored])
