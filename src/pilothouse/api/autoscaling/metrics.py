"""Validation of metrics of a HorizontalPodAutoscaler.

The words are upstream's (pkg/apis/autoscaling/validation). The rest of the kind lies in horizontalpodautoscaler.py.
"""

from __future__ import annotations

from typing import Any

from pilothouse.api.core.validation.fields import report
from pilothouse.api.core.validation.resources import validate_container_resource_name
from pilothouse.api.types.autoscaling_v2 import CrossVersionObjectReference, MetricIdentifier, MetricSpec, MetricTarget
from pilothouse.machinery import names, quantity
from pilothouse.machinery.problems import Problems

SOURCES = {"ContainerResource": "containerResource", "External": "external", "Object": "object", "Pods": "pods", "Resource": "resource"}
ORDER = ("object", "external", "pods", "resource", "containerResource")
"""In which order upstream looks for sources: the first that is there is judged, even where the type names another."""
TARGETS = ("AverageValue", "Utilization", "Value")


def validate_metric(metric: MetricSpec, problems: Problems) -> None:
    """Validate one metric: only the source of its type, with a valid target. Upstream: validateMetricSpec."""
    if not metric.type:
        problems.at("type").required("must specify a metric source type")
    if metric.type not in SOURCES:
        problems.at("type").not_supported(metric.type, SOURCES)
    expected = SOURCES.get(metric.type, "")
    present = [field for field in ORDER if getattr(metric, field) is not None]
    if present:
        _validate_source(present[0], getattr(metric, present[0]), problems.at(present[0]))
    if expected and expected not in present:
        problems.at(expected).required("must populate information for the given metric source")
    if len(present) > 1:
        for field in present:
            if field != expected:
                problems.at(field).forbidden("must populate the given metric source only")


def validate_reference(reference: CrossVersionObjectReference, problems: Problems) -> None:
    """Kind and name of the object that is scaled. Upstream: ValidateCrossVersionObjectReference."""
    for field in ("kind", "name"):
        value = getattr(reference, field)
        if not value:
            problems.at(field).required()
        else:
            report(names.path_segment(value), value, problems, field)


def _validate_source(field: str, source: Any, problems: Problems) -> None:
    if field == "object":
        validate_reference(source.describedObject, problems.at("describedObject"))
    if field in ("resource", "containerResource"):
        _validate_names(field, source, problems)
    else:
        _validate_identifier(source.metric, problems.at("metric"))
    target, here = source.target, problems.at("target")
    _validate_target(target, here)
    if field in ("resource", "containerResource"):
        _validate_usage(target, here)
    elif field == "pods" and target.averageValue is None:
        here.at("averageValue").required("must specify a positive target averageValue")
    elif field == "object" and target.value is None and target.averageValue is None:
        here.at("averageValue").required("must set either a target value or averageValue")
    elif field == "external" and (target.value is None) == (target.averageValue is None):
        if target.value is None:
            here.at("averageValue").required("must set either a target value for metric or a per-pod target")
        else:
            here.at("value").forbidden("may not set both a target value for metric and a per-pod target")


def _validate_names(field: str, source: Any, problems: Problems) -> None:
    """The resource, and the container of one Pod in it; upstream takes any word for the resource of a whole Pod."""
    if not source.name:
        problems.at("name").required("must specify a resource name")
    elif field == "containerResource":
        validate_container_resource_name(source.name, problems.at("name"))
    if field == "containerResource":
        if not source.container:
            problems.at("container").required("must specify a container")
        else:
            report(names.dns_label(source.container), source.container, problems, "container")


def _validate_identifier(metric: MetricIdentifier, problems: Problems) -> None:
    if not metric.name:
        problems.at("name").required("must specify a metric name")
    else:
        report(names.path_segment(metric.name), metric.name, problems, "name")


def _validate_usage(target: MetricTarget, problems: Problems) -> None:
    if target.averageUtilization is None and target.averageValue is None:
        problems.at("averageUtilization").required("must set either a target raw value or a target utilization")
    if target.averageUtilization is not None and target.averageValue is not None:
        problems.at("averageValue").forbidden("may not set both a target raw value and a target utilization")


def _validate_target(target: MetricTarget, problems: Problems) -> None:
    if not target.type:
        problems.at("type").required("must specify a metric target type")
    if target.type not in TARGETS:
        problems.at("type").invalid(target.type, "must be either Utilization, Value, or AverageValue")
    for part in ("value", "averageValue"):
        value = getattr(target, part)
        if value is not None and quantity.parse(value).nanos <= 0:
            problems.at(part).invalid(value, "must be positive")
    if target.averageUtilization is not None and target.averageUtilization < 1:
        problems.at("averageUtilization").invalid(target.averageUtilization, "must be greater than 0")
