"""NodeRestriction for objects of the node itself (Node, Lease, CSINode, ResourceSlices, certificate requests) and the status of claims."""

from __future__ import annotations

import base64
import binascii
import difflib
from collections.abc import Iterable

import msgspec

from pilothouse.api import wellknown
from pilothouse.api.types.certificates_v1 import CertificateSigningRequest
from pilothouse.api.types.core_v1 import Node, PersistentVolumeClaim
from pilothouse.apiserver.admission.plugin import CREATE, DELETE, UPDATE, AdmissionRequest, World, refused
from pilothouse.apiserver.auth.user import NODE_PREFIX
from pilothouse.machinery import codec

LEASE_NAMESPACE = "kube-node-lease"
NODE_RESTRICTION = "node-restriction.kubernetes.io"
KUBERNETES = ("kubernetes.io", "k8s.io")
KUBELET_LABELS = frozenset((
    "kubernetes.io/hostname", "topology.kubernetes.io/zone", "topology.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/region", "beta.kubernetes.io/instance-type",
    "node.kubernetes.io/instance-type", "kubernetes.io/os", "kubernetes.io/arch", "beta.kubernetes.io/os", "beta.kubernetes.io/arch",
))  # fmt: skip
"""Labels of Kubernetes' own that a kubelet may set."""
KUBELET_DOMAINS = ("kubelet.kubernetes.io", "node.kubernetes.io")
"""Domains of Kubernetes in which, and below which, it may set any."""
KUBELET_SIGNERS = (wellknown.KUBELET_SERVING, wellknown.KUBE_APISERVER_CLIENT_KUBELET)
CLAIM_STATUS_FIELDS = ("capacity", "conditions", "allocatedResourceStatuses", "allocatedResources")
"""What a kubelet may change of a claim."""


async def check_node(request: AdmissionRequest, world: World, node: str) -> None:
    """A Node is written by its own kubelet, without what would steer Pods to it. Raises StatusError."""
    if request.name != node:
        raise refused(request, f'node "{node}" is not allowed to modify node "{request.name}"')
    if request.operation == CREATE:
        made: Node = request.object
        if made.spec.configSource is not None:
            raise refused(request, f'node "{node}" is not allowed to create pods with a non-nil configSource')
        if forbidden := forbidden_labels(made.metadata.labels, {}):
            raise refused(request, f'node "{node}" is not allowed to set the following labels: {", ".join(forbidden)}')
    elif request.operation == UPDATE:
        _check_update(request, node)


def _check_update(request: AdmissionRequest, node: str) -> None:
    old, new = request.old_object, request.object
    if new.spec.configSource is not None and new.spec.configSource != old.spec.configSource:
        raise refused(request, f'node "{node}" is not allowed to update configSource to a new non-nil configSource')
    if (new.spec.taints or []) != (old.spec.taints or []):
        raise refused(request, f'node "{node}" is not allowed to modify taints')
    if new.metadata.ownerReferences != old.metadata.ownerReferences:
        raise refused(request, f'node "{node}" is not allowed to modify ownerReferences')
    if forbidden := forbidden_labels(new.metadata.labels, old.metadata.labels):
        raise refused(request, f"is not allowed to modify labels: {', '.join(forbidden)}")


def forbidden_labels(labels: dict[str, str], before: dict[str, str]) -> list[str]:
    """The labels that differ and that a kubelet may not set, change or remove; sorted."""
    changed = {key for key in {*labels, *before} if labels.get(key) != before.get(key)}
    return sorted(key for key in changed if _is_forbidden(key))


def _is_forbidden(label: str) -> bool:
    domain, slash, _ = label.partition("/")
    if not slash:
        return False
    if _is_within(domain, (NODE_RESTRICTION,)):
        return True
    return _is_within(domain, KUBERNETES) and label not in KUBELET_LABELS and not _is_within(domain, KUBELET_DOMAINS)


def _is_within(domain: str, domains: Iterable[str]) -> bool:
    return any(domain == each or domain.endswith(f".{each}") for each in domains)


async def check_lease(request: AdmissionRequest, world: World, node: str) -> None:
    """A kubelet has the Lease of its node."""
    if request.namespace != LEASE_NAMESPACE:
        raise refused(request, f'can only access leases in the "{LEASE_NAMESPACE}" system namespace')
    if _name(request) != node:
        raise refused(request, "can only access node lease with the same name as the requesting node")


async def check_csi_node(request: AdmissionRequest, world: World, node: str) -> None:
    """A kubelet has the CSINode of its node; its status is an alpha feature that is off."""
    if _name(request) != node:
        raise refused(request, "can only access CSINode with the same name as the requesting node")
    if request.subresource == "status":
        raise refused(request, "CSIVolumeHealth feature gate is disabled")


def _name(request: AdmissionRequest) -> str:
    name: str = request.object.metadata.name if request.operation == CREATE else request.name
    return name


async def check_slice(request: AdmissionRequest, world: World, node: str) -> None:
    """ResourceSlices are made and deleted for the own node; the authorizer judges what is changed."""
    if request.operation in (CREATE, DELETE):
        obj, verb = (request.object, "create") if request.operation == CREATE else (request.old_object, "delete")
        if obj.spec.nodeName != node:
            raise refused(request, f"can only {verb} ResourceSlice with the same NodeName as the requesting node")


async def check_signing_request(request: AdmissionRequest, world: World, node: str) -> None:
    """A certificate of a kubelet names its node."""
    if request.operation != CREATE:
        return
    asked: CertificateSigningRequest = request.object
    if asked.spec.signerName not in KUBELET_SIGNERS:
        return
    try:
        name = common_name(asked.spec.request or "")
    except ValueError as error:
        raise refused(request, f"unable to parse csr: {error}") from error
    if name != NODE_PREFIX + node:
        raise refused(request, f"can only create a node CSR with CN={NODE_PREFIX}{node}")


def common_name(request: str) -> str:
    """The last common name of a certificate request (base64 of PEM), "" without one. Raises ValueError with upstream's message."""
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    try:
        pem = base64.b64decode(request)
    except binascii.Error:
        pem = b""
    if b"-----BEGIN CERTIFICATE REQUEST-----" not in pem and b"-----BEGIN NEW CERTIFICATE REQUEST-----" not in pem:
        raise ValueError("PEM block type must be CERTIFICATE REQUEST")
    names = x509.load_pem_x509_csr(pem).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[-1].value) if names else ""


async def check_claim(request: AdmissionRequest, world: World, node: str) -> None:
    """Allow a kubelet to change only the resize status of a claim."""
    if request.subresource != "status":
        raise refused(request, "may only update PVC status")
    if request.operation != UPDATE:
        raise refused(request, f'unexpected operation "{request.operation}"')
    old, new = _fixed(request.old_object), _fixed(request.object)
    if old != new:
        told = f'node "{node}" is not allowed to update fields other than status.quantity and status.conditions'
        raise refused(request, f"{told}: {_difference(old, new)}")


def _fixed(claim: PersistentVolumeClaim) -> bytes:
    """What must stay of a claim, in a form that can be compared."""
    seen = codec.to_dict(claim)
    for field in ("resourceVersion", "managedFields"):
        seen["metadata"].pop(field, None)
    for field in CLAIM_STATUS_FIELDS:
        seen.get("status", {}).pop(field, None)
    return msgspec.json.encode(seen, order="sorted")


def _difference(old: bytes, new: bytes) -> str:
    before, after = (msgspec.json.format(each, indent=1).decode().splitlines(keepends=True) for each in (old, new))
    return "".join(difflib.unified_diff(before, after))
