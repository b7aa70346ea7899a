"""VolumeAttributesClass: a class of changeable attributes of volumes."""

from __future__ import annotations

from pilothouse.api.core.validation.fields import report
from pilothouse.api.types.storage_v1 import VolumeAttributesClass
from pilothouse.machinery import names
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import AGE, Column, Resource
from pilothouse.machinery.strategy import Strategy

DEFAULT_ANNOTATION = "volumeattributesclass.alpha.kubernetes.io/is-default-class"


def _name(attributes_class: VolumeAttributesClass) -> str:
    return attributes_class.metadata.name + (
        " (default)" if attributes_class.metadata.annotations.get(DEFAULT_ANNOTATION) == "true" else ""
    )


VOLUMEATTRIBUTESCLASS = Resource(
    VolumeAttributesClass,
    plural="volumeattributesclasses",
    short_names=("vac",),
    namespaced=False,
    columns=(Column("Name", _name, format="name"), Column("DriverName", lambda attributes_class: attributes_class.driverName), AGE),
    strategy=Strategy(validates_generate_name=True, generation=None, compares_first=True, returns_deleted_object=True),
)


@VOLUMEATTRIBUTESCLASS.validate
def validate(attributes_class: VolumeAttributesClass, problems: Problems) -> None:
    """Driver, and at least one parameter. Upstream: ValidateVolumeAttributesClass."""
    if not attributes_class.driverName:
        problems.at("driverName").required()
    report(
        names.qualified_name(attributes_class.driverName.lower()) if attributes_class.driverName else (),
        attributes_class.driverName.lower(),
        problems,
        "driverName",
    )
    if "" in attributes_class.parameters:
        problems.at("parameters").invalid("", "field can not be empty.")
    if not attributes_class.parameters:
        problems.at("parameters").required("must contain at least one key/value pair")


@VOLUMEATTRIBUTESCLASS.validate_update
def validate_update(old: VolumeAttributesClass, new: VolumeAttributesClass, problems: Problems) -> None:
    """Driver and parameters never change. Upstream: ValidateVolumeAttributesClassUpdate."""
    for field in ("driverName", "parameters"):
        if getattr(new, field) != getattr(old, field):
            problems.at(field).forbidden(f"updates to {field} are forbidden.")
