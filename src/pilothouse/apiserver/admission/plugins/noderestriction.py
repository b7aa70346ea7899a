"""NodeRestriction: limits kubelets to objects of their own node (upstream's plugin/pkg/admission/noderestriction).

Who it is says its user name, `system:node:<name>`, in the group `system:nodes`; other users pass.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from pilothouse.apiserver.admission.noderestriction import nodes, podcertificates, pods, tokens
from pilothouse.apiserver.admission.plugin import CONNECT, PODS, AdmissionRequest, Plugin, World, refused
from pilothouse.apiserver.auth.node.identity import node_of

Check = Callable[[AdmissionRequest, World, str], Awaitable[None]]

CHECKS: Mapping[tuple[str, str], Check] = {
    PODS: pods.check,
    ("", "nodes"): nodes.check_node,
    ("", "persistentvolumeclaims"): nodes.check_claim,
    ("", "serviceaccounts"): tokens.check,
    podcertificates.REQUESTS: podcertificates.check_request,
    ("coordination.k8s.io", "leases"): nodes.check_lease,
    ("storage.k8s.io", "csinodes"): nodes.check_csi_node,
    ("resource.k8s.io", "resourceslices"): nodes.check_slice,
    ("certificates.k8s.io", "certificatesigningrequests"): nodes.check_signing_request,
}
"""(request, world, node) -> refusal, by resource."""


class NodeRestriction(Plugin):
    """Limits kubelets to objects of their own node."""

    name = "NodeRestriction"
    on_by_default = False

    async def mutate(self, request: AdmissionRequest, world: World) -> None:
        """Refuse writes of kubelets to objects of others. Other users and connections pass."""
        node = node_of(request.user)
        if node is None or request.operation == CONNECT:
            return
        if not node:
            raise refused(request, f'could not determine node from user "{request.user.name}"')
        check = CHECKS.get(request.group_plural)
        if check is not None:
            await check(request, world, node)
