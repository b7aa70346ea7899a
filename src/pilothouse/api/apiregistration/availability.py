"""Condition Available of APIServices, from their Service and EndpointSlices. Pure.

Pure; upstream decides the same in kube-aggregator's remote and local available controllers. Whether the extension API server answers is
asked only when nothing here speaks against it.
"""

from __future__ import annotations

from collections.abc import Sequence

from pilothouse.api.types.apiregistration_v1 import APIService, APIServiceCondition
from pilothouse.api.types.core_v1 import Service
from pilothouse.api.types.discovery_v1 import EndpointSlice
from pilothouse.machinery.conditions import find_condition

AVAILABLE = "Available"


def condition_of(apiservice: APIService) -> APIServiceCondition | None:
    """The condition Available; None when nothing was said yet."""
    return find_condition(apiservice.status.conditions, AVAILABLE)


def local() -> APIServiceCondition:
    """The condition of what this server serves itself."""
    return _condition("True", "Local", "Local APIServices are always available")


def available() -> APIServiceCondition:
    """The condition of an extension API server that answers."""
    return _condition("True", "Passed", "all checks passed")


def failed_discovery(message: str) -> APIServiceCondition:
    """The condition of an extension API server that does not answer as it should."""
    return _condition("False", "FailedDiscoveryCheck", message)


def backend_problem(apiservice: APIService, service: Service | None, slices: Sequence[EndpointSlice]) -> APIServiceCondition | None:
    """Condition for a problem of a remote APIService's Service or endpoints; None when the server can be called."""
    reference = apiservice.spec.service
    assert reference is not None
    named = f'service/{reference.name} in "{reference.namespace}"'
    if service is None:
        return _condition("False", "ServiceNotFound", f"{named} is not present")
    if service.spec.type != "ClusterIP":
        return None
    port = next((port for port in service.spec.ports if port.port == reference.port), None)
    if port is None:
        return _condition("False", "ServicePortError", f"{named} is not listening on port {reference.port}")
    if not slices:
        return _condition("False", "EndpointsNotFound", f"cannot find endpointslices for {named}")
    if not any(_is_ready(each, port.name) for each in slices):
        message = f'endpointslices for {named} have no addresses with port name "{port.name}"'
        return _condition("False", "MissingEndpoints", message)
    return None


def _is_ready(endpoints: EndpointSlice, port_name: str) -> bool:
    if all(endpoint.conditions.ready is False for endpoint in endpoints.endpoints or ()):
        return False
    return any(port.name == port_name and port.port is not None for port in endpoints.ports or ())


def with_condition(apiservice: APIService, condition: APIServiceCondition, now: str) -> list[APIServiceCondition] | None:
    """The conditions with this one, as of a time; None when they say so already. Only a change of the status is a transition."""
    before = condition_of(apiservice)
    if before is not None and (before.status, before.reason, before.message) == (condition.status, condition.reason, condition.message):
        return None
    condition.lastTransitionTime = before.lastTransitionTime if before is not None and before.status == condition.status else now
    others = [each for each in apiservice.status.conditions if each.type != AVAILABLE]
    if before is None:
        return [*others, condition]
    return [condition if each.type == AVAILABLE else each for each in apiservice.status.conditions]


def _condition(status: str, reason: str, message: str) -> APIServiceCondition:
    return APIServiceCondition(type=AVAILABLE, status=status, reason=reason, message=message)
