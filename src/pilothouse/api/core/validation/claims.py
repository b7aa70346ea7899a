"""Rules of a claim's spec, in a PersistentVolumeClaim, in a StatefulSet's template and in an ephemeral volume."""

from __future__ import annotations

from pilothouse.api.core.validation.fields import optional_one_of, report
from pilothouse.api.core.validation.selectors import validate_label_selector
from pilothouse.api.types.core_v1 import PersistentVolumeClaimSpec, TypedLocalObjectReference, TypedObjectReference
from pilothouse.machinery import names, quantity
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.struct import Quantity

ACCESS_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
VOLUME_MODES = ("Block", "Filesystem")
POSITIVE = "must be greater than zero"


def validate_access_modes(modes: list[str], problems: Problems, hint: str = "") -> None:
    """Known access modes; ReadWriteOncePod alone. `hint` is the message when there are none."""
    if not modes:
        problems.required(hint)
    for mode in modes:
        if mode not in ACCESS_MODES:
            problems.not_supported(mode, ACCESS_MODES)
    if "ReadWriteOncePod" in modes and set(modes) & set(ACCESS_MODES) > {"ReadWriteOncePod"}:
        problems.forbidden("may not use ReadWriteOncePod with other access modes")


def validate_positive(value: Quantity, problems: Problems) -> None:
    """A quantity greater than zero."""
    try:
        parsed = quantity.parse(value)
    except ValueError as error:
        problems.invalid(value, str(error))
        return
    if parsed.nanos <= 0:
        problems.invalid(str(parsed), POSITIVE)


def validate_claim_spec(spec: PersistentVolumeClaimSpec, problems: Problems) -> None:
    """Rules of a claim's spec: access modes, selector, request, class, data sources. Upstream: ValidatePersistentVolumeClaimSpec."""
    validate_access_modes(spec.accessModes, problems.at("accessModes"), "at least 1 access mode is required")
    validate_label_selector(spec.selector, problems.at("selector"))
    storage = problems.at("resources", "[storage]")
    if "storage" not in spec.resources.requests:
        storage.required()
    else:
        validate_positive(spec.resources.requests["storage"], storage)
    optional_one_of(spec.volumeMode, VOLUME_MODES, problems, "volumeMode")
    for field in ("storageClassName", "volumeAttributesClassName"):
        value = getattr(spec, field)
        if value:
            report(names.dns_subdomain(value), value, problems, field)
    for field in ("dataSource", "dataSourceRef"):
        source = getattr(spec, field)
        if source is not None:
            _validate_data_source(source, problems.at(field))
    data_source, other = spec.dataSource, spec.dataSourceRef
    same = (
        data_source is None
        or other is None
        or other.namespace
        or (data_source.apiGroup, data_source.kind, data_source.name) == (other.apiGroup, other.kind, other.name)
    )
    if not same:
        problems.invalid({}, "must match dataSourceRef")


def _validate_data_source(source: TypedLocalObjectReference | TypedObjectReference, problems: Problems) -> None:
    for part in ("name", "kind"):
        if not getattr(source, part):
            problems.at(part).required()
    if not source.apiGroup and source.kind != "PersistentVolumeClaim":
        problems.invalid(source.kind, "must be 'PersistentVolumeClaim' when referencing the default apiGroup")
    if source.apiGroup:
        report(names.dns_subdomain(source.apiGroup), source.apiGroup, problems, "apiGroup")
