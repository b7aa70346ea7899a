"""VolumeAttachment: a volume that is attached to a Node."""

from __future__ import annotations

from pilothouse.api.core.defaults.quantities import canonicalise
from pilothouse.api.core.defaults.volumes import default_remote
from pilothouse.api.core.persistentvolume import validate_inline_spec
from pilothouse.api.core.validation.declared import validate_declared_driver
from pilothouse.api.core.validation.fields import INT32, report
from pilothouse.api.core.validation.remote import validate_csi_driver
from pilothouse.api.types.storage_v1 import VolumeAttachment, VolumeAttachmentStatus
from pilothouse.machinery import names
from pilothouse.machinery.metadata import IMMUTABLE
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import AGE, STATUS, Column, Resource
from pilothouse.machinery.strategy import METADATA, Strategy

LARGEST_METADATA, LONGEST_MESSAGE = 256 * 1024, 1024
ONE_SOURCE = "must specify exactly one of inlineVolumeSpec and persistentVolumeName"

VOLUMEATTACHMENT = Resource(
    VolumeAttachment,
    plural="volumeattachments",
    namespaced=False,
    subresources=(STATUS,),
    columns=(
        Column("Attacher", lambda attachment: attachment.spec.attacher, format="name"),
        Column("PV", lambda attachment: attachment.spec.source.persistentVolumeName or ""),
        Column("Node", lambda attachment: attachment.spec.nodeName),
        Column("Attached", lambda attachment: attachment.status.attached, type="boolean"),
        AGE,
    ),
    reset_fields={"status": ("metadata", "spec")},
    strategy=Strategy(
        validates_generate_name=True, allow_unconditional_update=False, generation=None, returns_deleted_object=True, status_keeps=METADATA
    ),
)


@VOLUMEATTACHMENT.default
def default(attachment: VolumeAttachment) -> None:
    """Default an inline PersistentVolume spec. Upstream: SetObjectDefaults_VolumeAttachment."""
    inline = attachment.spec.source.inlineVolumeSpec
    if inline is not None:
        canonicalise(inline.capacity)
        default_remote(inline)


@VOLUMEATTACHMENT.validate
def validate(attachment: VolumeAttachment, problems: Problems) -> None:
    """Attacher, node, one source and status. Upstream: ValidateVolumeAttachment."""
    spec, here = attachment.spec, problems.at("spec")
    source, where = spec.source, here.at("source")
    is_new = not attachment.metadata.resourceVersion
    if not is_new:
        validate_csi_driver(spec.attacher, here.at("attacher"))
    if source.inlineVolumeSpec is not None:
        if source.persistentVolumeName is not None:
            where.forbidden(ONE_SOURCE)
        else:
            validate_inline_spec(source.inlineVolumeSpec, where.at("inlineVolumeSpec"))
    elif source.persistentVolumeName is None:
        where.required(ONE_SOURCE)
    report(names.dns_subdomain(spec.nodeName), spec.nodeName, here, "nodeName")
    validate_attachment_status(attachment.status, problems.at("status"))
    if source.persistentVolumeName is not None:
        report(names.dns_subdomain(source.persistentVolumeName), source.persistentVolumeName, where, "persistentVolumeName")
    if is_new:
        validate_declared_driver(spec.attacher, here.at("attacher"))


def validate_attachment_status(status: VolumeAttachmentStatus, problems: Problems) -> None:
    """Size of the metadata, and the errors. Upstream: validateAttachmentMetadata, validateVolumeError."""
    if sum(len(key) + len(value) for key, value in status.attachmentMetadata.items()) > LARGEST_METADATA:
        problems.at("attachmentMetadata").too_long(LARGEST_METADATA)
    for field in ("attachError", "detachError"):
        error = getattr(status, field)
        if error is None:
            continue
        if len(error.message) > LONGEST_MESSAGE:
            problems.at(field, "message").too_long(LONGEST_MESSAGE)
        if (error.errorCode or 0) < 0:
            problems.at(field, "errorCode").invalid(error.errorCode, f"must be between 0 and {INT32}, inclusive")


@VOLUMEATTACHMENT.validate_update
def validate_update(old: VolumeAttachment, new: VolumeAttachment, problems: Problems) -> None:
    """The spec never changes. Upstream: ValidateVolumeAttachmentUpdate."""
    if old.spec != new.spec:
        problems.at("spec").invalid(None, IMMUTABLE)


@VOLUMEATTACHMENT.validate_status
def validate_status(old: VolumeAttachment, new: VolumeAttachment, problems: Problems) -> None:
    """Rules of the whole attachment."""
    validate(new, problems)
