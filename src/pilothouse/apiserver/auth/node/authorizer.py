"""Node: grants a kubelet what its own node needs, and nothing of other nodes (upstream's plugin/pkg/auth/authorizer/node).

- Secrets, ConfigMaps, claims, volumes, attachments, ServiceAccounts and resource claims: those that lead to the node in the graph.
- Pods, slices and requests for certificates in lists and watches: those that a field selector narrows to the node.
- Nodes, Leases and CSINodes: the one of the node's own name. What is not known before a write is the plugin NodeRestriction's to judge.
- Everything else: the rules of the ClusterRole `system:node`, as they are at this level.
- It never denies: what it does not grant, another authorizer may.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pilothouse.api.types.rbac_v1 import PolicyRule
from pilothouse.apiserver.auth.authorizer import ALLOWED, DENIED, Attributes, Decision, UserRules
from pilothouse.apiserver.auth.feed import Feeds
from pilothouse.apiserver.auth.node import graph
from pilothouse.apiserver.auth.node.graph import NodeGraph
from pilothouse.apiserver.auth.node.identity import node_of
from pilothouse.apiserver.auth.rbac.compiled import CompiledRules
from pilothouse.apiserver.auth.user import User
from pilothouse.machinery import fields
from pilothouse.machinery.errors import StatusError

LEASE_NAMESPACE = "kube-node-lease"
STORAGE, RESOURCE = "storage.k8s.io", "resource.k8s.io"
CERTIFICATES, COORDINATION = "certificates.k8s.io", "coordination.k8s.io"
OWN_OBJECT_VERBS = ("get", "create", "update", "patch", "delete")
UNRELATED = "no relationship found between node '{}' and this object"
Part = Callable[[str, Attributes], Decision]
"""(node, what is asked) -> the decision for one resource."""


def _no(reason: str) -> Decision:
    return Decision(False, reason)


class NodeAuthorizer:
    """Authorizer of the mode Node. `rules` are those of the ClusterRole `system:node`; `has_certificates` says whether requests for Pods'
    certificates are served."""

    def __init__(self, feeds: Feeds, rules: Sequence[PolicyRule], has_certificates: bool = True) -> None:
        self.graph = NodeGraph(feeds)
        self._rules = CompiledRules(rules)
        self._parts: dict[tuple[str, str], Part] = {
            ("", "secrets"): lambda node, asked: self._read(node, graph.SECRET, asked),
            ("", "configmaps"): lambda node, asked: self._read(node, graph.CONFIG_MAP, asked),
            ("", "persistentvolumeclaims"): self._claim,
            ("", "persistentvolumes"): lambda node, asked: self._get(node, graph.VOLUME, asked),
            (RESOURCE, "resourceclaims"): lambda node, asked: self._get(node, graph.RESOURCE_CLAIM, asked),
            (STORAGE, "volumeattachments"): lambda node, asked: self._get(node, graph.ATTACHMENT, asked),
            ("", "serviceaccounts"): self._service_account,
            (COORDINATION, "leases"): _lease,
            (STORAGE, "csinodes"): _csi_node,
            (RESOURCE, "resourceslices"): self._slice,
            ("", "nodes"): _node,
            ("", "pods"): self._pod,
            (CERTIFICATES, "podcertificaterequests"): self._certificate_request if has_certificates else lambda node, asked: DENIED,
        }

    def authorize(self, user: User, attributes: Attributes) -> Decision:
        """What a kubelet may do; of other users it knows nothing."""
        node = node_of(user)
        if node is None:
            return DENIED
        if not node:
            return _no(f'unknown node for user "{user.name}"')
        part = self._parts.get((attributes.group, attributes.resource)) if not attributes.path else None
        if part is not None:
            return part(node, attributes)
        resource = f"{attributes.resource}/{attributes.subresource}" if attributes.subresource else attributes.resource
        return ALLOWED if self._rules.allows(attributes, resource) else DENIED

    def revision(self) -> int:
        """Never another for what is granted whatever the name: that does not depend on objects."""
        return 0

    def visible_rules(self, user: User, namespace: str) -> UserRules:
        """None that could be listed."""
        if node_of(user) is None:
            return UserRules()
        return UserRules(error="node authorizer does not support user rule resolution", incomplete=True)

    def _related(self, node: str, kind: str, asked: Attributes) -> Decision:
        if not asked.name:
            return _no("No Object name found")
        return ALLOWED if self.graph.leads((kind, asked.namespace, asked.name), node) else _no(UNRELATED.format(node))

    def _get(self, node: str, kind: str, asked: Attributes) -> Decision:
        if asked.verb != "get":
            return _no("can only get individual resources of this type")
        if asked.subresource:
            return _no("cannot get subresource")
        return self._related(node, kind, asked)

    def _read(self, node: str, kind: str, asked: Attributes) -> Decision:
        if asked.verb not in ("get", "list", "watch"):
            return _no("can only read resources of this type")
        if asked.subresource:
            return _no("cannot read subresource")
        if not asked.namespace:
            return _no("can only read namespaced object of this type")
        return self._related(node, kind, asked)

    def _claim(self, node: str, asked: Attributes) -> Decision:
        if asked.subresource != "status":
            return self._get(node, graph.CLAIM, asked)
        if asked.verb not in ("update", "patch"):
            return _no("can only get/update/patch this type")
        return self._related(node, graph.CLAIM, asked)

    def _service_account(self, node: str, asked: Attributes) -> Decision:
        if asked.verb == "get" and not asked.subresource:
            return self._read(node, graph.ACCOUNT, asked)
        if asked.verb != "create" or not asked.name:
            return _no("can only create tokens for individual service accounts")
        if asked.subresource != "token":
            return _no("can only create token subresource of serviceaccount")
        return self._related(node, graph.ACCOUNT, asked)

    def _slice(self, node: str, asked: Attributes) -> Decision:
        if asked.subresource:
            return _no("cannot authorize ResourceSlice subresources")
        match asked.verb:
            case "create":
                return ALLOWED
            case "get" | "update" | "patch" | "delete":
                return self._related(node, graph.SLICE, asked)
            case "watch" | "list" | "deletecollection":
                if is_narrowed(asked, "spec.nodeName", node):
                    return ALLOWED
                return _no("can only list/watch/deletecollection resourceslices with nodeName field selector")
        verbs = "get, watch, list, create, update, patch, delete, deletecollection"
        return _no(f"only the following verbs are allowed for a ResourceSlice: {verbs}")

    def _certificate_request(self, node: str, asked: Attributes) -> Decision:
        if asked.subresource:
            return _no("nodes may not access the status subresource of PodCertificateRequests")
        match asked.verb:
            case "create":
                return ALLOWED
            case "get":
                return self._related(node, graph.CERTIFICATE_REQUEST, asked)
            case "list" | "watch":
                if is_narrowed(asked, "spec.nodeName", node):
                    return ALLOWED
                return _no("can only list/watch podcertificaterequests with nodeName field selector")
        return _no(f"nodes may not {asked.verb} podcertificaterequests")

    def _pod(self, node: str, asked: Attributes) -> Decision:
        match asked.subresource, asked.verb:
            case "", "get":
                return self._get(node, graph.POD, asked)
            case "", "list" | "watch":
                if is_narrowed(asked, "spec.nodeName", node):
                    return ALLOWED
                if asked.name:
                    return self._related(node, graph.POD, asked)
                return _no("can only list/watch pods with spec.nodeName field selector")
            case ("", "create" | "delete") | ("status", "update" | "patch") | ("eviction", "create"):
                return ALLOWED
        return DENIED


def is_narrowed(asked: Attributes, field: str, value: str) -> bool:
    """Whether the field selector asks for this value of a field, and so for nothing else."""
    try:
        selector = fields.parse(asked.field_selector)
    except StatusError:  # whoever reads it says so
        return False
    return any((each.field, each.operator, each.value) == (field, "=", value) for each in selector.requirements)


def _lease(node: str, asked: Attributes) -> Decision:
    if asked.verb not in OWN_OBJECT_VERBS:
        return _no("can only get, create, update, patch, or delete a node lease")
    if asked.namespace != LEASE_NAMESPACE:
        return _no(f'can only access leases in the "{LEASE_NAMESPACE}" system namespace')
    if asked.verb != "create" and asked.name != node:  # the name of what is created is NodeRestriction's to judge
        return _no("can only access node lease with the same name as the requesting node")
    return ALLOWED


def _csi_node(node: str, asked: Attributes) -> Decision:
    if asked.subresource == "status":
        return _no("CSINode status access requires CSIVolumeHealth feature")
    if asked.subresource:
        return _no("cannot authorize CSINode subresources")
    if asked.verb not in OWN_OBJECT_VERBS:
        return _no("can only get, create, update, patch, or delete a CSINode")
    if asked.verb != "create" and asked.name != node:
        return _no("can only access CSINode with the same name as the requesting node")
    return ALLOWED


def _node(node: str, asked: Attributes) -> Decision:
    match asked.subresource, asked.verb:
        case ("", "create" | "update" | "patch") | ("status", "update" | "patch"):
            return ALLOWED
        case "", "get" | "list" | "watch":
            if asked.name == node:
                return ALLOWED
            if not asked.name:
                return _no(f"node '{node}' cannot read all nodes, only its own Node object")
            return _no(f"node '{node}' cannot read '{asked.name}', only its own Node object")
    return DENIED
