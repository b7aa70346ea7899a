"""CSINode: the storage drivers of a Node."""

from __future__ import annotations

from msgspec.structs import replace

from pilothouse.api.core.validation.fields import nonnegative, report
from pilothouse.api.core.validation.remote import validate_csi_driver
from pilothouse.api.internal import internal
from pilothouse.api.types.storage_v1 import CSINode
from pilothouse.machinery import names
from pilothouse.machinery.metadata import IMMUTABLE
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import AGE, STATUS, Column, Resource
from pilothouse.machinery.strategy import METADATA, Strategy

LONGEST_NODE_ID = 256

CSINODE = Resource(
    CSINode,
    plural="csinodes",
    namespaced=False,
    subresources=(STATUS,),
    columns=(Column("Drivers", lambda node: len(node.spec.drivers or ()), type="integer"), AGE),
    reset_fields={"status": ("metadata", "spec")},
    strategy=Strategy(
        validates_generate_name=True, allow_unconditional_update=False, generation=None, returns_deleted_object=True, status_keeps=METADATA
    ),
)


@CSINODE.validate
def validate(node: CSINode, problems: Problems) -> None:
    """Names, node ids and limits of the drivers. Upstream: ValidateCSINode."""
    seen: set[str] = set()
    for index, driver in enumerate(node.spec.drivers or ()):
        here = problems.at("spec", "drivers", index)
        validate_csi_driver(driver.name, here.at("name"))
        if not driver.nodeID:
            here.at("nodeID").required()
        if len(driver.nodeID) > LONGEST_NODE_ID:
            here.at("nodeID").invalid(driver.nodeID, f"must be {LONGEST_NODE_ID} characters or less")
        if driver.allocatable is not None:
            nonnegative(driver.allocatable.count, here, "allocatable", "count")
        if driver.name in seen:
            here.at("name").duplicate(driver.name)
        seen.add(driver.name)
        keys = driver.topologyKeys or []
        for position, key in enumerate(keys):
            if not key:
                here.required()
            if key in keys[:position]:
                here.duplicate(key)
            report(names.qualified_name(key), key, here)


@CSINODE.validate_update
def validate_update(old: CSINode, new: CSINode, problems: Problems) -> None:
    """A driver that stays is as it was, but for the number of volumes."""
    for before in old.spec.drivers or ():
        for after in new.spec.drivers or ():
            kept = replace(after, allocatable=None)
            if after.name == before.name and kept != replace(before, allocatable=None):
                problems.at("spec", "drivers").invalid(internal(kept, "storage.CSINodeDriver"), IMMUTABLE)
