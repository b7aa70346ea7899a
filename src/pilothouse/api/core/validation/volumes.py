"""Validation of volumes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from pilothouse.api.core.defaults.volumes import sources_of
from pilothouse.api.core.validation.claims import validate_claim_spec
from pilothouse.api.core.validation.environment import validate_field_ref, validate_resource_ref
from pilothouse.api.core.validation.fields import optional_one_of, report
from pilothouse.api.core.validation.paths import validate_descending, validate_mode, validate_no_backsteps, validate_unreserved
from pilothouse.api.core.validation.remembered import remembering
from pilothouse.api.core.validation.remote import LONGEST_PORTAL, validate_csi_driver, validate_remote
from pilothouse.api.core.validation.selectors import validate_label_selector
from pilothouse.api.core.validation.signers import (
    CERTIFICATE_PATHS,
    trust_bundle_name_errors,
    validate_pod_certificate,
    validate_signer_name,
)
from pilothouse.api.internal import internal
from pilothouse.api.types.core_v1 import (
    ClusterTrustBundleProjection,
    DownwardAPIVolumeFile,
    KeyToPath,
    ServiceAccountTokenProjection,
    Volume,
    VolumeProjection,
)
from pilothouse.machinery import names, quantity
from pilothouse.machinery.meta_v1 import ObjectMeta
from pilothouse.machinery.metadata import validate_annotations, validate_labels
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.said_empty import is_said

HOST_PATH_TYPES = ("", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket")
DOWNWARD_FIELDS = ("metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid")
LONG_PORTAL = "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is specified."
UPSTREAM_PATHS = {"downwardAPI": "downwarAPI", "cephfs": "cephFS"}
"""Paths under which upstream refuses a source too many, where they are not the field's name."""
ONE_SOURCE = "may not specify more than 1 volume type"
SHORTEST_TOKEN_SECONDS, LONGEST_TOKEN_SECONDS = 600, 1 << 32

REQUIRED: dict[str, tuple[str, ...]] = {
    "secret": ("secretName",), "configMap": ("name",), "persistentVolumeClaim": ("claimName",), "gitRepo": ("repository",),
    "image": ("reference",),
}  # fmt: skip
ORDER = (
    "emptyDir", "hostPath", "gitRepo", "gcePersistentDisk", "awsElasticBlockStore", "secret", "nfs", "iscsi", "glusterfs", "flocker",
    "persistentVolumeClaim", "rbd", "cinder", "cephfs", "quobyte", "downwardAPI", "fc", "flexVolume", "configMap", "azureFile",
    "vsphereVolume", "photonPersistentDisk", "portworxVolume", "azureDisk", "storageos", "projected", "scaleIO", "csi", "ephemeral",
    "image",
)  # fmt: skip
"""The order in which upstream looks at sources: the first counts, and those after it are too many."""


def validate_volumes(volumes: list[Volume], pod_name: str, problems: Problems) -> dict[str, Volume]:
    """The volumes by their names, those alone that have a right one. `pod_name` is "" in a template."""
    by_name: dict[str, Volume] = {}
    made = {f"{pod_name}-{volume.name}" for volume in volumes if volume.ephemeral} if pod_name else set()
    for index, volume in enumerate(volumes):
        here = problems.at(index)
        before = len(here.found)
        _validate_source(volume, pod_name, here)
        if not volume.name:
            here.at("name").required()
        else:
            report(names.dns_label(volume.name), volume.name, here, "name")
        if volume.name in by_name:
            here.at("name").duplicate(volume.name)
        if len(here.found) == before:
            by_name[volume.name] = volume
        claim = volume.persistentVolumeClaim
        if claim and claim.claimName in made:
            message = "must not reference a PVC that gets created for an ephemeral volume"
            here.at("persistentVolumeClaim", "claimName").invalid(claim.claimName, message)
    return by_name


def _validate_source(volume: Volume, pod_name: str, problems: Problems) -> None:
    given = sorted(sources_of(volume), key=ORDER.index)
    if not given:
        problems.required("must specify a volume type")
    for field in given[:1]:
        source, here = getattr(volume, field), problems.at(field)
        for name in REQUIRED.get(field, ()):
            if not getattr(source, name):
                here.at(name).required()
        if field in SPECIAL:
            SPECIAL[field](source, here)
        else:
            validate_remote(field, source, problems)
    for field in given[1:]:
        problems.at(UPSTREAM_PATHS.get(field, field)).forbidden(ONE_SOURCE)
    portal = f"{volume.name}:{volume.iscsi.targetPortal}" if volume.iscsi and volume.iscsi.initiatorName else ""
    if len(portal) > LONGEST_PORTAL:
        problems.at("name").invalid(volume.name, LONG_PORTAL)
    if volume.ephemeral and pod_name and volume.name:
        claim = f"{pod_name}-{volume.name}"
        for message in names.dns_subdomain(claim):
            problems.at("name").invalid(volume.name, f'PVC name "{claim}": {message}')


def _empty_dir(source: Any, problems: Problems) -> None:
    try:
        valid = source.sizeLimit is None or quantity.parse(source.sizeLimit).nanos >= 0
    except ValueError:
        valid = False
    if not valid:
        problems.at("sizeLimit").forbidden("SizeLimit field must be a valid resource quantity")


def validate_host_path(source: Any, problems: Problems) -> None:
    """Validate a hostPath of a Pod's volume or of a PersistentVolume."""
    if not source.path:
        problems.at("path").required()
    else:
        validate_no_backsteps(source.path, problems.at("path"))
        optional_one_of(source.type, HOST_PATH_TYPES, problems, "type")


def _keyed(source: Any, problems: Problems) -> None:
    """Secret and ConfigMap: which keys become which files."""
    validate_mode(source.defaultMode, problems.at("defaultMode"))
    validate_items(source.items, problems)


def validate_items(items: Iterable[KeyToPath], problems: Problems) -> None:
    """Keys, paths and modes of the files of a volume. Upstream: validateKeyToPath."""
    for index, item in enumerate(items):
        here = problems.at("items", index)
        if not item.key:
            here.at("key").required()
        if not item.path:
            here.at("path").required()
        validate_unreserved(item.path, here.at("path"))
        validate_mode(item.mode, here.at("mode"))


def _git(source: Any, problems: Problems) -> None:
    validate_descending(source.directory, problems.at("directory"))


def _csi(source: Any, problems: Problems) -> None:
    validate_csi_driver(source.driver, problems.at("driver"))
    secret = source.nodePublishSecretRef
    if secret is not None and not secret.name:
        problems.at("nodePublishSecretRef", "name").required()
    elif secret is not None:
        report(names.dns_subdomain(secret.name), secret.name, problems, "name")


def _ephemeral(source: Any, problems: Problems) -> None:
    if source.volumeClaimTemplate is None:
        problems.at("volumeClaimTemplate").required()
    else:
        validate_template_metadata(source.volumeClaimTemplate.metadata, problems.at("volumeClaimTemplate", "metadata"))
        validate_claim_spec(source.volumeClaimTemplate.spec, problems.at("volumeClaimTemplate", "spec"))


def validate_template_metadata(meta: ObjectMeta, problems: Problems) -> None:
    """Validate the metadata of a claim template: only labels and annotations are allowed."""
    validate_annotations(meta.annotations, problems.at("annotations"))
    validate_labels(meta.labels, problems.at("labels"))
    for field in type(meta).__struct_fields__:
        value = getattr(meta, field)
        if field not in ("annotations", "labels") and (is_said(value) if isinstance(value, list) else value):
            problems.at("uID" if field == "uid" else field).forbidden("cannot be set")


def _image(source: Any, problems: Problems) -> None:
    optional_one_of(source.pullPolicy or None, ("Always", "IfNotPresent", "Never"), problems, "pullPolicy")


def _downward(source: Any, problems: Problems) -> None:
    validate_mode(source.defaultMode, problems.at("defaultMode"))
    for item in source.items:
        validate_downward_file(item, problems)


def validate_downward_file(item: DownwardAPIVolumeFile, problems: Problems) -> None:
    """A file of the downward API: path, one source, mode. Upstream: validateDownwardAPIVolumeFile."""
    if not item.path:
        problems.at("path").required()
    validate_unreserved(item.path, problems.at("path"))
    if item.fieldRef:
        validate_field_ref(item.fieldRef, DOWNWARD_FIELDS, problems.at("fieldRef"))
        if item.resourceFieldRef:
            problems.invalid("resource", "fieldRef and resourceFieldRef can not be specified simultaneously")
    elif item.resourceFieldRef:
        validate_resource_ref(item.resourceFieldRef, problems.at("resourceFieldRef"), volume=True)
    else:
        problems.required("one of fieldRef and resourceFieldRef is required")
    validate_mode(item.mode, problems.at("mode"))


@remembering
def _projected(source: Any, problems: Problems) -> None:
    validate_mode(source.defaultMode, problems.at("defaultMode"))
    paths: set[str] = set()
    for index, projection in enumerate(source.sources or ()):
        here = problems.at("sources", index)
        for path, told in _validate_projection(projection, here, problems):
            if path and path in paths:
                problems.invalid(told, "conflicting duplicate paths")
            paths.add(path)
        kinds = (
            projection.secret,
            projection.configMap,
            projection.downwardAPI,
            projection.serviceAccountToken,
            projection.clusterTrustBundle,
            projection.podCertificate,
        )
        if sum(kind is not None for kind in kinds) > 1:
            here.forbidden("may not specify more than 1 volume type per source")


def _validate_projection(volume_projection: VolumeProjection, here: Problems, volume: Problems) -> list[tuple[str, str]]:
    """The rules of one source of a projected volume; the paths that it writes, each with how a conflict is told.

    The path of a token is not among them: upstream but warns when another source writes it, too.
    """
    paths: list[tuple[str, str]] = []
    for field in ("secret", "configMap"):
        source = getattr(volume_projection, field)
        if source:
            if not source.name:
                here.at(field, "name").required()
            validate_items(source.items, here.at(field))
            paths += [(item.path, source.name) for item in source.items]
    if volume_projection.downwardAPI:
        for item in volume_projection.downwardAPI.items:
            validate_downward_file(item, here.at("downwardAPI"))
            paths.append((item.path, item.path))
    if volume_projection.serviceAccountToken:
        _validate_token(volume_projection.serviceAccountToken, here.at("serviceAccountToken"), volume)
    if volume_projection.clusterTrustBundle:
        _validate_bundle(volume_projection.clusterTrustBundle, here.at("clusterTrustBundle"))
        paths.append((volume_projection.clusterTrustBundle.path, volume_projection.clusterTrustBundle.path))
    if volume_projection.podCertificate:
        validate_pod_certificate(volume_projection.podCertificate, here.at("podCertificate"))
        paths += [(path, path) for field in CERTIFICATE_PATHS if (path := getattr(volume_projection.podCertificate, field))]
    return paths


def _validate_token(token: ServiceAccountTokenProjection, problems: Problems, volume: Problems) -> None:
    seconds = token.expirationSeconds or 0
    if seconds < SHORTEST_TOKEN_SECONDS:
        problems.at("expirationSeconds").invalid(seconds, "may not specify a duration less than 10 minutes")
    if seconds > LONGEST_TOKEN_SECONDS:
        problems.at("expirationSeconds").invalid(seconds, "may not specify a duration larger than 2^32 seconds")
    if not token.path:
        volume.at("path").required()  # upstream reports this at the volume
    else:
        validate_unreserved(token.path, volume.at("path"))


def _validate_bundle(bundle: ClusterTrustBundleProjection, problems: Problems) -> None:
    if bundle.name is not None and bundle.signerName is not None:
        problems.invalid(internal(bundle, "core.ClusterTrustBundleProjection"), "only one of name and signerName may be used")
    elif bundle.name is not None:
        _validate_bundle_name(bundle.name, problems.at("name"))
        if bundle.labelSelector is not None:
            problems.at("labelSelector").invalid(bundle.labelSelector, "labelSelector must be unset if name is specified")
    elif bundle.signerName is not None:
        if not bundle.signerName:
            problems.at("signerName").required("must be a valid signer name")
        validate_signer_name(bundle.signerName, problems.at("signerName"))
        validate_label_selector(bundle.labelSelector, problems.at("labelSelector"))
    else:
        problems.required("either name or signerName must be specified")
    if not bundle.path:
        problems.at("path").required()
    validate_unreserved(bundle.path, problems.at("path"))


def _validate_bundle_name(name: str, problems: Problems) -> None:
    """What stands before the last colon is the signer's name, with colons for slashes."""
    if not name:
        problems.required("must be a valid object name")
    signer = name.rpartition(":")[0].replace(":", "/")
    for message in trust_bundle_name_errors(name, signer):
        problems.invalid(name, f"not a valid clustertrustbundlename: {message}")


SPECIAL: dict[str, Callable[[Any, Problems], None]] = {
    "emptyDir": _empty_dir, "hostPath": validate_host_path, "secret": _keyed, "configMap": _keyed, "downwardAPI": _downward,
    "projected": _projected, "gitRepo": _git, "csi": _csi, "ephemeral": _ephemeral, "image": _image,
}  # fmt: skip
