"""CustomResourceDefinition: a kind that the cluster's users define."""

from __future__ import annotations

import msgspec

from pilothouse.api.apiextensions.conditions import CLEANUP_FINALIZER, TERMINATING, TRUE, condition, with_condition
from pilothouse.api.core.columns import CREATED_AT
from pilothouse.api.core.validation.fields import one_of
from pilothouse.api.types.apiextensions_v1 import CustomResourceConversion, CustomResourceDefinition
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import STATUS, Resource
from pilothouse.machinery.strategy import Strategy


def begin_deletion(definition: CustomResourceDefinition, now: str) -> None:
    """What the first delete makes of a definition: it goes when its instances have gone."""
    meta, status = definition.metadata, definition.status
    meta.deletionTimestamp = now
    if CLEANUP_FINALIZER not in meta.finalizers:
        meta.finalizers = [*meta.finalizers, CLEANUP_FINALIZER]
    told = "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon"
    status.conditions = with_condition(status.conditions, condition(TERMINATING, TRUE, "InstanceDeletionPending", told), now)


CUSTOMRESOURCEDEFINITION = Resource(
    CustomResourceDefinition,
    plural="customresourcedefinitions",
    short_names=("crd", "crds"),
    categories=("api-extensions",),
    namespaced=False,
    subresources=(STATUS,),
    columns=(CREATED_AT,),
    strategy=Strategy(
        any_finalizer=True,
        allow_unconditional_update=False,
        storage_prefix="apiextensions.k8s.io/customresourcedefinitions",
        begin_deletion=begin_deletion,
    ),
)


@CUSTOMRESOURCEDEFINITION.default
def default(one: CustomResourceDefinition) -> None:
    names = one.spec.names
    names.singular = names.singular or names.kind.lower()
    names.listKind = names.listKind or (f"{names.kind}List" if names.kind else "")
    one.spec.conversion = one.spec.conversion or CustomResourceConversion(strategy="None")


@CUSTOMRESOURCEDEFINITION.validate
def validate(one: CustomResourceDefinition, problems: Problems) -> None:
    spec, here = one.spec, problems.at("spec")
    wanted = f"{spec.names.plural}.{spec.group}"
    if one.metadata.name != wanted:
        problems.at("metadata", "name").invalid(one.metadata.name, 'must be spec.names.plural+"."+spec.group')
    for field in ("plural", "singular", "kind", "listKind"):
        if not getattr(spec.names, field):
            here.at("names", field).required()
    if not spec.group:
        here.at("group").required()
    one_of(spec.scope, ("Cluster", "Namespaced"), here, "scope")
    if sum(version.storage for version in spec.versions or ()) != 1:
        here.at("versions").invalid(spec.versions, "must have exactly one version marked as storage version")


@CUSTOMRESOURCEDEFINITION.prepare_create
def prepare_create(definition: CustomResourceDefinition) -> None:
    _note_stored_version(definition)


@CUSTOMRESOURCEDEFINITION.prepare_update
def prepare_update(old: CustomResourceDefinition, new: CustomResourceDefinition) -> None:
    _note_stored_version(new)


def _note_stored_version(definition: CustomResourceDefinition) -> None:
    """The storage version joins those in which objects may be stored; who has migrated them takes the others away."""
    known = definition.status.storedVersions or []
    stored = next((version.name for version in definition.spec.versions or () if version.storage), "")
    if stored and stored not in known:
        definition.status = msgspec.structs.replace(definition.status, storedVersions=[*known, stored])
