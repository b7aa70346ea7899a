"""Roles and bindings of Pilothouse's own, beside upstream's: what its components need more, or are bound to by upstream in another way.

- The controllers act as one user, `system:kube-controller-manager`; upstream's act as a ServiceAccount each.
- The cluster's DNS acts as kube-proxy does, and looks at namespaces.
"""

from __future__ import annotations

from typing import Any

from pilothouse.api.types.rbac_v1 import ClusterRole, ClusterRoleBinding, PolicyRule, RoleRef, Subject
from pilothouse.apiserver.auth.rbac.bootstrap import AUTO_UPDATE
from pilothouse.machinery.meta_v1 import ObjectMeta

LABELS = {"kubernetes.io/bootstrapping": "rbac-defaults"}
GROUP = ClusterRole.GVK[0]
CONTROLLERS, DNS = "pilothouse:kube-controller-manager", "pilothouse:cluster-dns"


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
        CONTROLLERS,
        PolicyRule(verbs=["*"], apiGroups=["*"], resources=["*"]),
        PolicyRule(verbs=["get"], nonResourceURLs=["*"]),
    ),
    _role(DNS, PolicyRule(verbs=["list", "watch"], apiGroups=[""], resources=["namespaces"])),
    _binding(CONTROLLERS, CONTROLLERS, "User", "system:kube-controller-manager"),
    _binding(DNS, DNS, "User", "system:kube-proxy"),
)
"""They are shared: nobody may change them."""
WITHDRAWN: tuple[tuple[type[Any], str], ...] = ((ClusterRoleBinding, "pilothouse:nodes"),)
"""What clusters of older versions have, and no cluster should: deleted at the start where it bears LABELS."""
