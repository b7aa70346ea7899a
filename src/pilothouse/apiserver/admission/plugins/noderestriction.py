"""NodeRestriction: a kubelet writes its own Node, its own Lease, the pods of its node and requests for their certificates; no others.

Who it is says its user name, `system:node:<name>`, in the group `system:nodes`; other users pass.
"""

from __future__ import annotations

from typing import Any

from pilothouse.api import wellknown
from pilothouse.api.types.core_v1 import Pod
from pilothouse.apiserver.admission import podcertificates
from pilothouse.apiserver.admission.plugin import CONNECT, CREATE, DELETE, PODS, UPDATE, AdmissionRequest, Plugin, World, refused
from pilothouse.apiserver.auth.user import NODES, User

NODE_PREFIX = "system:node:"
NODE_RESOURCE = ("", "nodes")
LEASES = ("coordination.k8s.io", "leases")
LEASE_NAMESPACE = "kube-node-lease"
FOREIGN_LABEL = "node-restriction.kubernetes.io/"


class NodeRestriction(Plugin):
    """Restricts kubelets to their own Node, Lease and pods."""

    name = "NodeRestriction"

    async def mutate(self, request: AdmissionRequest, world: World) -> None:
        """Refuse what a kubelet writes to pods of other nodes, other Nodes or other Leases. Other users pass."""
        node = node_of(request.user)
        if node is None:
            return
        if not node:
            raise refused(request, "could not determine node from user")
        if request.group_plural == PODS:
            await _check_pod(request, world, node)
        elif request.group_plural == NODE_RESOURCE and request.operation != CONNECT:
            _check_node(request, node)
        elif request.group_plural == LEASES:
            _check_lease(request, node)
        elif request.group_plural == podcertificates.REQUESTS:
            await podcertificates.check_request(request, world, node)


def node_of(user: User) -> str | None:
    """The node of a kubelet; "" when it does not say which, None for anybody else."""
    if NODES not in user.groups:
        return None
    return user.name.removeprefix(NODE_PREFIX) if user.name.startswith(NODE_PREFIX) else ""


async def _check_pod(request: AdmissionRequest, world: World, node: str) -> None:
    if request.operation == CREATE and not request.subresource:
        pod: Pod = request.object
        if wellknown.CONFIG_MIRROR not in pod.metadata.annotations:
            raise refused(request, f'pod does not have "{wellknown.CONFIG_MIRROR}" annotation, node "{node}" can only create mirror pods')
        if pod.spec.nodeName != node:
            raise refused(request, f'node "{node}" can only create pods with spec.nodeName set to itself')
        return
    old: Any = request.old_object
    if request.subresource == "eviction":
        old = await world.get(Pod, request.name, request.namespace)
    if request.subresource not in ("", "status", "eviction"):
        raise refused(request, f'unexpected pod subresource "{request.subresource}", only "status" and "eviction" are allowed')
    if request.operation == UPDATE and not request.subresource:
        raise refused(request, f'unexpected operation "{UPDATE}", node "{node}" can only create and delete mirror pods')
    if old is not None and old.spec.nodeName != node:
        what = "delete" if request.operation == DELETE else "update pod status for" if request.subresource == "status" else "evict"
        raise refused(request, f'node "{node}" can only {what} pods with spec.nodeName set to itself')


def _check_node(request: AdmissionRequest, node: str) -> None:
    if request.name != node and request.operation != DELETE:
        raise refused(request, f'node "{node}" is not allowed to modify node "{request.name}"')
    if request.operation == DELETE:
        raise refused(request, f'node "{node}" is not allowed to delete node "{request.name}"')
    labels = request.object.metadata.labels
    before = request.old_object.metadata.labels if request.old_object is not None else {}
    changed = {key for key in {*labels, *before} if labels.get(key) != before.get(key)}
    foreign = sorted(key for key in changed if key.split("/")[0].endswith(FOREIGN_LABEL.rstrip("/")))
    if foreign:
        raise refused(request, f"is not allowed to modify labels: {', '.join(foreign)}")
    if request.operation == UPDATE and request.object.spec.taints != request.old_object.spec.taints:
        raise refused(request, f'node "{node}" is not allowed to modify taints')


def _check_lease(request: AdmissionRequest, node: str) -> None:
    if request.namespace != LEASE_NAMESPACE:
        text = f'can only access leases in the "{LEASE_NAMESPACE}" system namespace'
        raise refused(request, text)
    if request.name != node:
        raise refused(request, "can only access node lease with the same name as the requesting node")
