"""VolumeAttributesClass: a class of changeable attributes of volumes."""

from __future__ import annotations

from pilothouse.api.core.validation.fields import report
from pilothouse.api.types.storage_v1 import VolumeAttributesClass
from pilothouse.machinery import names
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import AGE, Column, Resource
from pilothouse.machinery.strategy import Strategy

DEFAULT_ANNOTATION = "volumeattributesclass.alpha.kubernetes.io/is-default-class"


def _name(one: VolumeAttributesClass) -> str:
    return one.metadata.name + (" (default)" if one.metadata.annotations.get(DEFAULT_ANNOTATION) == "true" else "")


VOLUMEATTRIBUTESCLASS = Resource(
    VolumeAttributesClass,
    plural="volumeattributesclasses",
    short_names=("vac",),
    namespaced=False,
    columns=(Column("Name", _name, format="name"), Column("DriverName", lambda one: one.driverName), AGE),
    strategy=Strategy(generation=None, compares_first=True, returns_deleted_object=True),
)


@VOLUMEATTRIBUTESCLASS.validate
def validate(one: VolumeAttributesClass, problems: Problems) -> None:
    if not one.driverName:
        problems.at("driverName").required()
    report(names.qualified_name(one.driverName.lower()) if one.driverName else (), one.driverName.lower(), problems, "driverName")
    if "" in one.parameters:
        problems.at("parameters").invalid("", "field can not be empty.")
    if not one.parameters:
        problems.at("parameters").required("must contain at least one key/value pair")


@VOLUMEATTRIBUTESCLASS.validate_update
def validate_update(old: VolumeAttributesClass, new: VolumeAttributesClass, problems: Problems) -> None:
    for field in ("driverName", "parameters"):
        if getattr(new, field) != getattr(old, field):
            problems.at(field).forbidden(f"updates to {field} are forbidden.")
