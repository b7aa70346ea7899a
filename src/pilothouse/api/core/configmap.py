"""ConfigMap: configuration for Pods."""

from __future__ import annotations

from pilothouse.api.core.validation.data import MAXIMUM_BYTES, decoded_size, validate_frozen
from pilothouse.api.core.validation.fields import report
from pilothouse.api.types.core_v1 import ConfigMap
from pilothouse.machinery import names
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import AGE, Column, Resource
from pilothouse.machinery.strategy import Strategy

CONFIGMAP = Resource(
    ConfigMap,
    plural="configmaps",
    short_names=("cm",),
    columns=(Column("Data", lambda config_map: len(config_map.data) + len(config_map.binaryData)), AGE),
    strategy=Strategy(validates_generate_name=True, generation=None, compares_first=True),
)


@CONFIGMAP.validate
def validate(config_map: ConfigMap, problems: Problems) -> None:
    """Keys, base64 values and 1 MiB in total. Upstream: ValidateConfigMap."""
    size = 0
    for key, value in config_map.data.items():
        here = problems.at("data", f"[{key}]")
        report(names.config_map_key(key), key, here)
        if key in config_map.binaryData:
            here.invalid(key, "duplicate of key present in binaryData")
        size += len(value.encode())
    for key, value in config_map.binaryData.items():
        here = problems.at("binaryData", f"[{key}]")
        report(names.config_map_key(key), key, here)
        size += decoded_size(value, here)
    if size > MAXIMUM_BYTES:
        problems.at("[]").too_long(MAXIMUM_BYTES)


@CONFIGMAP.validate_update
def validate_update(old: ConfigMap, new: ConfigMap, problems: Problems) -> None:
    """Data of an immutable ConfigMap never change. Upstream: ValidateConfigMapUpdate."""
    validate_frozen(old, new, ("data", "binaryData"), problems)
