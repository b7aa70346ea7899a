"""NodeRestriction for PodCertificateRequests: only of Pods on the kubelet's node, with their ServiceAccount and signers.

What may be the lag of a cache (uids, missing objects) is answered with 500, so that the kubelet tries again; what cannot be, with 403.
Source: upstream's NodeRestriction.
"""

from __future__ import annotations

from typing import Any

from pilothouse.api import wellknown
from pilothouse.api.types.certificates_v1 import PodCertificateRequest, PodCertificateRequestSpec
from pilothouse.api.types.core_v1 import Node, Pod, ServiceAccount
from pilothouse.apiserver.admission.plugin import CREATE, AdmissionRequest, World, refused
from pilothouse.apiserver.auth.authorizer import Attributes
from pilothouse.machinery.errors import StatusError, failure, not_found

REQUESTS = ("certificates.k8s.io", "podcertificaterequests")
ASK_FOR_SIGNER = "request-serviceaccounts-podcertificate-signer"


async def check_request(request: AdmissionRequest, world: World, node_name: str) -> None:
    """Refuse a PodCertificateRequest that the kubelet of a node has no reason to make. Raises StatusError."""
    if request.operation != CREATE:
        raise refused(request, f"unexpected operation {request.operation}")
    if request.subresource:
        raise refused(request, f"unexpected subresource {request.subresource}")
    made: PodCertificateRequest = request.object
    spec, shown = made.spec, f'"{request.namespace}/{made.spec.podName}"'
    if spec.nodeName != node_name:
        cause = f'PodCertificateRequest.Spec.NodeName="{spec.nodeName}", which is not the requesting node "{node_name}"'
        raise refused(request, cause)
    node = await world.get(Node, spec.nodeName)
    if node is None:
        raise _missing("node", "node", f'"{spec.nodeName}"', spec.nodeName)
    if node.metadata.uid != spec.nodeUID:
        told = f'names node UID "{spec.nodeUID}", inconsistent with the running node ("{node.metadata.uid}")'
        raise _again(f"PodCertificateRequest for pod {shown} {told}")
    pod = await _pod(request, world, spec, shown)
    await _check_account(request, world, pod, spec, shown)
    if not _names_signer(pod, spec.signerName) and not _may_ask(request, world, spec):
        raise refused(request, f'pod {shown} does not mount a podCertificate projected volume for signer "{spec.signerName}"')


async def _pod(request: AdmissionRequest, world: World, spec: PodCertificateRequestSpec, shown: str) -> Pod:
    pod = await world.get(Pod, spec.podName, request.namespace)
    if pod is None:
        raise _missing("pod", "pod", shown, spec.podName)
    if pod.metadata.uid != spec.podUID:
        told = f'contains pod UID ("{spec.podUID}") which differs from running pod "{pod.metadata.uid}"'
        raise _again(f"PodCertificateRequest for pod {shown} {told}")
    if pod.spec.nodeName != spec.nodeName:
        raise refused(request, f'pod {shown} is not running on node "{spec.nodeName}" named in the PodCertificateRequest')
    if wellknown.CONFIG_MIRROR in pod.metadata.annotations:
        raise refused(request, f"pod {shown} is a mirror pod")
    return pod


async def _check_account(request: AdmissionRequest, world: World, pod: Pod, spec: PodCertificateRequestSpec, shown: str) -> None:
    asked, own = spec.serviceAccountName, pod.spec.serviceAccountName
    if asked != own:
        told = f'contains serviceAccountName ("{asked}") that differs from running pod ("{own}")'
        raise refused(request, f"PodCertificateRequest for pod {shown} {told}")
    account = await world.get(ServiceAccount, asked, request.namespace)
    if account is None:
        raise _missing("service account", "serviceaccount", f'"{request.namespace}/{asked}"', asked)
    if account.metadata.uid != spec.serviceAccountUID:
        told = f'"{spec.serviceAccountUID}", which differs from the running service account ("{account.metadata.uid}")'
        raise _again(f"PodCertificateRequest for pod {shown} names service account UID {told}")


def _names_signer(pod: Pod, signer: str) -> bool:
    sources: list[Any] = [source for volume in pod.spec.volumes if volume.projected for source in volume.projected.sources or ()]
    return any(source.podCertificate is not None and source.podCertificate.signerName == signer for source in sources)


def _may_ask(request: AdmissionRequest, world: World, spec: PodCertificateRequestSpec) -> bool:
    """Whether roles let the kubelet ask the signer for that ServiceAccount though no volume of the pod does."""
    resource = spec.signerName.replace("/", ":")
    group, version = REQUESTS[0], request.resource.version
    asked = Attributes(ASK_FOR_SIGNER, group, version, resource=resource, namespace=request.namespace, name=spec.serviceAccountName)
    return world.may(request.user, asked)


def _missing(what: str, kind: str, shown: str, name: str) -> StatusError:
    return _again(f"while retrieving {what} {shown} named in the PodCertificateRequest: {not_found(kind, '', name)}")


def _again(message: str) -> StatusError:
    return failure(500, "", message)
