"""Rules and defaults of a ResourceClaimSpec, in a claim and in a template of claims."""

from __future__ import annotations

from pilothouse.api.core.validation.fields import named, one_of, report
from pilothouse.api.types.resource_v1 import DeviceSubRequest, ExactDeviceRequest, ResourceClaimSpec
from pilothouse.machinery import names
from pilothouse.machinery.problems import Problems

MAXIMUM_REQUESTS = 32
MODES = ("All", "ExactCount")


def default_claim_spec(spec: ResourceClaimSpec) -> None:
    for request in spec.devices.requests or ():
        if request.exactly:
            _default_request(request.exactly)
        for alternative in request.firstAvailable:
            _default_request(alternative)


def _default_request(request: ExactDeviceRequest | DeviceSubRequest) -> None:
    request.allocationMode = request.allocationMode or "ExactCount"
    if request.allocationMode == "ExactCount":
        request.count = request.count or 1
    for toleration in request.tolerations:
        toleration.operator = toleration.operator or "Equal"


def validate_claim_spec(spec: ResourceClaimSpec, problems: Problems) -> None:
    requests, here = spec.devices.requests or [], problems.at("devices", "requests")
    if len(requests) > MAXIMUM_REQUESTS:
        here.too_many(len(requests), MAXIMUM_REQUESTS)
    seen: set[str] = set()
    for index, request in enumerate(requests):
        where = here.at(index)
        if not request.name:
            where.at("name").required()
        elif request.name in seen:
            where.at("name").duplicate(request.name)
        else:
            report(names.dns_label(request.name), request.name, where, "name")
        seen.add(request.name)
        if request.exactly and request.firstAvailable:
            where.invalid(None, "exactly one of `exactly` or `firstAvailable` is required, but multiple fields are set")
        elif request.exactly:
            _validate_request(request.exactly, where.at("exactly"))
        elif not request.firstAvailable:
            where.required("exactly one of `exactly` or `firstAvailable` is required")
        for position, alternative in enumerate(request.firstAvailable):
            _validate_request(alternative, where.at("firstAvailable", position))


def _validate_request(request: ExactDeviceRequest | DeviceSubRequest, problems: Problems) -> None:
    named(request.deviceClassName, problems, "deviceClassName")
    one_of(request.allocationMode, MODES, problems, "allocationMode")
    if request.allocationMode == "All" and request.count:
        problems.at("count").invalid(request.count, "must not be specified when allocationMode is 'All'")
    if request.allocationMode == "ExactCount" and (request.count or 0) < 1:
        problems.at("count").invalid(request.count, "must be greater than zero")
