"""Defaulting of PodSpecs, in Pods and templates."""

from __future__ import annotations

from pilothouse.api.core.defaults.containers import default_container
from pilothouse.api.core.defaults.quantities import canonicalise
from pilothouse.api.core.defaults.volumes import default_volume
from pilothouse.api.types.core_v1 import PodSecurityContext, PodSpec

GRACE_SECONDS = 30


def default_pod_spec(spec: PodSpec) -> None:
    """Default a PodSpec; defaults of Pods alone are in core/pod.py."""
    spec.dnsPolicy = spec.dnsPolicy or "ClusterFirst"
    spec.restartPolicy = spec.restartPolicy or "Always"
    spec.schedulerName = spec.schedulerName or "default-scheduler"
    # The old name of the field and the new one are kept alike, as upstream's conversion keeps them.
    spec.serviceAccountName = spec.serviceAccountName or spec.serviceAccount
    spec.serviceAccount = spec.serviceAccountName
    if spec.securityContext is None:
        spec.securityContext = PodSecurityContext()
    if spec.terminationGracePeriodSeconds is None:
        spec.terminationGracePeriodSeconds = GRACE_SECONDS
    for container in (*spec.initContainers, *spec.containers):
        default_container(container)
    for ephemeral in spec.ephemeralContainers:
        default_container(ephemeral)
    for volume in spec.volumes:
        default_volume(volume)
    canonicalise(spec.overhead)
    if spec.resources:
        canonicalise(spec.resources.limits)
        canonicalise(spec.resources.requests)


def default_host_ports(spec: PodSpec) -> None:
    """On the host network, default hostPort to containerPort. Only in Pods, never in templates."""
    for container in (*spec.initContainers, *spec.containers):
        for port in container.ports:
            port.hostPort = port.hostPort or port.containerPort
