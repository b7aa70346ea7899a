"""Rules of a claim's spec, in a PersistentVolumeClaim, in a StatefulSet's template and in an ephemeral volume."""

from __future__ import annotations

from collections.abc import Mapping

from pilothouse.api.core.validation.fields import optional_one_of, report
from pilothouse.api.core.validation.resources import is_native, validate_resource_name
from pilothouse.api.core.validation.selectors import validate_label_selector
from pilothouse.api.types.core_v1 import PersistentVolumeClaimSpec
from pilothouse.machinery import names, quantity
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.struct import Quantity

ACCESS_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
VOLUME_MODES = ("Block", "Filesystem")
POSITIVE = "must be greater than zero"


def validate_access_modes(modes: list[str], problems: Problems) -> None:
    if not modes:
        problems.required("at least 1 access mode is required")
    for mode in modes:
        if mode not in ACCESS_MODES:
            problems.not_supported(mode, ACCESS_MODES)
    if "ReadWriteOncePod" in modes and len(modes) > 1:
        problems.forbidden("may not use ReadWriteOncePod with other access modes")


def validate_positive(value: Quantity, problems: Problems) -> None:
    try:
        parsed = quantity.parse(value)
    except ValueError as error:
        problems.invalid(value, str(error))
        return
    if parsed.nanos <= 0:
        problems.invalid(str(parsed), POSITIVE)


def validate_claim_spec(spec: PersistentVolumeClaimSpec, problems: Problems) -> None:
    validate_access_modes(spec.accessModes, problems.at("accessModes"))
    validate_label_selector(spec.selector, problems.at("selector"))
    _validate_requests(spec.resources.requests, problems.at("resources"))
    for field in ("storageClassName", "volumeAttributesClassName"):
        value = getattr(spec, field)
        if value:
            report(names.dns_subdomain(value), value, problems, field)
    optional_one_of(spec.volumeMode, VOLUME_MODES, problems, "volumeMode")
    for field in ("dataSource", "dataSourceRef"):
        source = getattr(spec, field)
        if source is None:
            continue
        here = problems.at(field)
        for part in ("name", "kind"):
            if not getattr(source, part):
                here.at(part).required()
        if not source.apiGroup and source.kind and source.kind != "PersistentVolumeClaim":
            here.invalid(source.kind, "must be 'PersistentVolumeClaim' when referencing the default apiGroup")


def _validate_requests(requests: Mapping[str, Quantity], problems: Problems) -> None:
    if "storage" not in requests:
        problems.at("[storage]").required()
    for name, value in requests.items():
        here = problems.at("requests", f"[{name}]")
        if validate_resource_name(name, here) and is_native(name) and name != "storage":
            here.not_supported(name, ("storage",))
        if name == "storage":
            validate_positive(value, problems.at("[storage]"))
