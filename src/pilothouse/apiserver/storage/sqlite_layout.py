"""Where keys lay in files of schema 1, and where upstream's etcd has them, and schema 2: built-in kinds without their group."""

from __future__ import annotations

GROUPS = (
    "admissionregistration.k8s.io",
    "apps",
    "autoscaling",
    "batch",
    "certificates.k8s.io",
    "coordination.k8s.io",
    "discovery.k8s.io",
    "flowcontrol.apiserver.k8s.io",
    "networking.k8s.io",
    "node.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "resource.k8s.io",
    "scheduling.k8s.io",
    "storage.k8s.io",
    "storagemigration.k8s.io",
)

MOVED = (
    ("/registry/services/", "/registry/services/specs/"),
    ("/registry/nodes/", "/registry/minions/"),
    ("/registry/endpoints/", "/registry/services/endpoints/"),
    ("/registry/replicationcontrollers/", "/registry/controllers/"),
    ("/registry/networking.k8s.io/ingresses/", "/registry/ingress/"),
    *((f"/registry/{group}/", "/registry/") for group in GROUPS),
)
"""Old and new prefixes, in the order in which they are moved: Services first, before Endpoints come to lie beside them."""
