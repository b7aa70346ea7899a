"""Annotations of autoscaling/v1 for fields that only autoscaling/v2 has.

Metrics and their states stand there in the flat form of autoscaling/v1, the behavior under the names of upstream's internal type
(pkg/apis/autoscaling/v1/conversion.go). The tables say, field by field in v1's order, where each lies in autoscaling/v2.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec

from pilothouse.api.internal import plain
from pilothouse.api.types import autoscaling_v2 as v2
from pilothouse.machinery import codec, quantity

T = TypeVar("T")
Field = tuple[str, str, str]
"""The name in v1, the path in v2, and what is written where that is not set: OMITTED, "" or "0"."""
OMITTED = "-"

NAME: Field = ("name", "name", "")
METRIC: Field = ("metricName", "metric.name", "")
SELECTOR: Field = ("selector", "metric.selector", OMITTED)
METRIC_SELECTOR: Field = ("metricSelector", "metric.selector", OMITTED)
CONTAINER: Field = ("container", "container", "")
TARGET: Field = ("target", "describedObject", "")
TARGET_UTILIZATION: Field = ("targetAverageUtilization", "target.averageUtilization", OMITTED)
TARGET_AVERAGE: Field = ("targetAverageValue", "target.averageValue", OMITTED)
CURRENT_UTILIZATION: Field = ("currentAverageUtilization", "current.averageUtilization", OMITTED)
CURRENT_AVERAGE: Field = ("currentAverageValue", "current.averageValue", "0")

SOURCES: dict[str, tuple[Field, ...]] = {
    "object": (TARGET, METRIC, ("targetValue", "target.value", "0"), SELECTOR, ("averageValue", "target.averageValue", OMITTED)),
    "pods": (METRIC, ("targetAverageValue", "target.averageValue", "0"), SELECTOR),
    "resource": (NAME, TARGET_UTILIZATION, TARGET_AVERAGE),
    "containerResource": (NAME, TARGET_UTILIZATION, TARGET_AVERAGE, CONTAINER),
    "external": (METRIC, METRIC_SELECTOR, ("targetValue", "target.value", OMITTED), TARGET_AVERAGE),
}
STATUSES: dict[str, tuple[Field, ...]] = {
    "object": (TARGET, METRIC, ("currentValue", "current.value", "0"), SELECTOR, ("averageValue", "current.averageValue", OMITTED)),
    "pods": (METRIC, CURRENT_AVERAGE, SELECTOR),
    "resource": (NAME, CURRENT_UTILIZATION, CURRENT_AVERAGE),
    "containerResource": (NAME, CURRENT_UTILIZATION, CURRENT_AVERAGE, CONTAINER),
    "external": (METRIC, METRIC_SELECTOR, ("currentValue", "current.value", "0"), ("currentAverageValue", "current.averageValue", OMITTED)),
}


def write_metrics(metrics: Sequence[Any], table: dict[str, tuple[Field, ...]]) -> str:
    """The annotation of v2 metrics (`table` SOURCES) or their states (STATUSES)."""
    return _json([_flat(codec.to_dict(metric), table) for metric in metrics])


def read_metrics(text: str, kind: type[T], table: dict[str, tuple[Field, ...]]) -> list[T] | None:
    """The v2 metrics or states of an annotation; None for a text that says none, which upstream passes over."""
    try:
        return [msgspec.convert(_deep(metric, table), kind) for metric in json.loads(text)]
    except (ValueError, TypeError, AttributeError, msgspec.ValidationError):
        return None


def write_behavior(behavior: v2.HorizontalPodAutoscalerBehavior) -> str:
    """The annotation of a behavior."""
    return _json(plain(behavior, "autoscaling.HorizontalPodAutoscalerBehavior"))


def read_behavior(text: str) -> v2.HorizontalPodAutoscalerBehavior | None:
    """The behavior of an annotation; None for a text that says nothing."""
    try:
        behavior = msgspec.convert(_lowered(json.loads(text)), v2.HorizontalPodAutoscalerBehavior)
    except (ValueError, msgspec.ValidationError):
        return None
    return None if behavior == v2.HorizontalPodAutoscalerBehavior() else behavior


def write_conditions(conditions: Sequence[v2.HorizontalPodAutoscalerCondition]) -> str:
    """The annotation of conditions, which are the same in both versions."""
    return _json([codec.to_dict(condition) for condition in conditions])


def read_conditions(text: str) -> list[v2.HorizontalPodAutoscalerCondition] | None:
    """The conditions of an annotation; None for a text that says none."""
    try:
        return msgspec.json.decode(text, type=list[v2.HorizontalPodAutoscalerCondition])
    except msgspec.DecodeError:
        return None


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()  # in the order of the fields of Go's types


def _flat(metric: dict[str, Any], table: dict[str, tuple[Field, ...]]) -> dict[str, Any]:
    flat: dict[str, Any] = {"type": metric.get("type", "")}
    for source, fields in table.items():
        if source in metric:
            values = ((name, _at(metric[source], path), missing) for name, path, missing in fields)
            flat[source] = {
                name: missing if value is None else value for name, value, missing in values if value is not None or missing != OMITTED
            }
    return flat


def _at(value: Any, path: str) -> Any:
    for step in path.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    return value


def _deep(metric: dict[str, Any], table: dict[str, tuple[Field, ...]]) -> dict[str, Any]:
    nested: dict[str, Any] = {"type": metric.get("type", "")}
    for source, fields in table.items():
        flat = metric.get(source)
        if flat is None:
            continue
        deep: dict[str, Any] = {}
        for name, path, missing in fields:
            value = flat.get(name)
            if value is None and missing != "0":
                continue
            *above, last = path.split(".")
            at = deep.setdefault(above[0], {}) if above else deep
            at[last] = missing if value is None else value
        nested[source] = _with_target_type(source, deep) if table is SOURCES else deep
    return nested


def _with_target_type(source: str, deep: dict[str, Any]) -> dict[str, Any]:
    """The type of a target, which v1 tells by what is set."""
    target = deep.setdefault("target", {})
    if source in ("resource", "containerResource"):
        target["type"] = "AverageValue" if target.get("averageUtilization") is None else "Utilization"
    elif source == "external":
        target["type"] = "AverageValue" if target.get("value") is None else "Value"
    elif source == "pods" or target.get("averageValue") is not None:
        target["type"] = "AverageValue"
        if source == "object" and quantity.parse(target["value"]).nanos == 0:
            del target["value"]
    else:
        target["type"] = "Value"
    return deep


def _lowered(value: Any) -> Any:
    """An internal value under the names of the version; null is absent."""
    if isinstance(value, dict):
        return {name[:1].lower() + name[1:]: _lowered(each) for name, each in value.items() if each is not None}
    return [_lowered(each) for each in value] if isinstance(value, list) else value
