"""StorageClass: a class of storage that claims may choose."""

from __future__ import annotations

from typing import Any

from pilothouse.api import wellknown
from pilothouse.api.core.validation.fields import optional_one_of, report
from pilothouse.api.types.core_v1 import TopologySelectorTerm
from pilothouse.api.types.storage_v1 import StorageClass
from pilothouse.machinery import names
from pilothouse.machinery.metadata import IMMUTABLE
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import AGE, Column, Resource
from pilothouse.machinery.strategy import Strategy

MAXIMUM_PARAMETERS, MAXIMUM_PARAMETER_BYTES = 512, 256 * 1024


def is_default(storage_class: Any) -> bool:
    """Whether claims that name no class get this one."""
    return any(storage_class.metadata.annotations.get(key) == "true" for key in wellknown.DEFAULT_STORAGE_CLASS)


STORAGECLASS = Resource(
    StorageClass,
    plural="storageclasses",
    short_names=("sc",),
    namespaced=False,
    columns=(
        Column(
            "Name", lambda storage_class: storage_class.metadata.name + (" (default)" if is_default(storage_class) else ""), format="name"
        ),
        Column("Provisioner", lambda storage_class: storage_class.provisioner),
        Column("ReclaimPolicy", lambda storage_class: storage_class.reclaimPolicy or "Delete"),
        Column("VolumeBindingMode", lambda storage_class: storage_class.volumeBindingMode or "Immediate"),
        Column("AllowVolumeExpansion", lambda storage_class: bool(storage_class.allowVolumeExpansion)),
        AGE,
    ),
    strategy=Strategy(validates_generate_name=True, generation=None, returns_deleted_object=True),
)


@STORAGECLASS.default
def default(storage_class: StorageClass) -> None:
    """Reclaim policy Delete, binding Immediate. Upstream: SetDefaults_StorageClass."""
    if storage_class.reclaimPolicy is None:
        storage_class.reclaimPolicy = "Delete"
    if storage_class.volumeBindingMode is None:
        storage_class.volumeBindingMode = "Immediate"


@STORAGECLASS.validate
def validate(storage_class: StorageClass, problems: Problems) -> None:
    """Provisioner, parameters, policies and topologies. Upstream: ValidateStorageClass."""
    if not storage_class.provisioner:
        problems.at("provisioner").required()
    else:
        report(names.qualified_name(storage_class.provisioner.lower()), storage_class.provisioner.lower(), problems, "provisioner")
    if len(storage_class.parameters) > MAXIMUM_PARAMETERS:
        problems.at("parameters").too_long(MAXIMUM_PARAMETERS)
    for key in storage_class.parameters:
        if not key:
            problems.at("parameters").invalid(key, "field can not be empty.")
    if sum(len(key) + len(value) for key, value in storage_class.parameters.items()) > MAXIMUM_PARAMETER_BYTES:
        problems.at("parameters").too_long(MAXIMUM_PARAMETER_BYTES)
    optional_one_of(storage_class.reclaimPolicy or None, ("Delete", "Retain"), problems, "reclaimPolicy")
    optional_one_of(storage_class.volumeBindingMode, ("Immediate", "WaitForFirstConsumer"), problems, "volumeBindingMode")
    _validate_topologies(storage_class.allowedTopologies, problems.at("allowedTopologies"))


def _validate_topologies(terms: list[TopologySelectorTerm], problems: Problems) -> None:
    """Terms that say the same are one too many."""
    seen: list[dict[str, set[str]]] = []
    for index, term in enumerate(terms):
        wanted: dict[str, set[str]] = {}
        for position, requirement in enumerate(term.matchLabelExpressions):
            here, values = problems.at(index, "matchLabelExpressions", position), requirement.values or []
            if not values:
                here.at("values").required()
            for place, value in enumerate(values):
                if value in values[:place]:
                    here.at("values", place).duplicate(value)
            report(names.qualified_name(requirement.key), requirement.key, here, "key")
            if requirement.key in wanted:
                here.at("key").duplicate(requirement.key)
            wanted[requirement.key] = set(values)
        if wanted in seen or not wanted:  # upstream compares with terms that are not there, too
            problems.at(index, "matchLabelExpressions").duplicate("")
        seen.append(wanted)


@STORAGECLASS.validate_update
def validate_update(old: StorageClass, new: StorageClass, problems: Problems) -> None:
    """Only allowVolumeExpansion, mount options and topologies may change. Upstream: ValidateStorageClassUpdate."""
    for field in ("provisioner", "parameters", "reclaimPolicy", "volumeBindingMode"):
        if getattr(old, field) != getattr(new, field):
            problems.at(field).invalid(None, IMMUTABLE)
