"""CustomResourceDefinition: a kind that the cluster's users define."""

from __future__ import annotations

from pilothouse.api.core.columns import CREATED_AT
from pilothouse.api.core.validation.fields import one_of
from pilothouse.api.types.apiextensions_v1 import CustomResourceConversion, CustomResourceDefinition
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import STATUS, Resource
from pilothouse.machinery.strategy import Strategy

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
