"""DeviceTaintRule: a taint on all devices that a selector chooses. The scheduler does not look at it yet."""

from __future__ import annotations

from pilothouse.api.core.validation.conditions import validate_conditions
from pilothouse.api.resource.identifiers import (
    validate_declared_effect,
    validate_driver,
    validate_pool,
    validate_taint,
)
from pilothouse.api.types.resource_v1 import DeviceTaintRule, DeviceTaintSelector
from pilothouse.machinery import names
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import AGE, STATUS, Column, Resource
from pilothouse.machinery.strategy import METADATA, Strategy

MOST_CONDITIONS = 8

DEVICETAINTRULE = Resource(
    DeviceTaintRule,
    plural="devicetaintrules",
    namespaced=False,
    subresources=(STATUS,),
    columns=(
        Column("Key", lambda rule: rule.spec.taint.key),
        Column("Value", lambda rule: rule.spec.taint.value),
        Column("Effect", lambda rule: rule.spec.taint.effect),
        Column("TimeAdded", lambda rule: rule.spec.taint.timeAdded, type="date"),
        AGE,
    ),
    reset_fields={"status": ("metadata", "spec")},
    strategy=Strategy(allow_unconditional_update=False, status_keeps=METADATA),
)


@DEVICETAINTRULE.default
def default(rule: DeviceTaintRule) -> None:
    """The taint was added when the rule was made, unless the client says otherwise."""
    rule.spec.taint.timeAdded = rule.spec.taint.timeAdded or rule.metadata.creationTimestamp


@DEVICETAINTRULE.prepare_update
def prepare_update(old: DeviceTaintRule, new: DeviceTaintRule) -> None:
    """A client that leaves the time out keeps it."""
    new.spec.taint.timeAdded = new.spec.taint.timeAdded or old.spec.taint.timeAdded


@DEVICETAINTRULE.validate
def validate(rule: DeviceTaintRule, problems: Problems) -> None:
    """Device selector and taint. Upstream: ValidateDeviceTaintRule."""
    here = problems.at("spec")
    if rule.spec.deviceSelector is not None:
        _validate_selector(rule.spec.deviceSelector, here.at("deviceSelector"))
    validate_taint(rule.spec.taint, here.at("taint"))
    validate_declared_effect(rule.spec.taint.effect, here.at("taint", "effect"))


def _validate_selector(selector: DeviceTaintSelector, problems: Problems) -> None:
    if selector.driver is not None:
        validate_driver(selector.driver, problems.at("driver"))
    if selector.pool is not None:
        validate_pool(selector.pool, problems.at("pool"))
    if selector.device is not None:
        for message in names.dns_label(selector.device):
            problems.at("device").invalid(selector.device, message)


@DEVICETAINTRULE.validate_status
def validate_status(old: DeviceTaintRule, new: DeviceTaintRule, problems: Problems) -> None:
    """Conditions: at most MOST_CONDITIONS, and valid. Upstream: ValidateDeviceTaintRuleStatusUpdate."""
    here = problems.at("status", "conditions")
    if len(new.status.conditions) > MOST_CONDITIONS:
        here.too_many(len(new.status.conditions), MOST_CONDITIONS)
    validate_conditions(new.status.conditions, here)
