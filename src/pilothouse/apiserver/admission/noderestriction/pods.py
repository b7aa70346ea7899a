"""NodeRestriction for Pods: mirror Pods of the node, and status and eviction of Pods bound to it."""

from __future__ import annotations

from typing import Any

from pilothouse.api import wellknown
from pilothouse.api.core.podreferences import refers_to
from pilothouse.api.types.core_v1 import Node, Pod
from pilothouse.apiserver.admission.plugin import CREATE, DELETE, UPDATE, AdmissionRequest, World, refused
from pilothouse.machinery.errors import not_found
from pilothouse.machinery.meta_v1 import OwnerReference

CLAIM_FIELDS = {
    "resourceClaimStatuses": "cannot update resource claim statues",
    "extendedResourceClaimStatus": "cannot update extended resource claim status",
    "nodeAllocatableResourceClaimStatuses": "cannot update node allocatable resource claim statuses",
}
"""Fields of a Pod's status that the scheduler and a controller write, and what a node is told that changes them."""


async def check(request: AdmissionRequest, world: World, node: str) -> None:
    """Refuse writes to Pods that do not belong to the kubelet's node. Raises StatusError."""
    match request.subresource:
        case "":
            await _check_pod(request, world, node)
        case "status":
            _check_status(request, node)
        case "eviction":
            await _check_eviction(request, world, node)
        case other:
            raise refused(request, f"unexpected pod subresource \"{other}\", only 'status' and 'eviction' are allowed")


async def _check_pod(request: AdmissionRequest, world: World, node: str) -> None:
    if request.operation == CREATE:
        await _check_mirror(request, world, node)
    elif request.operation == DELETE:
        if request.old_object.spec.nodeName != node:
            raise refused(request, f'node "{node}" can only delete pods with spec.nodeName set to itself')
    else:
        raise refused(request, f'unexpected operation "{request.operation}", node "{node}" can only create and delete mirror pods')


async def _check_mirror(request: AdmissionRequest, world: World, node: str) -> None:
    pod: Pod = request.object
    if wellknown.CONFIG_MIRROR not in pod.metadata.annotations:
        raise refused(request, f'pod does not have "{wellknown.CONFIG_MIRROR}" annotation, node "{node}" can only create mirror pods')
    if pod.spec.nodeName != node:
        raise refused(request, f'node "{node}" can only create pods with spec.nodeName set to itself')
    owners = pod.metadata.ownerReferences
    if len(owners) > 1:
        raise refused(request, f'node "{node}" can only create pods with a single owner reference set to itself')
    if not owners or not _is_node(owners[0], node):
        raise refused(request, f'node "{node}" can only create pods with an owner reference set to itself')
    owner = owners[0]
    if not owner.controller:
        raise refused(request, f'node "{node}" can only create pods with a controller owner reference set to itself')
    if owner.blockOwnerDeletion:
        raise refused(request, f'node "{node}" must not set blockOwnerDeletion on an owner reference')
    itself = await world.get(Node, node)
    if itself is None:
        raise not_found("node", "", node)
    if owner.uid != itself.metadata.uid:
        raise refused(request, f"node {node} UID mismatch: expected {owner.uid} got {itself.metadata.uid}")
    _check_references(request, pod, node)


def _is_node(owner: OwnerReference, node: str) -> bool:
    return (owner.apiVersion, owner.kind, owner.name) == ("v1", "Node", node)


def _check_references(request: AdmissionRequest, pod: Pod, node: str) -> None:
    try:
        referred = refers_to(pod)
    except ValueError as error:
        raise refused(request, f"error checking mirror pod for API references: {error}") from error
    if referred is not None:
        raise refused(request, f'node "{node}" can not create pods that reference {referred}')


def _check_status(request: AdmissionRequest, node: str) -> None:
    if request.operation != UPDATE:
        raise refused(request, f'unexpected operation "{request.operation}"')
    old, new = request.old_object, request.object
    if old.spec.nodeName != node:
        raise refused(request, f'node "{node}" can only update pod status for pods with spec.nodeName set to itself')
    if old.metadata.labels != new.metadata.labels:
        raise refused(request, f'node "{node}" cannot update labels through pod status')
    for field, told in CLAIM_FIELDS.items():
        if (getattr(old.status, field) or None) != (getattr(new.status, field) or None):
            raise refused(request, f'node "{node}" {told}')


async def _check_eviction(request: AdmissionRequest, world: World, node: str) -> None:
    if request.operation != CREATE:
        raise refused(request, f"unexpected operation {request.operation}")
    eviction: Any = request.object
    name = request.name or eviction.metadata.name
    if not name:
        raise refused(request, "could not determine pod from request data")
    pod = await world.get(Pod, name, request.namespace)
    if pod is None:
        raise not_found("pod", "", name)
    if pod.spec.nodeName != node:
        raise refused(request, f"node {node} can only evict pods with spec.nodeName set to itself")
