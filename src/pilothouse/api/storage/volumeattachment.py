"""VolumeAttachment: a volume that is attached to a Node."""

from __future__ import annotations

from pilothouse.api.types.storage_v1 import VolumeAttachment
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import AGE, STATUS, Column, Resource

VOLUMEATTACHMENT = Resource(
    VolumeAttachment,
    plural="volumeattachments",
    namespaced=False,
    subresources=(STATUS,),
    columns=(
        Column("Attacher", lambda one: one.spec.attacher, format="name"),
        Column("PV", lambda one: one.spec.source.persistentVolumeName),
        Column("Node", lambda one: one.spec.nodeName),
        Column("Attached", lambda one: one.status.attached, type="boolean"),
        AGE,
    ),
    reset_fields={"status": ("metadata", "spec")},
)


@VOLUMEATTACHMENT.validate
def validate(one: VolumeAttachment, problems: Problems) -> None:
    here = problems.at("spec")
    for field in ("attacher", "nodeName"):
        if not getattr(one.spec, field):
            here.at(field).required()
    if not one.spec.source.persistentVolumeName and one.spec.source.inlineVolumeSpec is None:
        here.at("source").required("must specify exactly one of inlineVolumeSpec and persistentVolumeName")


@VOLUMEATTACHMENT.validate_update
def validate_update(old: VolumeAttachment, new: VolumeAttachment, problems: Problems) -> None:
    if old.spec != new.spec:
        problems.at("spec").invalid(new.spec, "field is immutable")
