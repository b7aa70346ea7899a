"""Validation of devices in a ResourceSlice."""

from __future__ import annotations

import re
from typing import Any

from pilothouse.api.core.validation.declared import in_bytes
from pilothouse.api.core.validation.fields import report
from pilothouse.api.core.validation.selectors import validate_node_selector
from pilothouse.api.resource.capacity import validate_capacity
from pilothouse.api.resource.identifiers import (
    validate_bindings,
    validate_declared_bindings,
    validate_declared_effect,
    validate_qualified_name,
    validate_taint,
    validate_unique,
)
from pilothouse.api.types.resource_v1 import Device, DeviceAttribute
from pilothouse.machinery import names
from pilothouse.machinery.problems import Problems

MOST_ATTRIBUTES, MOST_VALUES, MOST_TAINTS, MOST_CONSUMPTIONS, MOST_COUNTERS = 32, 48, 16, 2, 32
LONGEST_VALUE = 64
NUMBER, PRERELEASE, BUILD = r"(0|[1-9]\d*)", r"(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)", "[0-9a-zA-Z-]+"
VERSION = re.compile(rf"{NUMBER}\.{NUMBER}\.{NUMBER}(-{PRERELEASE}(\.{PRERELEASE})*)?(\+{BUILD}(\.{BUILD})*)?", re.ASCII)
NOT_A_VERSION = "must be a string compatible with semver.org spec 2.0.0"
VALUES = ("int", "bool", "string", "version", "ints", "bools", "strings", "versions")
ONE_NODE = (
    "exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required when `perDeviceNodeSelection` is set to true in the "
    "ResourceSlice spec"
)
NO_NODE = "`nodeName`, `nodeSelector` and `allNodes` can only be set if `perDeviceNodeSelection` is set to true in the ResourceSlice spec"


def value_of(attribute: DeviceAttribute, field: str) -> Any:
    """The value of one kind, None where there is none. (`int` and the like may bear a trailing underscore as attributes.)"""
    name = field if field in attribute.__struct_fields__ else f"{field}_"
    value = getattr(attribute, name, None)
    return None if value == getattr(type(attribute)(), name, None) else value


def validate_device(device: Device, per_device: bool, problems: Problems) -> None:
    """Name, attributes, capacity, taints and node of a device, by the hand-written rules. Upstream: validateDevice."""
    report(names.dns_label(device.name), device.name, problems, "name")
    count = len(device.attributes) + len(device.capacity)
    if count > MOST_ATTRIBUTES:
        problems.invalid(count, f"the total number of attributes and capacities must not exceed {MOST_ATTRIBUTES}")
    for key in sorted(device.attributes):
        validate_qualified_name(key, problems.at("attributes"))
        _validate_attribute(device.attributes[key], problems.at("attributes", f"[{key}]"))
    for key in sorted(device.capacity):
        validate_qualified_name(key, problems.at("capacity"))
        validate_capacity(device.capacity[key], bool(device.allowMultipleAllocations), problems.at("capacity", f"[{key}]"))
    if len(device.taints) > MOST_TAINTS:
        problems.at("taints").too_many(len(device.taints), MOST_TAINTS)
    else:
        for index, taint in enumerate(device.taints):
            validate_taint(taint, problems.at("taints", index))
    if per_device:
        _validate_node(device, problems)
    elif device.nodeName is not None or device.nodeSelector is not None or device.allNodes is not None:
        problems.invalid(None, NO_NODE)
    validate_bindings(device.bindingConditions, device.bindingFailureConditions, problems)


def _validate_attribute(attribute: DeviceAttribute, problems: Problems) -> None:
    text, version = value_of(attribute, "string"), value_of(attribute, "version")
    if text is not None and len(text) > LONGEST_VALUE:
        problems.at("string").too_long(LONGEST_VALUE)
    if version is not None:
        if not VERSION.fullmatch(version):
            problems.at("version").invalid(version, NOT_A_VERSION)
        if len(version) > LONGEST_VALUE:
            problems.at("version").too_long(LONGEST_VALUE)


def _validate_node(device: Device, problems: Problems) -> None:
    given: list[str] = []
    if device.nodeName:
        given.append("`nodeName`")
        report(names.dns_subdomain(device.nodeName), device.nodeName, problems, "nodeName")
    elif device.nodeName == "" and type(device)().nodeName is None:
        problems.at("nodeName").invalid("", "must not be empty")
    if device.nodeSelector is not None:
        given.append("`nodeSelector`")
        validate_node_selector(device.nodeSelector, problems.at("nodeSelector"))
    if device.allNodes:
        given.append("`allNodes`")
    elif device.allNodes is not None:
        problems.at("allNodes").invalid(False, "must be either unset or set to true")
    if not given:
        problems.required(ONE_NODE)
    elif len(given) > 1:
        problems.invalid(f"{{{', '.join(given)}}}", ONE_NODE)


def validate_declared_device(device: Device, problems: Problems) -> None:
    """Declarative validation of a device."""
    for key in sorted(device.attributes):
        _validate_union(device.attributes[key], problems.at("attributes", f"[{key}]"))
    if len(device.consumesCounters) > MOST_CONSUMPTIONS:
        problems.at("consumesCounters").too_many(len(device.consumesCounters), MOST_CONSUMPTIONS)
    else:
        validate_unique(
            device.consumesCounters, lambda consumption: consumption.counterSet, problems.at("consumesCounters"), lambda name: name
        )
        for index, consumption in enumerate(device.consumesCounters):
            here = problems.at("consumesCounters", index)
            validate_declared_label(consumption.counterSet, here.at("counterSet"))
            validate_counters(consumption.counters, here.at("counters"))
    for index, taint in enumerate(device.taints):
        validate_declared_effect(taint.effect, problems.at("taints", index, "effect"))
    validate_declared_bindings(device.bindingConditions, device.bindingFailureConditions, problems)


def _validate_union(attribute: DeviceAttribute, problems: Problems) -> None:
    given = [field for field in VALUES if value_of(attribute, field) not in (None, [])]
    listed = ", ".join(f"`{field}`" for field in VALUES)
    if not given:
        problems.invalid("", f"must specify one of: {listed}")
    elif len(given) > 1:
        problems.invalid(f"{{{', '.join(given)}}}", f"must specify exactly one of: {listed}")


def validate_declared_label(name: str, problems: Problems) -> None:
    """A required DNS label, in the words of declarative validation."""
    if not name:
        problems.required()
    else:
        report(in_bytes(names.dns_label(name)), name, problems)


def validate_counters(counters: dict[str, Any], problems: Problems) -> None:
    """Counters: at least one, at most MOST_COUNTERS, named by DNS labels."""
    if not counters:
        problems.required()
    elif len(counters) > MOST_COUNTERS:
        problems.too_many(len(counters), MOST_COUNTERS)
    else:
        for key in sorted(counters):
            report(in_bytes(names.dns_label(key)), key, problems)
