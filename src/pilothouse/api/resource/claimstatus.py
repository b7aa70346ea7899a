"""Validation of a ResourceClaim's status: allocation, reservations, and device status."""

from __future__ import annotations

from typing import Any

import msgspec

from pilothouse.api.core.validation.addresses import validate_interface_address
from pilothouse.api.core.validation.conditions import validate_conditions
from pilothouse.api.core.validation.declared import validate_declared_driver
from pilothouse.api.core.validation.fields import report
from pilothouse.api.core.validation.selectors import validate_node_selector
from pilothouse.api.resource.claimspec import (
    Names,
    request_names,
    validate_configuration,
    validate_declared_opaque,
    validate_declared_toleration,
    validate_reference,
)
from pilothouse.api.resource.identifiers import (
    validate_bindings,
    validate_declared_bindings,
    validate_declared_pool,
    validate_driver,
    validate_parameters,
    validate_pool,
    validate_unique,
    validate_uuid,
)
from pilothouse.api.types.resource_v1 import AllocatedDeviceStatus, AllocationResult, ResourceClaim
from pilothouse.machinery import names
from pilothouse.machinery.problems import Problems

MAXIMUM_CONSUMERS, MAXIMUM_RESULTS, MAXIMUM_CONFIGURATIONS, MAXIMUM_CONDITIONS, MAXIMUM_ADDRESSES = 256, 32, 64, 8, 16
LONGEST_INTERFACE, LONGEST_HARDWARE_ADDRESS = 256, 128
SOURCES = ("FromClaim", "FromClass")
NO_NEW_CONSUMERS = "new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set"


def validate_claim_status(old: ResourceClaim, new: ResourceClaim, problems: Problems) -> None:
    """Allocation, consumers and devices of a claim. Upstream: ValidateResourceClaimStatusUpdate."""
    status, here = new.status, problems.at("status")
    known = request_names(new.spec.devices)
    if len(status.reservedFor) <= MAXIMUM_CONSUMERS:
        for index, consumer in enumerate(status.reservedFor):
            for field in ("resource", "name", "uid"):
                if not getattr(consumer, field):
                    here.at("reservedFor", index, field).required()
    allocated = allocated_devices(status.allocation)
    for index, device in enumerate(status.devices):
        _validate_device(device, allocated, here.at("devices", index))
    if status.reservedFor and status.allocation is None:
        here.at("reservedFor").forbidden("may not be specified when `allocated` is not set")
    elif new.metadata.deletionTimestamp and any(consumer not in old.status.reservedFor for consumer in status.reservedFor):
        here.at("reservedFor").forbidden(NO_NEW_CONSUMERS)
    if status.allocation is not None and old.status.allocation is None:
        _validate_allocation(status.allocation, known, here.at("allocation"))
    _validate_declared(old, new, here)


def _results(allocation: AllocationResult | None) -> list[Any]:
    return allocation.devices.results if allocation and allocation.devices else []


def device_id(device: Any) -> tuple[str, str, str, str]:
    """Driver, pool, device and share of a device."""
    return device.driver, device.pool, device.device, device.shareID or ""


def allocated_devices(allocation: AllocationResult | None) -> set[tuple[str, str, str, str]]:
    """The devices that were allocated, by their ids."""
    return {device_id(result) for result in _results(allocation)}


def _validate_device(device: AllocatedDeviceStatus, allocated: set[tuple[str, str, str, str]], problems: Problems) -> None:
    validate_driver(device.driver, problems.at("driver"))
    validate_pool(device.pool, problems.at("pool"))
    report(names.dns_label(device.device), device.device, problems, "device")
    if device_id(device) not in allocated:
        pairs = zip(("Driver", "Pool", "Device", "ShareID"), device_id(device), strict=True)
        problems.invalid(msgspec.Raw(msgspec.json.encode(dict(pairs))), "must be an allocated device in the claim")
    conditions = device.conditions or []
    if len(conditions) > MAXIMUM_CONDITIONS:
        problems.at("conditions").too_many(len(conditions), MAXIMUM_CONDITIONS)
    validate_conditions(conditions, problems.at("conditions"))
    if device.data:
        validate_parameters(device.data, problems.at("data"))
    if device.networkData is not None:
        for index, address in enumerate(device.networkData.ips if len(device.networkData.ips) <= MAXIMUM_ADDRESSES else ()):
            validate_interface_address(address, problems.at("networkData", "ips", index))


def _validate_allocation(allocation: AllocationResult, known: Names, problems: Problems) -> None:
    here = problems.at("devices")
    results = _results(allocation)
    for index, result in enumerate(results if len(results) <= MAXIMUM_RESULTS else ()):
        where = here.at("results", index)
        validate_reference(result.request, known, where.at("request"))
        report(names.dns_label(result.device), result.device, where, "device")
        validate_bindings(result.bindingConditions, result.bindingFailureConditions, where)
        for position, toleration in enumerate(result.tolerations):
            if toleration.operator == "Exists" and toleration.value:
                where.at("tolerations", position, "value").invalid(toleration.value, "must be empty for operator `Exists`")
            elif toleration.operator == "Equal":
                report(names.label_value(toleration.value), toleration.value, where, "tolerations", position, "value")
    for index, config in enumerate(allocation.devices.config if allocation.devices else ()):
        validate_configuration(config, known, here.at("config", index))
    if allocation.nodeSelector is not None:
        validate_node_selector(allocation.nodeSelector, problems.at("nodeSelector"))


def _validate_declared(old: ResourceClaim, new: ResourceClaim, here: Problems) -> None:
    status = new.status
    if old.status.allocation is not None and status.allocation is not None and old.status.allocation != status.allocation:
        here.at("allocation").invalid(None, "field cannot be modified once set")
    elif status.allocation is not None and old.status.allocation is None:
        _validate_declared_allocation(status.allocation, here.at("allocation", "devices"))
    if len(status.reservedFor) > MAXIMUM_CONSUMERS:
        here.at("reservedFor").too_many(len(status.reservedFor), MAXIMUM_CONSUMERS)
    else:
        validate_unique(status.reservedFor, lambda consumer: consumer.uid, here.at("reservedFor"), lambda consumer: consumer)
    validate_unique(status.devices, device_id, here.at("devices"), lambda device: device)
    for index, device in enumerate(status.devices):
        where = here.at("devices", index)
        if device.shareID is not None:
            validate_uuid(device.shareID, where.at("shareID"))
        network = device.networkData
        if network is None:
            continue
        if len(network.interfaceName) > LONGEST_INTERFACE:
            where.at("networkData", "interfaceName").too_long(LONGEST_INTERFACE)
        if len(network.ips) > MAXIMUM_ADDRESSES:
            where.at("networkData", "ips").too_many(len(network.ips), MAXIMUM_ADDRESSES)
        else:
            validate_unique(network.ips, str, where.at("networkData", "ips"))
        if len(network.hardwareAddress) > LONGEST_HARDWARE_ADDRESS:
            where.at("networkData", "hardwareAddress").too_long(LONGEST_HARDWARE_ADDRESS)


def _validate_declared_allocation(allocation: AllocationResult, here: Problems) -> None:
    results = _results(allocation)
    if len(results) > MAXIMUM_RESULTS:
        here.at("results").too_many(len(results), MAXIMUM_RESULTS)
    for index, result in enumerate(results if len(results) <= MAXIMUM_RESULTS else ()):
        where = here.at("results", index)
        validate_declared_driver(result.driver, where.at("driver"))
        validate_declared_pool(result.pool, where.at("pool"))
        for position, toleration in enumerate(result.tolerations):
            validate_declared_toleration(toleration, where.at("tolerations", position))
        validate_declared_bindings(result.bindingConditions, result.bindingFailureConditions, where)
        if result.shareID is not None:
            validate_uuid(result.shareID, where.at("shareID"))
    configurations = allocation.devices.config if allocation.devices else []
    for index, config in enumerate(configurations):
        where = here.at("config", index)
        if not config.source:
            where.at("source").required()
        elif config.source not in SOURCES:
            where.at("source").not_supported(config.source, SOURCES)
        validate_unique(config.requests, str, where.at("requests"))
        validate_declared_opaque(config, where)
