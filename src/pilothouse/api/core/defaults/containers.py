"""Defaulting of containers, their ports, probes and hooks."""

from __future__ import annotations

from pilothouse.api.core.defaults.images import pull_policy
from pilothouse.api.core.defaults.quantities import canonical, canonicalise
from pilothouse.api.types.core_v1 import Container, EphemeralContainer, HTTPGetAction, Lifecycle, Probe

TERMINATION_MESSAGE_PATH = "/dev/termination-log"


def default_container(container: Container | EphemeralContainer) -> None:
    """Default a container; the same for init and ephemeral containers."""
    container.imagePullPolicy = container.imagePullPolicy or pull_policy(container.image)
    container.terminationMessagePath = container.terminationMessagePath or TERMINATION_MESSAGE_PATH
    container.terminationMessagePolicy = container.terminationMessagePolicy or "File"
    for port in container.ports:
        port.protocol = port.protocol or "TCP"
    for variable in container.env:
        source = variable.valueFrom
        if source and source.fieldRef:
            source.fieldRef.apiVersion = source.fieldRef.apiVersion or "v1"
        if source and source.resourceFieldRef:
            source.resourceFieldRef.divisor = canonical(source.resourceFieldRef.divisor or "0")
    canonicalise(container.resources.limits)
    canonicalise(container.resources.requests)
    for probe in (container.livenessProbe, container.readinessProbe, container.startupProbe):
        if probe:
            default_probe(probe)
    if container.lifecycle:
        _default_lifecycle(container.lifecycle)


def default_probe(probe: Probe) -> None:
    """Every 10 seconds, 1 second of time, 1 success, 3 failures. Upstream: SetDefaults_Probe."""
    probe.timeoutSeconds = probe.timeoutSeconds or 1
    probe.periodSeconds = probe.periodSeconds or 10
    probe.successThreshold = probe.successThreshold or 1
    probe.failureThreshold = probe.failureThreshold or 3
    if probe.httpGet:
        _default_http(probe.httpGet)
    if probe.grpc and probe.grpc.service is None:
        probe.grpc.service = ""


def _default_http(action: HTTPGetAction) -> None:
    action.path = action.path or "/"
    action.scheme = action.scheme or "HTTP"


def _default_lifecycle(lifecycle: Lifecycle) -> None:
    for hook in (lifecycle.postStart, lifecycle.preStop):
        if hook and hook.httpGet:
            _default_http(hook.httpGet)
