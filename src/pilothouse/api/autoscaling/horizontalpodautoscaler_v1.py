"""HorizontalPodAutoscaler, autoscaling/v1: one CPU target. What it cannot say is kept in annotations, so that nothing is lost.

The stored form is autoscaling/v2 (horizontalpodautoscaler.py). The annotations are upstream's
(pkg/apis/autoscaling/annotations.go); a metric that v1 has a field for never stands in them.
"""

from __future__ import annotations

from typing import Any

import msgspec

from pilothouse.api.autoscaling.annotations import (
    SOURCES,
    STATUSES,
    read_behavior,
    read_conditions,
    read_metrics,
    write_behavior,
    write_conditions,
    write_metrics,
)
from pilothouse.api.autoscaling.horizontalpodautoscaler import HORIZONTALPODAUTOSCALER, UTILIZATION
from pilothouse.api.core.columns import converted
from pilothouse.api.types import autoscaling_v1 as v1
from pilothouse.api.types import autoscaling_v2 as v2
from pilothouse.machinery.resource import STATUS, Resource

METRICS = "autoscaling.alpha.kubernetes.io/metrics"
CURRENT_METRICS = "autoscaling.alpha.kubernetes.io/current-metrics"
CONDITIONS = "autoscaling.alpha.kubernetes.io/conditions"
BEHAVIOR = "autoscaling.alpha.kubernetes.io/behavior"
ANNOTATIONS = (METRICS, CURRENT_METRICS, CONDITIONS, BEHAVIOR)


def to_stored(autoscaler: v1.HorizontalPodAutoscaler) -> v2.HorizontalPodAutoscaler:
    """The v2 form; annotations that cannot be read are dropped, as upstream drops them."""
    notes = autoscaler.metadata.annotations
    target = autoscaler.spec.targetCPUUtilizationPercentage
    own = [_cpu(target)] if target is not None else []
    metrics = (read_metrics(notes[METRICS], v2.MetricSpec, SOURCES) or []) + own if METRICS in notes else own
    if not metrics:  # upstream, too, fills this in on the way: only here it is known that there is nothing else
        metrics = [_cpu(UTILIZATION)]
    current = read_metrics(notes[CURRENT_METRICS], v2.MetricStatus, STATUSES) if CURRENT_METRICS in notes else None
    if current is None and autoscaler.status.currentCPUUtilizationPercentage is not None:
        value = v2.MetricValueStatus(averageUtilization=autoscaler.status.currentCPUUtilizationPercentage)
        current = [v2.MetricStatus(type="Resource", resource=v2.ResourceMetricStatus(name="cpu", current=value))]
    return v2.HorizontalPodAutoscaler(
        metadata=_with(autoscaler.metadata, {key: value for key, value in notes.items() if key not in ANNOTATIONS}),
        spec=v2.HorizontalPodAutoscalerSpec(
            behavior=read_behavior(notes[BEHAVIOR]) if BEHAVIOR in notes else None,
            maxReplicas=autoscaler.spec.maxReplicas,
            metrics=metrics,
            minReplicas=autoscaler.spec.minReplicas,
            scaleTargetRef=_reference(autoscaler.spec.scaleTargetRef, v2.CrossVersionObjectReference),
        ),
        status=v2.HorizontalPodAutoscalerStatus(
            conditions=(read_conditions(notes[CONDITIONS]) if CONDITIONS in notes else None) or [],
            currentMetrics=current or [],
            currentReplicas=autoscaler.status.currentReplicas,
            desiredReplicas=autoscaler.status.desiredReplicas,
            lastScaleTime=autoscaler.status.lastScaleTime,
            observedGeneration=autoscaler.status.observedGeneration,
        ),
    )


def from_stored(autoscaler: v2.HorizontalPodAutoscaler) -> v1.HorizontalPodAutoscaler:
    """The v1 form of a stored object."""
    cpu = next((metric for metric in autoscaler.spec.metrics if _is_cpu_target(metric)), None)
    seen = next((metric for metric in autoscaler.status.currentMetrics or () if _is_cpu_status(metric)), None)
    notes = {key: value for key, value in autoscaler.metadata.annotations.items() if key not in ANNOTATIONS}
    others = [metric for metric in autoscaler.spec.metrics if not _is_cpu_target(metric)]
    if others:
        notes[METRICS] = write_metrics(others, SOURCES)
    if autoscaler.status.currentMetrics:  # the CPU's, too: v1 has no field for the raw value
        notes[CURRENT_METRICS] = write_metrics(autoscaler.status.currentMetrics, STATUSES)
    if autoscaler.spec.behavior is not None:
        notes[BEHAVIOR] = write_behavior(autoscaler.spec.behavior)
    if autoscaler.status.conditions:
        notes[CONDITIONS] = write_conditions(autoscaler.status.conditions)
    return v1.HorizontalPodAutoscaler(
        metadata=_with(autoscaler.metadata, notes),
        spec=v1.HorizontalPodAutoscalerSpec(
            maxReplicas=autoscaler.spec.maxReplicas,
            minReplicas=autoscaler.spec.minReplicas,
            scaleTargetRef=_reference(autoscaler.spec.scaleTargetRef, v1.CrossVersionObjectReference),
            targetCPUUtilizationPercentage=cpu.resource.target.averageUtilization if cpu and cpu.resource else None,
        ),
        status=v1.HorizontalPodAutoscalerStatus(
            currentCPUUtilizationPercentage=seen.resource.current.averageUtilization if seen and seen.resource else None,
            currentReplicas=autoscaler.status.currentReplicas,
            desiredReplicas=autoscaler.status.desiredReplicas,
            lastScaleTime=autoscaler.status.lastScaleTime,
            observedGeneration=autoscaler.status.observedGeneration,
        ),
    )


def _cpu(utilization: int) -> v2.MetricSpec:
    target = v2.MetricTarget(type="Utilization", averageUtilization=utilization)
    return v2.MetricSpec(type="Resource", resource=v2.ResourceMetricSource(name="cpu", target=target))


def _is_cpu_target(metric: v2.MetricSpec) -> bool:
    source = metric.resource
    return source is not None and source.name == "cpu" and source.target.averageUtilization is not None


def _is_cpu_status(metric: v2.MetricStatus) -> bool:
    return metric.resource is not None and metric.resource.name == "cpu" and metric.resource.current.averageUtilization is not None


def _with(metadata: Any, annotations: dict[str, str]) -> Any:
    return msgspec.structs.replace(metadata, annotations=annotations)


def _reference(reference: Any, type: Any) -> Any:
    return type(apiVersion=reference.apiVersion, kind=reference.kind, name=reference.name)


HORIZONTALPODAUTOSCALER_V1 = Resource(
    v1.HorizontalPodAutoscaler,
    plural="horizontalpodautoscalers",
    short_names=("hpa",),
    categories=("all",),
    subresources=(STATUS,),
    columns=converted(HORIZONTALPODAUTOSCALER.columns or (), to_stored),
    stored_as=HORIZONTALPODAUTOSCALER,
    to_stored=to_stored,
    from_stored=from_stored,
)
HORIZONTALPODAUTOSCALER_V1.conversion_annotations = ANNOTATIONS


@HORIZONTALPODAUTOSCALER_V1.default
def default(autoscaler: v1.HorizontalPodAutoscaler) -> None:
    """Default minReplicas 1; the rest is defaulted in autoscaling/v2."""
    if autoscaler.spec.minReplicas is None:
        autoscaler.spec.minReplicas = 1
