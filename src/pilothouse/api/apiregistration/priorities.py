"""Priorities of API groups and versions in the APIServices that a server registers for itself.

Upstream's kube-apiserver has the same two numbers for each group and version (cmd/kube-apiserver/app/aggregator.go); custom resources
have CUSTOM (the crd registration controller).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Priority:
    """`group`: groupPriorityMinimum, `version`: versionPriority. Higher numbers come first in discovery."""

    group: int
    version: int


CUSTOM = Priority(1000, 100)
GROUPS = {
    "": 18000,
    "apps": 17800,
    "events.k8s.io": 17750,
    "authentication.k8s.io": 17700,
    "authorization.k8s.io": 17600,
    "autoscaling": 17500,
    "batch": 17400,
    "certificates.k8s.io": 17300,
    "networking.k8s.io": 17200,
    "policy": 17100,
    "rbac.authorization.k8s.io": 17000,
    "storage.k8s.io": 16800,
    "admissionregistration.k8s.io": 16700,
    "apiextensions.k8s.io": 16700,
    "scheduling.k8s.io": 16600,
    "coordination.k8s.io": 16500,
    "node.k8s.io": 16300,
    "discovery.k8s.io": 16200,
    "resource.k8s.io": 16200,
    "flowcontrol.apiserver.k8s.io": 16100,
    "storagemigration.k8s.io": 15800,
}
FIRST_GROUP = "apiregistration.k8s.io"
"""The aggregator's own group: before all others, without an APIService."""
FIRST = Priority(20000, 20000)
VERSIONS = {
    ("", "v1"): 1,
    ("autoscaling", "v2"): 30,
    ("flowcontrol.apiserver.k8s.io", "v1"): 21,
    ("resource.k8s.io", "v1"): 21,
}
OTHER_VERSION = 15


def priority_of(group: str, version: str) -> Priority:
    """The priority of a built-in group and version; CUSTOM for any other."""
    if group == FIRST_GROUP:
        return FIRST
    if group not in GROUPS:
        return CUSTOM
    return Priority(GROUPS[group], VERSIONS.get((group, version), OTHER_VERSION))
