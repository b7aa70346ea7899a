"""What Pods and PersistentVolumes refer to, as upstream's Node authorizer, NodeRestriction and static Pods read them. Pure.

Upstream: VisitPodSecretNames, VisitPodConfigmapNames, VisitPVSecretNames, HasAPIObjectReference, resourceclaim.PodClaims.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from pilothouse.api.types.core_v1 import Container, EphemeralContainer, PersistentVolume, Pod, Volume

WITH_SECRET_REF = ("cephfs", "cinder", "flexVolume", "rbd", "scaleIO", "iscsi", "storageos")
"""Volume sources that name a Secret in `secretRef`."""
OWN_NAMESPACE_ONLY = frozenset(("cinder", "storageos"))
"""Of a PersistentVolume: their reference says its namespace; that of the others is by default the claim's."""
KUBELET_CSI_SECRETS = ("nodePublishSecretRef", "nodeStageSecretRef", "nodeExpandSecretRef")
"""The Secrets of a CSI volume that the kubelet reads; those for publishing and expanding by a controller are not for nodes."""
WITHOUT_OBJECTS = (
    "awsElasticBlockStore", "azureDisk", "cephfs", "cinder", "downwardAPI", "emptyDir", "fc", "flexVolume", "flocker",
    "gcePersistentDisk", "gitRepo", "hostPath", "image", "iscsi", "nfs", "photonPersistentDisk", "portworxVolume", "quobyte", "rbd",
    "scaleIO", "storageos", "vsphereVolume",
)  # fmt: skip
"""Volume sources that need no object of the API."""
REFERENCES = {
    "configMap": "configmaps (via configmap volumes)",
    "secret": "secrets (via secret volumes)",
    "csi": "csidrivers (via CSI volumes)",
    "glusterfs": "endpoints (via glusterFS volumes)",
    "persistentVolumeClaim": "persistentvolumeclaims",
    "ephemeral": "persistentvolumeclaims (via ephemeral volumes)",
    "azureFile": "secrets (via azureFile volumes)",
}
"""Volume sources that refer to objects, and to which."""
PROJECTED_REFERENCES = {
    "configMap": "configmaps (via projected volumes)",
    "secret": "secrets (via projected volumes)",
    "serviceAccountToken": "serviceaccounts (via projected volumes)",
    "clusterTrustBundle": "clustertrustbundles",
    "podCertificate": "podcertificates",
}


def _containers(pod: Pod) -> Iterable[Container | EphemeralContainer]:
    spec = pod.spec
    return chain(spec.initContainers, spec.containers, spec.ephemeralContainers)


def secret_names(pod: Pod) -> Iterator[str]:
    """The Secrets that a Pod names; some perhaps twice."""
    return filter(None, _secret_names(pod))


def _secret_names(pod: Pod) -> Iterator[str]:
    for reference in pod.spec.imagePullSecrets:
        yield reference.name
    for container in _containers(pod):
        for source in container.envFrom:
            if source.secretRef is not None:
                yield source.secretRef.name
        for variable in container.env:
            if variable.valueFrom is not None and variable.valueFrom.secretKeyRef is not None:
                yield variable.valueFrom.secretKeyRef.name
    for volume in pod.spec.volumes:
        yield from _volume_secrets(volume)


def _volume_secrets(volume: Volume) -> Iterator[str]:
    if volume.projected is not None:
        for source in volume.projected.sources or ():
            if source.secret is not None:
                yield source.secret.name
    elif volume.secret is not None:
        yield volume.secret.secretName
    elif volume.azureFile is not None:
        yield volume.azureFile.secretName
    elif volume.csi is not None:
        if volume.csi.nodePublishSecretRef is not None:
            yield volume.csi.nodePublishSecretRef.name
    elif volume.configMap is None and volume.emptyDir is None and volume.hostPath is None:  # these are most
        for kind in WITH_SECRET_REF:
            other = getattr(volume, kind)
            if other is not None and other.secretRef is not None:
                yield other.secretRef.name


def config_map_names(pod: Pod) -> Iterator[str]:
    """The ConfigMaps that a Pod names; some perhaps twice."""
    return filter(None, _config_map_names(pod))


def _config_map_names(pod: Pod) -> Iterator[str]:
    for container in _containers(pod):
        for source in container.envFrom:
            if source.configMapRef is not None:
                yield source.configMapRef.name
        for variable in container.env:
            if variable.valueFrom is not None and variable.valueFrom.configMapKeyRef is not None:
                yield variable.valueFrom.configMapKeyRef.name
    for volume in pod.spec.volumes:
        if volume.configMap is not None:
            yield volume.configMap.name
        elif volume.projected is not None:
            for projection in volume.projected.sources or ():
                if projection.configMap is not None:
                    yield projection.configMap.name


def claim_names(pod: Pod) -> Iterator[str]:
    """The PersistentVolumeClaims that a Pod names, or that are made for it."""
    for volume in pod.spec.volumes:
        if volume.persistentVolumeClaim is not None:
            if volume.persistentVolumeClaim.claimName:
                yield volume.persistentVolumeClaim.claimName
        elif volume.ephemeral is not None:
            yield f"{pod.metadata.name}-{volume.name}"


def resource_claim_names(pod: Pod) -> Iterator[str]:
    """The ResourceClaims that a Pod names, or that were made for it."""
    made = {status.name: status.resourceClaimName for status in pod.status.resourceClaimStatuses}
    for claim in pod.spec.resourceClaims:
        name = claim.resourceClaimName if claim.resourceClaimName is not None else made.get(claim.name)
        if name is not None:
            yield name
    extended = pod.status.extendedResourceClaimStatus
    if extended is not None and extended.resourceClaimName:
        yield extended.resourceClaimName


def volume_secrets(volume: PersistentVolume) -> Iterator[tuple[str, str]]:
    """The Secrets that the kubelet reads for a PersistentVolume, by namespace and name."""
    spec, claim = volume.spec, volume.spec.claimRef
    home = claim.namespace if claim is not None else ""
    if spec.azureFile is not None:
        named_secrets = [(spec.azureFile.secretNamespace or home, spec.azureFile.secretName)]
    elif spec.csi is not None:
        references: list[Any] = [getattr(spec.csi, kind) for kind in KUBELET_CSI_SECRETS]
        named_secrets = [(reference.namespace, reference.name) for reference in references if reference is not None]
    else:
        references_by_kind = {
            kind: getattr(source, "secretRef", None) for kind in WITH_SECRET_REF if (source := getattr(spec, kind)) is not None
        }
        named_secrets = [
            (reference.namespace or ("" if kind in OWN_NAMESPACE_ONLY else home), reference.name)
            for kind, reference in references_by_kind.items()
            if reference is not None
        ]
    return ((namespace, name) for namespace, name in named_secrets if name)


def refers_to(pod: Pod) -> str | None:
    """Objects of the API that a Pod refers to, as upstream names them; None when it refers to none. ValueError for a volume without a
    source that is known."""
    spec = pod.spec
    if spec.serviceAccountName:
        return "serviceaccounts"
    if any(secret_names(pod)):
        return "secrets"
    if any(config_map_names(pod)):
        return "configmaps"
    if spec.resourceClaims:
        return "resourceclaims"
    return next(filter(None, map(_volume_reference, spec.volumes)), None)


def _volume_reference(volume: Volume) -> str | None:
    if any(getattr(volume, kind) is not None for kind in WITHOUT_OBJECTS):
        return None
    for kind, told in REFERENCES.items():
        if getattr(volume, kind) is not None:
            return told
    if volume.projected is None:
        raise ValueError(f'unknown volume type for volume  "{volume.name}"')
    for source in volume.projected.sources or ():
        for kind, told in PROJECTED_REFERENCES.items():
            if getattr(source, kind) is not None:
                return told
        if source.downwardAPI is None:
            raise ValueError(f'unknown source for projected volume "{volume.name}"')
    return None
