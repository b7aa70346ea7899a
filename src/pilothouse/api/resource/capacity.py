"""Rules of what a device has to share: the amounts that a request may ask for (KEP-5075)."""

from __future__ import annotations

from pilothouse.api.core.validation.fields import NEGATIVE
from pilothouse.api.types.resource_v1 import CapacityRequestPolicy, CapacityRequestPolicyRange, DeviceCapacity
from pilothouse.machinery import quantity
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.quantity import Quantity

MOST_VALUES = 10
LARGEST = 2**63 - 1
ONE_POLICY = 'exactly one policy can be specified, cannot specify "validValues" and "validRange" at the same time'


def validate_capacity(capacity: DeviceCapacity, shared: bool, problems: Problems) -> None:
    """`shared`: whether several claims may have the device at once; only then are there amounts to choose."""
    policy, here = capacity.requestPolicy, problems.at("requestPolicy")
    if policy is None:
        return
    if not shared:
        here.forbidden("allowMultipleAllocations must be true")
    elif policy.validValues and policy.validRange is not None:
        here.forbidden(ONE_POLICY)
    elif policy.validValues:
        if policy.default is None:
            here.at("default").required("required when validValues is defined")
        else:
            _validate_values(policy, quantity.parse(policy.default), quantity.parse(capacity.value or 0), here.at("validValues"))
    elif policy.validRange is not None:
        if policy.default is None:
            here.at("default").required("required when validRange is defined")
        else:
            _validate_range(policy.validRange, quantity.parse(policy.default), quantity.parse(capacity.value or 0), here.at("validRange"))


def _validate_values(policy: CapacityRequestPolicy, default: Quantity, total: Quantity, problems: Problems) -> None:
    values = [quantity.parse(value) for value in policy.validValues]
    for index in range(1, len(values)):
        if values[index - 1].nanos > values[index].nanos:
            problems.at(index).invalid(str(values[index]), "values must be sorted in ascending order")
    if len(values) > MOST_VALUES:
        problems.too_many(len(values), MOST_VALUES)
    else:
        for index, value in enumerate(values):
            if value.nanos > total.nanos:
                problems.at(index).invalid(str(value), f"option is larger than capacity value: {total}")
        whole = [-(-value.nanos // 10**9) for value in values]
        for index, number in enumerate(whole):
            if number in whole[:index]:
                problems.at(index).duplicate(str(number))
    if len(values) > MOST_VALUES or all(value.nanos != default.nanos for value in values):
        problems.invalid(str(default), "default value is not valid according to the requestPolicy")


def _validate_range(limits: CapacityRequestPolicyRange, default: Quantity, total: Quantity, problems: Problems) -> None:
    if limits.min is None:
        problems.at("min").required("required when validRange is defined")
        return
    least = quantity.parse(limits.min)
    most = quantity.parse(limits.max) if limits.max is not None else None
    if least.nanos > total.nanos:
        problems.at("min").invalid(str(least), f"min is larger than capacity value: {total}")
    if default.nanos < least.nanos:
        problems.at("default").invalid(str(default), f"default is less than min: {least}")
    if most is not None:
        if least.nanos > most.nanos:
            problems.at("max").invalid(str(least), f"min is larger than max: {most}")
        if most.nanos > total.nanos:
            problems.at("max").invalid(str(most), f"max is larger than capacity value: {total}")
        if default.nanos > most.nanos:
            problems.at("default").invalid(str(default), f"default is more than max: {most}")
    if limits.step is not None:
        _validate_step(quantity.parse(limits.step), default, least, most, total, problems)


def _validate_step(step: Quantity, default: Quantity, least: Quantity, most: Quantity | None, total: Quantity, problems: Problems) -> None:
    here = problems.at("step")
    if step.nanos <= 0:
        here.invalid(str(step), "must be greater than zero")
        return
    first = least + step
    if first.nanos > total.nanos:
        here.invalid(str(step), f"one step {first} is larger than capacity value: {total}")
    safe = True
    for field, value in (("default", default), ("min", least), ("max", most), ("step", step)):
        if value is not None and value.nanos < 0:
            problems.at(field).invalid(str(value), NEGATIVE)
            safe = False
        elif value is not None and value.nanos > LARGEST * 10**9:
            problems.at(field).invalid(str(value), f"must not be larger than {LARGEST}")
            safe = False
    for value in (default, most) if safe else ():
        if value is not None and (_whole(value) - _whole(least)) % _whole(step):
            here.invalid(str(value), f"value is not a multiple of a given step ({step}) from ({least})")


def _whole(value: Quantity) -> int:
    """The number rounded up, as upstream's Value() has it."""
    return -(-value.nanos // 10**9)
