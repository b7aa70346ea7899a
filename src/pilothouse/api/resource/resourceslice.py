"""ResourceSlice: devices that a driver offers."""

from __future__ import annotations

from pilothouse.api.core.defaults.quantities import exact, exact_fields
from pilothouse.api.core.validation.fields import immutable, report
from pilothouse.api.core.validation.selectors import validate_node_selector
from pilothouse.api.internal import internal
from pilothouse.api.resource.devices import validate_counters, validate_declared_device, validate_declared_label, validate_device
from pilothouse.api.resource.identifiers import validate_driver, validate_pool, validate_unique
from pilothouse.api.types.resource_v1 import Counter, ResourceSlice, ResourceSliceSpec
from pilothouse.machinery import names
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import AGE, Column, Resource
from pilothouse.machinery.strategy import Strategy

MOST_DEVICES, MOST_COUNTER_SETS = 128, 8
ONE_PLACE = "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required"

RESOURCESLICE = Resource(
    ResourceSlice,
    plural="resourceslices",
    namespaced=False,
    columns=(
        Column("Node", lambda resource_slice: resource_slice.spec.nodeName or ""),
        Column("Driver", lambda resource_slice: resource_slice.spec.driver),
        Column("Pool", lambda resource_slice: resource_slice.spec.pool.name),
        AGE,
    ),
    selectable_fields={
        "spec.nodeName": lambda resource_slice: resource_slice.spec.nodeName or "",
        "spec.driver": lambda resource_slice: resource_slice.spec.driver,
        "spec.pool.name": lambda resource_slice: resource_slice.spec.pool.name,
    },
    unknown_field="field label not supported for resource.k8s.io/v1, Kind=ResourceSlice: {}",
    strategy=Strategy(returns_deleted_object=True, counts_disabled=True),
)


@RESOURCESLICE.default
def default(slice_: ResourceSlice) -> None:
    """Amounts in the form in which the API writes them."""
    for counters in slice_.spec.sharedCounters:
        _default_counters(counters.counters)
    for device in slice_.spec.devices:
        for consumption in device.consumesCounters:
            _default_counters(consumption.counters)
        for capacity in device.capacity.values():
            exact_fields(capacity, "value")
            policy = capacity.requestPolicy
            if policy is not None:
                exact_fields(policy, "default")
                policy.validValues = [exact(value) for value in policy.validValues]
                if policy.validRange is not None:
                    exact_fields(policy.validRange, "min", "max", "step")


def _default_counters(counters: dict[str, Counter]) -> None:
    for counter in counters.values():
        exact_fields(counter, "value")


@RESOURCESLICE.validate
def validate(slice_: ResourceSlice, problems: Problems) -> None:
    """Driver and pool. Upstream: ValidateResourceSlice."""
    spec, here = slice_.spec, problems.at("spec")
    validate_driver(spec.driver, here.at("driver"))
    validate_pool(spec.pool.name, here.at("pool", "name"))
    if spec.pool.resourceSliceCount <= 0:
        here.at("pool", "resourceSliceCount").invalid(spec.pool.resourceSliceCount, "must be greater than zero")
    if spec.pool.generation < 0:
        here.at("pool", "generation").invalid(spec.pool.generation, "must be greater than or equal to zero")


def _validate_rest(spec: ResourceSliceSpec, here: Problems) -> None:
    """What comes after the fields that do not change."""
    _validate_nodes(spec, here)
    if spec.sharedCounters and spec.devices:
        here.invalid("", "only one of `sharedCounters` or `devices` is allowed")
    devices = here.at("devices")
    most = MOST_DEVICES if not any(device.taints or device.consumesCounters for device in spec.devices) else MOST_DEVICES // 2
    if len(spec.devices) > most:
        devices.too_many(len(spec.devices), most)
    else:
        for index, device in enumerate(spec.devices):
            validate_device(device, bool(spec.perDeviceNodeSelection), devices.at(index))
        validate_unique(spec.devices, lambda device: device.name, devices)
        for index, device in enumerate(spec.devices):
            validate_declared_device(device, devices.at(index))
    counters = here.at("sharedCounters")
    if len(spec.sharedCounters) > MOST_COUNTER_SETS:
        counters.too_many(len(spec.sharedCounters), MOST_COUNTER_SETS)
        return
    validate_unique(spec.sharedCounters, lambda shared: shared.name, counters, lambda shared: shared)
    for index, shared in enumerate(spec.sharedCounters):
        validate_declared_label(shared.name, counters.at(index, "name"))
        validate_counters(shared.counters, counters.at(index, "counters"))


def _validate_nodes(spec: ResourceSliceSpec, here: Problems) -> None:
    """Whose devices these are: of a node, of some, of all, or each device says so itself."""
    given: list[str] = []
    if spec.nodeName:
        given.append("`nodeName`")
        report(names.dns_subdomain(spec.nodeName), spec.nodeName, here, "nodeName")
    elif spec.nodeName == "" and ResourceSliceSpec().nodeName is None:
        here.at("nodeName").invalid("", "must be either unset or set to a non-empty string")
    if spec.nodeSelector is not None:
        given.append("`nodeSelector`")
        validate_node_selector(spec.nodeSelector, here.at("nodeSelector"))
        terms = spec.nodeSelector.nodeSelectorTerms
        if len(terms or ()) != 1:
            shown = internal(terms, "[]core.NodeSelectorTerm")
            here.at("nodeSelector", "nodeSelectorTerms").invalid(shown, "must have exactly one node selector term")
    for field in ("allNodes", "perDeviceNodeSelection"):
        value = getattr(spec, field)
        if value:
            given.append(f"`{field}`")
        elif value is not None:
            here.at(field).invalid(False, "must be either unset or set to true")
    if not given:
        here.required(ONE_PLACE)
    elif len(given) > 1:
        here.invalid(f"{{{', '.join(given)}}}", f"{ONE_PLACE}, but multiple fields are set")


@RESOURCESLICE.validate
def validate_new(slice_: ResourceSlice, problems: Problems) -> None:
    """Rules of the rest of a new slice; an update checks them in `validate_update`."""
    if not slice_.metadata.resourceVersion:
        _validate_rest(slice_.spec, problems.at("spec"))


@RESOURCESLICE.validate_update
def validate_update(old: ResourceSlice, new: ResourceSlice, problems: Problems) -> None:
    """Pool name, driver and node never change. Upstream: ValidateResourceSliceUpdate."""
    here = problems.at("spec")
    immutable(new.spec.pool.name, old.spec.pool.name, here, "pool", "name")
    immutable(new.spec.driver, old.spec.driver, here, "driver")
    immutable(new.spec.nodeName, old.spec.nodeName, here, "nodeName")
    _validate_rest(new.spec, here)
