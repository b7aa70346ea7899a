"""Certificates of podCertificate projections: requested with PodCertificateRequests, and renewed before they expire.

- A key is made for each request and never leaves the node. After a restart of the kubelet, certificates are asked for anew, as upstream.
- What a signer denies or fails stays so for the life of the pod. A request that is not there ten minutes after it was made has been
  deleted: another is made. While a certificate is renewed, the one before it is shown.
- `advance` decides; `credentials` asks. Source: upstream's podcertificate manager of the kubelet.
"""

from __future__ import annotations

import asyncio
import base64
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, replace

from pilothouse.api.certificates.trustanchors import blocks, certificate_text
from pilothouse.api.types.certificates_v1 import PodCertificateRequest, PodCertificateRequestSpec
from pilothouse.api.types.core_v1 import Node, Pod, PodCertificateProjection, ServiceAccount
from pilothouse.kubelet.mounts.keys import new_key
from pilothouse.kubelet.mounts.port import Place, VolumeError
from pilothouse.kubelet.objects import of_pod
from pilothouse.machinery import time as times
from pilothouse.machinery.meta_v1 import ObjectMeta, OwnerReference

ABANDONED_SECONDS = 600.0
JITTER_SECONDS = 300
NOT_YET = "credential bundle is not issued yet"
ENDS = {"Denied": "denied", "Failed": "failed"}


@dataclass(frozen=True, slots=True)
class Request:
    """A PodCertificateRequest of the kubelet: its name, its private key in PEM, and when it counts as deleted."""

    name: str
    key: str
    abandoned_at: float


@dataclass(frozen=True, slots=True)
class Credentials:
    """State of one projection. Times are seconds since 1970."""

    key: str = ""
    certificates: str = ""
    renew_at: float = 0.0
    request: Request | None = None
    refusal: str = ""
    """Why there will be no certificate."""


def advance(known: Credentials, requests: Iterable[PodCertificateRequest], now: float, jitter_seconds: float) -> Credentials:
    """The next state of a projection, from the PodCertificateRequests of the Pod."""
    pending = known.request
    if pending is None:
        return known
    request = next((each for each in requests if each.metadata.name == pending.name), None)
    if request is None:
        return replace(known, request=None) if now > pending.abandoned_at else known
    for condition in request.status.conditions:
        if condition.type in ENDS:
            text = (
                f'PodCertificateRequest was permanently {ENDS[condition.type]}: reason="{condition.reason}" message="{condition.message}"'
            )
            return Credentials(refusal=text)
        if condition.type == "Issued":
            chain = "".join(certificate_text(block.der) for block in blocks(request.status.certificateChain))
            renew_at = times.parse(request.status.beginRefreshAt).timestamp() + jitter_seconds
            return Credentials(pending.key, chain, renew_at)
    return known


def must_ask(known: Credentials, now: float) -> bool:
    """Whether a PodCertificateRequest has to be created now."""
    return known.request is None and not known.refusal and now >= known.renew_at


async def credentials(place: Place, index: int, projection: PodCertificateProjection) -> Credentials:
    """Key and certificates of the projection at an index of the volume's sources. Raises VolumeError while there are none."""
    memory, now = f"certificate {index}", place.clock.now().timestamp()
    known: Credentials = place.memory.get(memory, Credentials())
    if known.request is not None:
        requests = await place.objects.select(PodCertificateRequest, place.pod.metadata.namespace, of_pod(place.pod))
        known = place.memory[memory] = advance(known, requests, now, jitter(place.pod))
    if must_ask(known, now):
        known = place.memory[memory] = replace(known, request=await _ask(place, projection, now))
    if not known.certificates:
        raise VolumeError(known.refusal or NOT_YET)
    return known


def jitter(pod: Pod) -> float:
    """Up to five minutes, different for each Pod, so that not all renew at once."""
    return zlib.crc32(pod.metadata.uid.encode()) % JITTER_SECONDS


async def _ask(place: Place, projection: PodCertificateProjection, now: float) -> Request:
    pod, account = place.pod, place.pod.spec.serviceAccountName or "default"
    key, request = await asyncio.to_thread(new_key, projection.keyType)
    service_account = await place.client.get(ServiceAccount, account, pod.metadata.namespace)
    node = await place.client.get(Node, place.node_name)
    owner = OwnerReference(apiVersion="v1", kind="Pod", name=pod.metadata.name, uid=pod.metadata.uid)
    spec = PodCertificateRequestSpec(
        signerName=projection.signerName,
        podName=pod.metadata.name,
        podUID=pod.metadata.uid,
        serviceAccountName=account,
        serviceAccountUID=service_account.metadata.uid,
        nodeName=place.node_name,
        nodeUID=node.metadata.uid,
        maxExpirationSeconds=projection.maxExpirationSeconds,
        stubPKCS10Request=base64.b64encode(request).decode(),
        unverifiedUserAnnotations=dict(projection.userAnnotations),
    )
    meta = ObjectMeta(namespace=pod.metadata.namespace, generateName="req-", ownerReferences=[owner])
    made = await place.client.create(PodCertificateRequest(metadata=meta, spec=spec))
    return Request(made.metadata.name, key, now + ABANDONED_SECONDS + jitter(pod))
