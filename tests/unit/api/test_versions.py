"""Kinds of several versions: nothing is lost on the way to the stored form and back."""

from __future__ import annotations

import msgspec
import pytest

from pilothouse.api.autoscaling.horizontalpodautoscaler_v1 import from_stored, to_stored
from pilothouse.api.events import event
from pilothouse.api.types import autoscaling_v1, autoscaling_v2, core_v1, events_v1
from pilothouse.machinery.meta_v1 import ObjectMeta


def external(name: str) -> autoscaling_v2.MetricSpec:
    source = autoscaling_v2.ExternalMetricSource(metric=autoscaling_v2.MetricIdentifier(name=name))
    return autoscaling_v2.MetricSpec(type="External", external=source)


def cpu(percent: int) -> autoscaling_v2.MetricSpec:
    target = autoscaling_v2.MetricTarget(type="Utilization", averageUtilization=percent)
    return autoscaling_v2.MetricSpec(type="Resource", resource=autoscaling_v2.ResourceMetricSource(name="cpu", target=target))


@pytest.mark.parametrize(
    ("metrics", "target"),
    [
        pytest.param([cpu(50)], 50, id="cpu alone"),
        pytest.param([external("a"), cpu(50)], 50, id="cpu and another"),
        pytest.param([external("a")], None, id="no cpu"),
    ],
)
def test_an_autoscaler_goes_through_the_old_version_unharmed(metrics: list[autoscaling_v2.MetricSpec], target: int | None) -> None:
    stored = autoscaling_v2.HorizontalPodAutoscaler(
        metadata=ObjectMeta(name="a", annotations={"own": "kept"}),
        spec=autoscaling_v2.HorizontalPodAutoscalerSpec(
            maxReplicas=3,
            metrics=metrics,
            scaleTargetRef=autoscaling_v2.CrossVersionObjectReference(apiVersion="apps/v1", kind="Deployment", name="d"),
            behavior=autoscaling_v2.HorizontalPodAutoscalerBehavior(scaleUp=autoscaling_v2.HPAScalingRules(selectPolicy="Max")),
        ),
    )
    old = from_stored(stored)
    assert old.spec.targetCPUUtilizationPercentage == target
    back = to_stored(old)
    assert sorted(one.type for one in back.spec.metrics) == sorted(one.type for one in metrics)
    assert (back.metadata, back.spec.behavior) == (stored.metadata, stored.spec.behavior)
    assert back.spec.scaleTargetRef == stored.spec.scaleTargetRef


def test_an_autoscaler_of_the_old_version_without_target_gets_upstreams() -> None:
    metric = to_stored(autoscaling_v1.HorizontalPodAutoscaler()).spec.metrics[0]
    assert metric.resource is not None
    assert metric.resource.target.averageUtilization == 80


def test_an_event_is_the_same_in_both_groups() -> None:
    new = events_v1.Event(
        metadata=ObjectMeta(name="e", namespace="n"),
        action="Bind",
        eventTime="2026-01-01T00:00:00.000000Z",
        note="said",
        reason="Why",
        regarding=core_v1.ObjectReference(kind="Pod", name="p"),
        reportingController="c",
        reportingInstance="i",
        series=events_v1.EventSeries(count=3, lastObservedTime="2026-01-01T00:00:01.000000Z"),
        type="Normal",
    )
    stored = event.to_stored(new)
    assert (stored.message, stored.involvedObject.name, stored.reportingComponent) == ("said", "p", "c")
    assert event.from_stored(stored) == new


def test_a_time_that_is_not_set_is_null() -> None:
    text = msgspec.json.encode(event.from_stored(core_v1.Event(metadata=ObjectMeta(name="e"))))
    assert b'"eventTime":null' in text
