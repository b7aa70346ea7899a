"""Content of a clusterTrustBundle projection: one ClusterTrustBundle, or all bundles of a signer that match a label selector.

Each certificate is there once, without what stands around it in the bundles, in an order that means nothing: that of their digests.
Source: upstream's ClusterTrustBundle manager of the kubelet.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from pilothouse.api.certificates.trustanchors import blocks, certificate_text
from pilothouse.api.types.certificates_v1 import ClusterTrustBundle
from pilothouse.api.types.core_v1 import ClusterTrustBundleProjection
from pilothouse.kubelet.launch.environment import Objects
from pilothouse.kubelet.mounts.port import VolumeError
from pilothouse.kubelet.objects import by_signer
from pilothouse.machinery import labels
from pilothouse.machinery.errors import StatusError

NONE_MATCHED = "combination of signerName and labelSelector matched zero ClusterTrustBundles"


async def trust_anchors(objects: Objects, projection: ClusterTrustBundleProjection) -> str:
    """Certificates in PEM; "" when there are none and the projection is optional. Raises VolumeError."""
    try:
        if projection.name is not None:
            return certificates_of([await objects.get(ClusterTrustBundle, "", projection.name)])
        if projection.signerName is None:
            raise VolumeError("ClusterTrustBundle projection requires either name or signerName to be set")
        bundles = await objects.select(ClusterTrustBundle, "", by_signer(projection.signerName))
    except StatusError as error:
        if error.code == 404 and projection.optional:
            return ""
        raise VolumeError(f"while getting ClusterTrustBundle: {error}") from error
    except TimeoutError as error:
        raise VolumeError("ClusterTrustBundle informer has not yet synced") from error
    selector = labels.from_label_selector(projection.labelSelector)
    selected = [bundle for bundle in bundles if selector.matches(bundle.metadata.labels)]
    if not selected and not projection.optional:
        raise VolumeError(NONE_MATCHED)
    return certificates_of(selected)


def certificates_of(bundles: Iterable[ClusterTrustBundle]) -> str:
    """Certificates of the bundles without duplicates."""
    ders = {block.der for bundle in bundles for block in blocks(bundle.spec.trustBundle)}
    return "".join(certificate_text(der) for der in sorted(ders, key=lambda der: hashlib.sha256(der).digest()))
