"""Validation of names of drivers, pools, devices, requests and attributes.

Upstream checks some fields by hand and some by declarations; the words differ, and what is declared comes after the rest.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Sequence
from typing import Any, TypeVar

from pilothouse.api.core.validation.declared import in_bytes
from pilothouse.api.core.validation.fields import report
from pilothouse.machinery import names, rawextension
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.struct import RawExtension

T = TypeVar("T")

LONGEST_DRIVER, LONGEST_POOL, LONGEST_IDENTIFIER = 63, 253, 32
MOST_BINDING_CONDITIONS = 4
EFFECTS = ("NoExecute", "NoSchedule", "None")
IDENTIFIER = "[A-Za-z_][A-Za-z0-9_]*"
UUID = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def validate_driver(name: str, problems: Problems) -> None:
    """Name of a driver: a DNS subdomain of up to 63 characters. Upstream: validateDriverName."""
    if not name:
        problems.required()
        return
    if len(name) > LONGEST_DRIVER:
        problems.too_long(LONGEST_DRIVER)
    report(names.dns_subdomain(name.lower()), name, problems)


def validate_pool(name: str, problems: Problems) -> None:
    """Name of a pool: DNS subdomains separated by slashes. Upstream: validatePoolName."""
    if not name:
        problems.required()
        return
    if len(name) > LONGEST_POOL:
        problems.too_long(LONGEST_POOL)
    for part in name.split("/"):
        report(names.dns_subdomain(part), part, problems)


def validate_declared_pool(name: str, problems: Problems) -> None:
    """Name of a pool in the words of declarative validation."""
    if not name:
        problems.required()
        return
    if len(name) > LONGEST_POOL:
        problems.too_long(LONGEST_POOL)
    for index, part in enumerate(name.split("/")):
        report([f"segment {index}: {message}" for message in in_bytes(names.dns_subdomain(part))], name, problems)


def validate_identifier(name: str, problems: Problems) -> None:
    """A C identifier of limited length."""
    if len(name) > LONGEST_IDENTIFIER:
        problems.too_long(LONGEST_IDENTIFIER)
    if not re.fullmatch(IDENTIFIER, name):
        rule = "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters or '_'"
        problems.invalid(name, names.mismatch(rule, IDENTIFIER, "my_name", "MY_NAME", "MyName"))


def validate_qualified_name(name: str, problems: Problems) -> None:
    """An attribute or a capacity: an identifier, before it perhaps a domain."""
    parts = name.split("/")
    if len(parts) == 1:
        validate_identifier(name, problems)
    elif len(parts) == 2:
        if parts[0]:
            validate_driver(parts[0], problems)
        else:
            problems.invalid("", "the domain must not be empty")
        if parts[1]:
            validate_identifier(parts[1], problems)
        else:
            problems.invalid("", "the name must not be empty")


def validate_fully_qualified_name(name: str, problems: Problems) -> None:
    """A name with a domain: `<domain>/<C identifier>`."""
    validate_qualified_name(name, problems)
    if "/" not in name:
        problems.invalid(name, "a fully qualified name must be a domain and a name separated by a slash")


def validate_uuid(value: str, problems: Problems) -> None:
    """A UUID in lower case."""
    if not UUID.fullmatch(value):
        problems.invalid(value, "must be a lowercase UUID in 8-4-4-4-12 format")


def validate_parameters(value: RawExtension, problems: Problems) -> None:
    """Validate opaque parameters: a JSON object."""
    if rawextension.is_absent(value):
        problems.required()
    elif not rawextension.is_object(value):
        problems.invalid("<value omitted>", "must be a valid JSON object")


def validate_list(items: Sequence[T], limit: int, validate: Callable[[T, Problems], None], problems: Problems) -> bool:
    """Each item by its rule, unless there are too many; whether there are not."""
    if len(items) > limit:
        problems.too_many(len(items), limit)
        return False
    for index, item in enumerate(items):
        validate(item, problems.at(index))
    return True


def validate_unique(
    items: Sequence[T], key: Callable[[T], Hashable], problems: Problems, shown: Callable[[T], object] | None = None
) -> None:
    """Report every item whose key was there before, as `shown` gives it."""
    seen: set[Hashable] = set()
    for index, item in enumerate(items):
        if key(item) in seen:
            problems.at(index).duplicate(shown(item) if shown else key(item))
        seen.add(key(item))


def validate_bindings(conditions: list[str], failures: list[str], problems: Problems) -> None:
    """Validate that bindingConditions and bindingFailureConditions are set together."""
    for field, values in (("bindingConditions", conditions), ("bindingFailureConditions", failures)):
        if len(values) <= MOST_BINDING_CONDITIONS:
            for index, value in enumerate(values):
                report(names.qualified_name(value), value, problems, field, index)
    validate_unique(conditions, str, problems.at("bindingConditions"))
    for index, condition in enumerate(failures):
        here = problems.at("bindingFailureConditions", index)
        if condition in failures[:index]:
            here.duplicate(condition)
        if condition in conditions:
            here.invalid(condition, "bindingFailureConditions must not overlap with bindingConditions")
    if failures and not conditions:
        problems.at("bindingConditions").invalid(None, "bindingConditions are required to use bindingFailureConditions")
    if conditions and not failures:
        problems.at("bindingFailureConditions").invalid(None, "bindingFailureConditions are required to use bindingConditions")


def validate_declared_bindings(conditions: list[str], failures: list[str], problems: Problems) -> None:
    """Number of binding conditions, in the words of declarative validation."""
    for field, values in (("bindingConditions", conditions), ("bindingFailureConditions", failures)):
        if len(values) > MOST_BINDING_CONDITIONS:
            problems.at(field).too_many(len(values), MOST_BINDING_CONDITIONS)


def validate_taint(taint: Any, problems: Problems) -> None:
    """Key and value of a device taint."""
    report(names.qualified_name(taint.key), taint.key, problems, "key")
    if taint.value:
        report(names.label_value(taint.value), taint.value, problems, "value")


def validate_declared_effect(effect: str, problems: Problems) -> None:
    """Effect of a device taint, in the words of declarative validation."""
    if not effect:
        problems.required()
    elif effect not in EFFECTS:
        problems.not_supported(effect, EFFECTS)
