"""Rules of volumes that lie elsewhere, alike in a Pod and in a PersistentVolume: which fields must be there, and what they may hold."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from pilothouse.api.core.validation.fields import report
from pilothouse.api.types.core_v1 import ISCSIPersistentVolumeSource
from pilothouse.machinery import names
from pilothouse.machinery.problems import Problems

REQUIRED: dict[str, tuple[str, ...]] = {
    "nfs": ("server", "path"), "iscsi": ("targetPortal", "iqn"), "glusterfs": ("endpoints", "path"), "rbd": ("monitors", "image"),
    "cinder": ("volumeID",), "cephfs": ("monitors",), "flexVolume": ("driver",), "azureFile": ("secretName", "shareName"),
    "azureDisk": ("diskName", "diskURI"), "vsphereVolume": ("volumePath",), "photonPersistentDisk": ("pdID",),
    "portworxVolume": ("volumeID",), "scaleIO": ("gateway", "system", "volumeName"),
    "gcePersistentDisk": ("pdName",), "awsElasticBlockStore": ("volumeID",), "storageos": ("volumeName",),
}  # fmt: skip
PATHS = {"gcePersistentDisk": "persistentDisk"}
"""Where upstream calls a field otherwise."""
PARTITION = "must be between 1 and 255, inclusive"
INITIATORS = {
    "iqn": r"iqn\.\d{4}-\d{2}\.([A-Za-z0-9.-]+)(:[^,;*&$|\s]+)$",
    "eui": r"^eui.[A-Za-z0-9]{16}$",
    "naa": r"^naa.[A-Za-z0-9]{32}$",
}
NAMES_OF_OTHERS = (".kubernetes.io", ".k8s.io")
REGISTRY = "must be a host:port pair or multiple pairs separated by commas"
LONGEST_DRIVER, LONGEST_PORTAL, LONGEST_TENANT = 63, 64, 64
CACHING, KINDS = ("None", "ReadOnly", "ReadWrite"), ("Dedicated", "Managed", "Shared")
MANAGED = "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}"
BLOB = "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd"


def validate_remote(field: str, source: Any, problems: Problems) -> None:
    """`problems` stands at the volume, or at the spec of a PersistentVolume."""
    here = problems.at(PATHS.get(field, field))
    for name in REQUIRED.get(field, ()):
        if not getattr(source, name):
            here.at(name).required()
    if field in SPECIAL:
        SPECIAL[field](source, here)


def validate_csi_driver(driver: str, problems: Problems) -> None:
    """Name of a CSI driver: a DNS subdomain of up to 63 characters. Upstream: ValidateCSIDriverName."""
    if not driver:
        problems.required()
        return
    if len(driver) > LONGEST_DRIVER:
        problems.too_long(LONGEST_DRIVER)
    report(names.dns_subdomain(driver.lower()), driver, problems)


def _nfs(source: Any, problems: Problems) -> None:
    if not source.path.startswith("/"):
        problems.at("path").invalid(source.path, "must be an absolute path")


def _iscsi(source: Any, problems: Problems) -> None:
    if source.iqn:
        _initiator(source.iqn, source, problems.at("iqn"))
    if not 0 <= source.lun <= 255:
        problems.at("lun").invalid(source.lun, "must be between 0 and 255, inclusive")
    if (source.chapAuthDiscovery or source.chapAuthSession) and source.secretRef is None:
        problems.at("secretRef").required()
    if source.secretRef is not None and isinstance(source, ISCSIPersistentVolumeSource) and not source.secretRef.name:
        problems.at("secretRef", "name").required()
    if source.initiatorName is not None:
        _initiator(source.initiatorName, source, problems.at("initiatorname"))


def _initiator(name: str, source: Any, problems: Problems) -> None:
    pattern = INITIATORS.get(name[:3])
    if pattern is None and not isinstance(source, ISCSIPersistentVolumeSource):
        problems.invalid(name, "must be valid format starting with iqn, eui, or naa")
    elif pattern is None or not re.search(pattern, name):
        problems.invalid(name, "must be valid format")


def _glusterfs(source: Any, problems: Problems) -> None:
    namespace = getattr(source, "endpointsNamespace", None)
    if namespace == "":
        problems.at("endpointsNamespace").invalid("", "if the endpointnamespace is set, it must be a valid namespace name")
    elif namespace is not None:
        report(names.dns_label(namespace), namespace, problems, "endpointsNamespace")


def _azure_file(source: Any, problems: Problems) -> None:
    if getattr(source, "secretNamespace", None) == "":
        problems.at("secretNamespace").required()


def _fc(source: Any, problems: Problems) -> None:
    here = problems.at("targetWWNs")
    if not source.targetWWNs and not source.wwids:
        here.required("must specify either targetWWNs or wwids, but not both")
    if source.targetWWNs and source.wwids:
        here.invalid(source.targetWWNs, "targetWWNs and wwids can not be specified simultaneously")
    if source.targetWWNs and source.lun is None:
        problems.at("lun").required("lun is required if targetWWNs is specified")
    elif source.targetWWNs and not 0 <= source.lun <= 255:
        problems.at("lun").invalid(source.lun, "must be between 0 and 255, inclusive")


def _partitioned(source: Any, problems: Problems) -> None:
    if not 0 <= (source.partition or 0) <= 255:
        problems.at("partition").invalid(source.partition, PARTITION)


def _flocker(source: Any, problems: Problems) -> None:
    if not source.datasetName and not source.datasetUUID:
        problems.required("one of datasetName and datasetUUID is required")
    if source.datasetName and source.datasetUUID:
        problems.invalid("resource", "datasetName and datasetUUID can not be specified simultaneously")
    if "/" in source.datasetName:
        problems.at("datasetName").invalid(source.datasetName, "must not contain '/'")


def _quobyte(source: Any, problems: Problems) -> None:
    if not source.registry:
        problems.at("registry").required(REGISTRY)
    elif len(source.tenant) > LONGEST_TENANT:
        problems.at("tenant").required("must be a UUID and may not exceed a length of 64 characters")
    else:
        for pair in source.registry.split(","):
            if not re.fullmatch(r"([^:]*|\[[^]]*\]):[^:]*", pair):
                problems.at("registry").invalid(source.registry, REGISTRY)
    if not source.volume:
        problems.at("volume").required()


def _secret(source: Any, problems: Problems) -> None:
    """A secret that is referred to has a name and, where it may lie elsewhere, a namespace."""
    for part in ("name", "namespace"):
        if source.secretRef is not None and getattr(source.secretRef, part, "-") == "":
            problems.at("secretRef", part).required()


def _storageos(source: Any, problems: Problems) -> None:
    for field in ("volumeName", "volumeNamespace"):
        value = getattr(source, field)
        if value:
            report(names.dns_label(value), value, problems, field)
    _secret(source, problems)


def _flex(source: Any, problems: Problems) -> None:
    for key in source.options:
        if f".{key.partition('/')[0].lower()}".endswith(NAMES_OF_OTHERS):
            problems.at("options", f"[{key}]").invalid(key, "kubernetes.io and k8s.io namespaces are reserved")


def _azure_disk(source: Any, problems: Problems) -> None:
    if source.cachingMode and source.cachingMode not in CACHING:
        problems.at("cachingMode").not_supported(source.cachingMode, CACHING)
    if source.kind and source.kind not in KINDS:
        problems.at("kind").not_supported(source.kind, KINDS)
    if source.kind == "Managed" and not source.diskURI.startswith("/subscriptions/"):
        problems.at("diskURI").not_supported(source.diskURI, (MANAGED,))
    if source.kind and source.kind != "Managed" and not source.diskURI.startswith("https://"):
        problems.at("diskURI").not_supported(source.diskURI, (BLOB,))


SPECIAL: dict[str, Callable[[Any, Problems], None]] = {
    "nfs": _nfs, "iscsi": _iscsi, "fc": _fc, "gcePersistentDisk": _partitioned, "awsElasticBlockStore": _partitioned,
    "flocker": _flocker, "quobyte": _quobyte, "cinder": _secret, "storageos": _storageos, "flexVolume": _flex, "azureDisk": _azure_disk,
    "glusterfs": _glusterfs, "azureFile": _azure_file,
}  # fmt: skip
