"""DeviceClass: a class of devices that claims may choose."""

from __future__ import annotations

from pilothouse.api.core.validation.fields import report
from pilothouse.api.resource.claimspec import (
    MAXIMUM_CONFIGURATIONS,
    MAXIMUM_SELECTORS,
    validate_declared_opaque,
    validate_opaque,
    validate_selectors,
)
from pilothouse.api.types.resource_v1 import DeviceClass, DeviceSelector
from pilothouse.machinery import names
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import Resource
from pilothouse.machinery.strategy import Strategy


def _declared_name(name: str) -> list[str]:
    """The rule of names as declarative validation says it, which counts bytes."""
    limit = names.too_long(names.SUBDOMAIN_LIMIT)
    return [names.too_long(names.SUBDOMAIN_LIMIT, "bytes") if problem == limit else problem for problem in names.dns_subdomain(name)]


DEVICECLASS = Resource(
    DeviceClass,
    plural="deviceclasses",
    namespaced=False,
    name_rule=_declared_name,
    strategy=Strategy(returns_deleted_object=True),
)


@DEVICECLASS.validate_create
def validate_create(deviceclass: DeviceClass, problems: Problems) -> None:
    """Rules of a new class; every selector is compiled. Upstream: ValidateDeviceClass."""
    _validate(deviceclass, [], problems.at("spec"))


@DEVICECLASS.validate_update
def validate_update(old: DeviceClass, new: DeviceClass, problems: Problems) -> None:
    """Rules of a changed class; selectors of old are not compiled again. Upstream: ValidateDeviceClassUpdate."""
    _validate(new, old.spec.selectors, problems.at("spec"))


def _validate(deviceclass: DeviceClass, before: list[DeviceSelector], here: Problems) -> None:
    """Selectors that an update leaves as they were are not judged again."""
    spec = deviceclass.spec
    if spec.selectors != before:
        validate_selectors(spec.selectors, here.at("selectors"))
    for index, config in enumerate(spec.config if len(spec.config) <= MAXIMUM_CONFIGURATIONS else ()):
        validate_opaque(config, here.at("config", index))
    if len(spec.selectors) > MAXIMUM_SELECTORS:
        here.at("selectors").too_many(len(spec.selectors), MAXIMUM_SELECTORS)
    if len(spec.config) > MAXIMUM_CONFIGURATIONS:
        here.at("config").too_many(len(spec.config), MAXIMUM_CONFIGURATIONS)
    else:
        for index, config in enumerate(spec.config):
            validate_declared_opaque(config, here.at("config", index))
    if spec.extendedResourceName:
        _validate_resource_name(spec.extendedResourceName, here.at("extendedResourceName"))


def _validate_resource_name(name: str, problems: Problems) -> None:
    """The resource by which Pods ask for these devices without a claim (KEP-5004)."""
    if "/" not in name:
        problems.invalid(name, "a name must be a domain-prefixed path, such as 'example.com/my-prop'")
    report(names.qualified_name(f"requests.{name}"), name, problems)
