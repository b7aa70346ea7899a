"""Rules of probes and lifecycle hooks."""

from __future__ import annotations

from typing import Any

from pilothouse.api.core.validation.fields import nonnegative, port_or_name, report
from pilothouse.api.types.core_v1 import HTTPGetAction, Lifecycle, LifecycleHandler, Probe
from pilothouse.machinery import names
from pilothouse.machinery.problems import Problems

TIMINGS = ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold")
PROBES = ("livenessProbe", "readinessProbe", "startupProbe")


def validate_probes(container: Any, grace_seconds: int | None, problems: Problems) -> None:
    """The three probes of a container. A liveness or startup probe succeeds at once or not at all."""
    for field in PROBES:
        probe: Probe | None = getattr(container, field)
        if probe is None:
            continue
        here = problems.at(field)
        _validate_probe(probe, grace_seconds, here)
        if field == "readinessProbe":
            if probe.terminationGracePeriodSeconds is not None:
                message = "must not be set for readinessProbes"
                here.at("terminationGracePeriodSeconds").invalid(probe.terminationGracePeriodSeconds, message)
        elif probe.successThreshold != 1:
            here.at("successThreshold").invalid(probe.successThreshold, "must be 1")


def _validate_probe(probe: Probe, grace_seconds: int | None, problems: Problems) -> None:
    _validate_handler(probe, ("exec", "httpGet", "tcpSocket", "grpc"), grace_seconds, problems)
    for field in TIMINGS:
        nonnegative(getattr(probe, field), problems, field)
    if probe.terminationGracePeriodSeconds is not None and probe.terminationGracePeriodSeconds <= 0:
        problems.at("terminationGracePeriodSeconds").invalid(probe.terminationGracePeriodSeconds, "must be greater than 0")


def validate_lifecycle(lifecycle: Lifecycle, grace_seconds: int | None, problems: Problems) -> None:
    """Rules of postStart and preStop; a sleep must fit into `grace_seconds`. Upstream: validateLifecycle."""
    for field in ("postStart", "preStop"):
        hook: LifecycleHandler | None = getattr(lifecycle, field)
        if hook:
            _validate_handler(hook, ("exec", "httpGet", "tcpSocket", "sleep"), grace_seconds, problems.at(field))


def _validate_handler(handler: Any, kinds: tuple[str, ...], grace_seconds: int | None, problems: Problems) -> None:
    """Exactly one way to act."""
    handlers = 0
    for kind in kinds:
        action = getattr(handler, kind)
        if action is None:
            continue
        here = problems.at(kind)
        handlers += 1
        if handlers > 1:
            here.forbidden("may not specify more than 1 handler type")
        elif kind == "exec":
            if not action.command:
                here.at("command").required()
        elif kind == "httpGet":
            _validate_http(action, here)
        elif kind in ("tcpSocket", "grpc"):
            port_or_name(action.port, here, "port")
        elif grace_seconds is not None and not 0 <= action.seconds <= grace_seconds:
            message = f"must be non-negative and less than terminationGracePeriodSeconds ({grace_seconds})"
            here.invalid(action.seconds, message)
    if not handlers:
        problems.required("must specify a handler type")


def _validate_http(action: HTTPGetAction, problems: Problems) -> None:
    if not action.path:
        problems.at("path").required()
    port_or_name(action.port, problems, "port")
    if action.scheme not in ("HTTP", "HTTPS"):
        problems.at("scheme").not_supported(action.scheme, ("HTTP", "HTTPS"))
    for header in action.httpHeaders:
        report(names.http_header_name(header.name), header.name, problems, "httpHeaders")
