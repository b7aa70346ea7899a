"""LimitRange: bounds and defaults of what one Pod, container or claim may ask for."""

from __future__ import annotations

from pilothouse.api.core.columns import CREATED_AT
from pilothouse.api.core.defaults.quantities import canonicalise, fill
from pilothouse.api.core.validation.fields import report
from pilothouse.api.core.validation.resources import may_overcommit, validate_container_resource_name, validate_resource_name
from pilothouse.api.types.core_v1 import LimitRange, LimitRangeItem
from pilothouse.machinery import names, quantity
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import Resource
from pilothouse.machinery.strategy import Strategy

TYPES = ("Pod", "Container", "PersistentVolumeClaim")
FIELDS = ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio")
# (smaller, larger, the field that is reported, how the two are called)
ORDERS = (
    ("min", "max", "min", "min", "min value {} is greater than max value {}"),
    ("min", "defaultRequest", "defaultRequest", "defaultRequest", "min value {} is greater than default request value {}"),
    ("defaultRequest", "max", "defaultRequest", "defaultRequest", "default request value {} is greater than max value {}"),
    ("defaultRequest", "default", "defaultRequest", "defaultRequest", "default request value {} is greater than default limit value {}"),
    ("min", "default", "default", "min", "min value {} is greater than default value {}"),
    ("default", "max", "default", "max", "default value {} is greater than max value {}"),
)

LIMITRANGE = Resource(
    LimitRange,
    plural="limitranges",
    short_names=("limits",),
    columns=(CREATED_AT,),
    strategy=Strategy(validates_generate_name=True, allow_create_on_update=True, generation=None),
)


@LIMITRANGE.default
def default(limit_range: LimitRange) -> None:
    """Limits default to the maximum, requests to the default limit or the minimum. Upstream: SetDefaults_LimitRangeItem."""
    for item in limit_range.spec.limits or ():
        for field in FIELDS:
            canonicalise(getattr(item, field))
        if item.type == "Container":
            fill(item.default, item.max)
            fill(item.defaultRequest, item.default)
            fill(item.defaultRequest, item.min)


@LIMITRANGE.prepare_create
def prepare_create(limit_range: LimitRange) -> None:
    """A LimitRange without a name gets a uid for one, as upstream."""
    limit_range.metadata.name = limit_range.metadata.name or limit_range.metadata.uid


@LIMITRANGE.validate
def validate(limit_range: LimitRange, problems: Problems) -> None:
    """Types, and bounds that agree with each other. Upstream: ValidateLimitRange."""
    seen: set[str] = set()
    for index, item in enumerate(limit_range.spec.limits or ()):
        here = problems.at("spec", "limits", index)
        messages = names.qualified_name(item.type)
        report(messages, item.type, here, "type")
        if not messages and "/" not in item.type and item.type not in TYPES:
            here.at("type").invalid(item.type, "must be a standard limit type or fully qualified")
        if item.type in seen:
            here.at("type").duplicate(item.type)
        seen.add(item.type)
        _validate_item(item, here)


def _validate_item(item: LimitRangeItem, problems: Problems) -> None:
    check = validate_container_resource_name if item.type in ("Pod", "Container") else validate_resource_name
    values: dict[str, dict[str, quantity.Quantity]] = {}
    for field in FIELDS:
        resources = getattr(item, field)
        if resources and item.type == "Pod" and field in ("default", "defaultRequest"):
            problems.at(field).forbidden("may not be specified when `type` is 'Pod'")
            continue
        for name, value in resources.items():
            here = problems.at(field, f"[{name}]")
            check(name, here)
            try:
                values.setdefault(name, {})[field] = quantity.parse(value)
            except ValueError as error:
                here.invalid(value, str(error))
    if item.type == "PersistentVolumeClaim" and "storage" not in item.min and "storage" not in item.max:
        problems.at("limits").required("either minimum or maximum storage value is required, but neither was provided")
    for name, bounds in values.items():
        _validate_values(name, bounds, problems)


def _validate_values(name: str, limits: dict[str, quantity.Quantity], problems: Problems) -> None:
    for small, large, field, shown, message in ORDERS:
        if small in limits and large in limits and limits[small].nanos > limits[large].nanos:
            problems.at(field, f"[{name}]").invalid(str(limits[shown]), message.format(limits[small], limits[large]))
    ratio = limits.get("maxLimitRequestRatio")
    if ratio is not None:
        here = problems.at("maxLimitRequestRatio", f"[{name}]")
        if ratio.nanos < quantity.NANO:
            here.invalid(str(ratio), f"ratio {ratio} is less than 1")
        if "min" in limits and "max" in limits and limits["min"].nanos > 0:
            highest = limits["max"].nanos / limits["min"].nanos
            if ratio.nanos / quantity.NANO > highest:
                here.invalid(str(ratio), f"ratio {ratio} is greater than max/min = {highest:f}")
    first, second = limits.get("default"), limits.get("defaultRequest")
    if first and second and not may_overcommit(name) and first.nanos != second.nanos:
        message = f"default value {first} must equal to defaultRequest value {second} in {name}"
        problems.at("defaultRequest", f"[{name}]").invalid(str(second), message)
