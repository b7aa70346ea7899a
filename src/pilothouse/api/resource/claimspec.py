"""Validation and defaulting of ResourceClaimSpecs, in claims and templates.

What upstream checks by declarations comes after the rest: `validate_declared_claim_spec`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pilothouse.api.core.defaults.quantities import exact
from pilothouse.api.core.validation.declared import validate_declared_driver
from pilothouse.api.core.validation.fields import report, required_name
from pilothouse.api.resource.identifiers import (
    EFFECTS,
    validate_fully_qualified_name,
    validate_list,
    validate_parameters,
    validate_unique,
)
from pilothouse.api.types.resource_v1 import DeviceClaim, DeviceConstraint, DeviceRequest, ResourceClaimSpec
from pilothouse.machinery import names
from pilothouse.machinery.problems import Problems

MAXIMUM_REQUESTS = 32
MAXIMUM_CONSTRAINTS = 32
MAXIMUM_CONFIGURATIONS = 32
MAXIMUM_SELECTORS = 32
MAXIMUM_ALTERNATIVES = 8
MODES, OPERATORS = ("All", "ExactCount"), ("Equal", "Exists")
NOT_A_REQUEST = "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'"
EXACTLY_ONE = "exactly one of `exactly` or `firstAvailable` is required"
NO_ATTRIBUTE = 'exactly one of "matchAttribute" or "distinctAttribute" is required, but multiple fields are set'

Names = dict[str, set[str]]


def default_claim_spec(spec: ResourceClaimSpec) -> None:
    """Allocation mode ExactCount of one device, for requests and their alternatives.

    Upstream: SetDefaults_ExactDeviceRequest, SetDefaults_DeviceSubRequest.
    """
    for request in spec.devices.requests or ():
        if request.exactly:
            _default_request(request.exactly)
        for alternative in request.firstAvailable:
            _default_request(alternative)


def _default_request(request: Any) -> None:
    request.allocationMode = request.allocationMode or "ExactCount"
    if request.allocationMode == "ExactCount":
        request.count = request.count or 1
    for toleration in request.tolerations:
        toleration.operator = toleration.operator or "Equal"
    if request.capacity is not None:
        for name, amount in request.capacity.requests.items():
            request.capacity.requests[name] = exact(amount)


def request_names(claim: DeviceClaim | None) -> Names:
    """The names of the requests of a claim, each with those of its alternatives."""
    requests = (claim.requests or []) if claim else []
    return {request.name: {alternative.name for alternative in request.firstAvailable} for request in requests}


def validate_claim_spec(spec: ResourceClaimSpec, problems: Problems) -> None:
    """Requests, constraints and configurations, in the order of the hand-written rules. Upstream: validateDeviceClaim."""
    claim, here = spec.devices, problems.at("devices")
    if claim is None:
        return
    known, requests = request_names(claim), claim.requests or []
    if len(requests) <= MAXIMUM_REQUESTS:
        validate_list(requests, MAXIMUM_REQUESTS, _validate_request, here.at("requests"))
    if len(claim.constraints) <= MAXIMUM_CONSTRAINTS:
        for index, constraint in enumerate(claim.constraints):
            _validate_constraint(constraint, known, here.at("constraints", index))
    if len(claim.config) <= MAXIMUM_CONFIGURATIONS:
        for index, config in enumerate(claim.config):
            validate_configuration(config, known, here.at("config", index))


def _validate_request(request: DeviceRequest, problems: Problems) -> None:
    report(names.dns_label(request.name), request.name, problems, "name")
    if request.exactly and request.firstAvailable:
        problems.invalid(None, f"{EXACTLY_ONE}, but multiple fields are set")
    elif request.exactly:
        required_name(request.exactly.deviceClassName, problems.at("exactly"), "deviceClassName")
        _validate_asked(request.exactly, problems.at("exactly"))
    elif not request.firstAvailable:
        problems.required(EXACTLY_ONE)
    elif len(request.firstAvailable) <= MAXIMUM_ALTERNATIVES:
        for index, alternative in enumerate(request.firstAvailable):
            here = problems.at("firstAvailable", index)
            report(names.dns_label(alternative.name), alternative.name, here, "name")
            _validate_asked(alternative, here)


def _validate_asked(request: Any, problems: Problems) -> None:
    validate_selectors(request.selectors, problems.at("selectors"))
    if request.allocationMode == "All" and request.count:
        problems.at("count").invalid(request.count, "must not be specified when allocationMode is 'All'")
    if request.allocationMode == "ExactCount" and (request.count or 0) <= 0:
        problems.at("count").invalid(request.count or 0, "must be greater than zero")
    for index, toleration in enumerate(request.tolerations):
        here = problems.at("tolerations", index, "value")
        if toleration.operator == "Exists" and toleration.value:
            here.invalid(toleration.value, "must be empty for operator `Exists`")
        elif toleration.operator == "Equal":
            report(names.label_value(toleration.value), toleration.value, here)


def validate_selectors(selectors: list[Any], problems: Problems) -> None:
    """Each has an expression that selects devices."""
    for index, selector in enumerate(selectors if len(selectors) <= MAXIMUM_SELECTORS else ()):
        if selector.cel is None:
            problems.at(index, "cel").required()
            continue
        from pilothouse.api.expressions.devices import validate_selector

        validate_selector(selector.cel.expression, problems.at(index, "cel", "expression"))


def _validate_constraint(constraint: DeviceConstraint, known: Names, problems: Problems) -> None:
    _validate_references(constraint.requests, known, problems.at("requests"))
    if constraint.matchAttribute is None and constraint.distinctAttribute is None:
        problems.required(NO_ATTRIBUTE)


def validate_configuration(config: Any, known: Names, problems: Problems) -> None:
    """Parameters of a driver for some requests."""
    _validate_references(config.requests, known, problems.at("requests"))
    validate_opaque(config, problems)


def validate_opaque(config: Any, problems: Problems) -> None:
    """Opaque parameters of a configuration, by the hand-written rules."""
    if config.opaque is None:
        problems.at("opaque").required()
    else:
        validate_parameters(config.opaque.parameters, problems.at("opaque", "parameters"))


def _validate_references(requests: list[str], known: Names, problems: Problems) -> None:
    for index, request in enumerate(requests if len(requests) <= MAXIMUM_REQUESTS else ()):
        validate_reference(request, known, problems.at(index))


def validate_reference(name: str, known: Names, problems: Problems) -> None:
    """A request of the claim, or one of its alternatives: `request/alternative`."""
    parts = name.split("/")
    for part in parts if len(parts) <= 2 else ():
        report(names.dns_label(part), part, problems)
    if len(parts) > 2 or parts[0] not in known or (len(parts) == 2 and parts[1] not in known[parts[0]]):
        problems.invalid(name, NOT_A_REQUEST)


def validate_declared_claim_spec(spec: ResourceClaimSpec, problems: Problems) -> None:
    """Declarative validation of a claim's spec."""
    claim, here = spec.devices, problems.at("devices")
    if claim is None:
        return
    requests = claim.requests or []
    _limited(requests, MAXIMUM_REQUESTS, here.at("requests"))
    if len(requests) <= MAXIMUM_REQUESTS:
        validate_unique(requests, lambda request: request.name, here.at("requests"), lambda request: request)
        for request, where in _asked(claim, here):
            _validate_declared_request(request, where)
    may_look = _limited(claim.constraints, MAXIMUM_CONSTRAINTS, here.at("constraints"))
    for index, constraint in enumerate(claim.constraints if may_look else ()):
        where = here.at("constraints", index)
        _validate_declared_set(constraint.requests, where.at("requests"))
        for field in ("matchAttribute", "distinctAttribute"):
            if getattr(constraint, field) is not None:
                validate_fully_qualified_name(getattr(constraint, field), where.at(field))
    may_look = _limited(claim.config, MAXIMUM_CONFIGURATIONS, here.at("config"))
    for index, config in enumerate(claim.config if may_look else ()):
        where = here.at("config", index)
        _validate_declared_set(config.requests, where.at("requests"))
        validate_declared_opaque(config, where)


def _asked(claim: DeviceClaim, problems: Problems) -> Iterator[tuple[Any, Problems]]:
    for index, request in enumerate(claim.requests or ()):
        here = problems.at("requests", index)
        if request.exactly:
            yield request.exactly, here.at("exactly")
        if not _limited(request.firstAvailable, MAXIMUM_ALTERNATIVES, here.at("firstAvailable")):
            continue
        validate_unique(request.firstAvailable, lambda subrequest: subrequest.name, here.at("firstAvailable"), lambda name: name)
        for position, alternative in enumerate(request.firstAvailable):
            yield alternative, here.at("firstAvailable", position)


def _validate_declared_request(request: Any, problems: Problems) -> None:
    if hasattr(request, "name"):
        if not request.deviceClassName:
            problems.at("deviceClassName").required()
        else:
            report(names.dns_subdomain(request.deviceClassName), request.deviceClassName, problems, "deviceClassName")
    _limited(request.selectors, MAXIMUM_SELECTORS, problems.at("selectors"))
    if request.allocationMode not in MODES:
        problems.at("allocationMode").not_supported(request.allocationMode, MODES)
    for index, toleration in enumerate(request.tolerations):
        validate_declared_toleration(toleration, problems.at("tolerations", index))


def validate_declared_toleration(toleration: Any, problems: Problems) -> None:
    """Declarative validation of a toleration of device taints."""
    if toleration.key:
        report(names.qualified_name(toleration.key), toleration.key, problems, "key")
    if not toleration.operator:
        problems.at("operator").required()
    elif toleration.operator not in OPERATORS:
        problems.at("operator").not_supported(toleration.operator, OPERATORS)
    if toleration.effect and toleration.effect not in EFFECTS:
        problems.at("effect").not_supported(toleration.effect, EFFECTS)


def validate_declared_opaque(config: Any, problems: Problems) -> None:
    """Declarative validation of opaque parameters."""
    if config.opaque is not None:
        validate_declared_driver(config.opaque.driver, problems.at("opaque", "driver"))


def _validate_declared_set(requests: list[str], problems: Problems) -> None:
    _limited(requests, MAXIMUM_REQUESTS, problems)
    if len(requests) <= MAXIMUM_REQUESTS:
        validate_unique(requests, str, problems)


def _limited(items: list[Any], limit: int, problems: Problems) -> bool:
    """Whether a list is short enough for its items to be looked at."""
    if len(items) > limit:
        problems.too_many(len(items), limit)
        return False
    return True
