"""Roles and bindings of Pilothouse's own, beside upstream's: what its components need more, or are bound to by upstream in another way.

- The cluster's DNS is a user of its own; upstream's add-on brings its roles along.
- The API server may use kubelets' servers without being in `system:masters`.
- The administrator's group, as kubeadm has it.
"""

from __future__ import annotations

from typing import Any

from pilothouse.api.types.rbac_v1 import ClusterRole, ClusterRoleBinding, PolicyRule, RoleRef, Subject
from pilothouse.apiserver.auth.rbac.bootstrap import AUTO_UPDATE
from pilothouse.machinery.meta_v1 import ObjectMeta

LABELS = {"kubernetes.io/bootstrapping": "rbac-defaults"}
GROUP = ClusterRole.GVK[0]
DNS, KUBELET_CLIENT = "pilothouse:dns", "pilothouse:kube-apiserver-kubelet-client"
CLUSTER_ADMINS = "kubeadm:cluster-admins"


def _metadata(name: str) -> ObjectMeta:
    return ObjectMeta(name=name, labels=dict(LABELS), annotations={AUTO_UPDATE: "true"})


def _role(name: str, *rules: PolicyRule) -> ClusterRole:
    return ClusterRole(metadata=_metadata(name), rules=[*rules])


def _binding(name: str, role: str, kind: str, subject: str) -> ClusterRoleBinding:
    return ClusterRoleBinding(
        metadata=_metadata(name),
        roleRef=RoleRef(apiGroup=GROUP, kind="ClusterRole", name=role),
        subjects=[Subject(kind=kind, apiGroup=GROUP, name=subject)],
    )


OWN_OBJECTS: tuple[Any, ...] = (
    _role(
        DNS,
        PolicyRule(verbs=["list", "watch"], apiGroups=[""], resources=["namespaces", "services"]),
        PolicyRule(verbs=["list", "watch"], apiGroups=["discovery.k8s.io"], resources=["endpointslices"]),
    ),
    _binding(DNS, DNS, "User", DNS),
    _binding(KUBELET_CLIENT, "system:kubelet-api-admin", "User", "kube-apiserver-kubelet-client"),
    _binding(CLUSTER_ADMINS, "cluster-admin", "Group", CLUSTER_ADMINS),
)
"""They are shared: nobody may change them."""
WITHDRAWN: tuple[tuple[type[Any], str], ...] = (
    (ClusterRoleBinding, "pilothouse:nodes"),
    (ClusterRoleBinding, "pilothouse:kube-controller-manager"),
    (ClusterRole, "pilothouse:kube-controller-manager"),
    (ClusterRoleBinding, "pilothouse:cluster-dns"),
    (ClusterRole, "pilothouse:cluster-dns"),
)
"""What clusters of older versions have, and no cluster should: deleted at the start where it bears LABELS."""
