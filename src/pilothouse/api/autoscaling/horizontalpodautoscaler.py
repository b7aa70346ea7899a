"""HorizontalPodAutoscaler, autoscaling/v2: how many Pods a workload has, by its load. This is the stored form.

The older autoscaling/v1 is horizontalpodautoscaler_v1.py.
"""

from __future__ import annotations

from typing import Any

from pilothouse.api.autoscaling.metrics import SOURCES, validate_metric, validate_reference
from pilothouse.api.core.columns import NONE, UNKNOWN, UNSET
from pilothouse.api.core.defaults.quantities import exact, exact_fields
from pilothouse.api.core.validation.fields import NEGATIVE, nonnegative, optional_one_of
from pilothouse.api.types.autoscaling_v2 import (
    CrossVersionObjectReference,
    HorizontalPodAutoscaler,
    HPAScalingPolicy,
    HPAScalingRules,
    MetricSpec,
    MetricStatus,
    MetricTarget,
    ResourceMetricSource,
)
from pilothouse.machinery import quantity
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import AGE, STATUS, Column, Resource
from pilothouse.machinery.said_empty import is_said

UTILIZATION = 80
SHOWN = 2


def _targets(autoscaler: HorizontalPodAutoscaler) -> str:
    metrics, seen = autoscaler.spec.metrics, autoscaler.status.currentMetrics or []
    if not metrics:
        return NONE
    shown = [_target(metric, seen[index] if index < len(seen) else None) for index, metric in enumerate(metrics)]
    text = ", ".join(shown[:SHOWN])
    return f"{text} + {len(shown) - SHOWN} more..." if len(shown) > SHOWN else text


def _target(metric: MetricSpec, status: Any) -> str:
    """`cpu: 12%/80%`: what is seen, and what is wished."""
    field = SOURCES.get(metric.type, "")
    source = getattr(metric, field, None) if field else None
    if source is None:
        return "<unknown type>"
    part = getattr(status, field) if status else None
    current, target = part.current if part else None, source.target
    prefix = f"{source.name}: " if metric.type in ("Resource", "ContainerResource") else ""
    if target.averageValue is not None:
        suffix = " (avg)" if metric.type in ("External", "Object") else ""
        seen = current.averageValue if current and current.averageValue is not None else UNKNOWN
        return f"{prefix}{seen}/{target.averageValue}{suffix}"
    if prefix:
        seen = f"{current.averageUtilization}%" if current and current.averageUtilization is not None else UNKNOWN
        return f"{prefix}{seen}/" + ("<auto>" if target.averageUtilization is None else f"{target.averageUtilization}%")
    seen = current.value if current and current.value is not None else UNKNOWN
    return f"{seen}/{target.value}"


HORIZONTALPODAUTOSCALER = Resource(
    HorizontalPodAutoscaler,
    plural="horizontalpodautoscalers",
    short_names=("hpa",),
    categories=("all",),
    subresources=(STATUS,),
    columns=(
        Column("Reference", lambda autoscaler: f"{autoscaler.spec.scaleTargetRef.kind}/{autoscaler.spec.scaleTargetRef.name}"),
        Column("Targets", _targets),
        Column("MinPods", lambda autoscaler: UNSET if autoscaler.spec.minReplicas is None else str(autoscaler.spec.minReplicas)),
        Column("MaxPods", lambda autoscaler: autoscaler.spec.maxReplicas),
        Column("Replicas", lambda autoscaler: autoscaler.status.currentReplicas),
        AGE,
    ),
)


@HORIZONTALPODAUTOSCALER.default
def default(autoscaler: HorizontalPodAutoscaler) -> None:
    """Default minReplicas 1, a CPU target of 80 % without metrics, and upstream's scaling rules.

    Upstream: SetDefaults_HorizontalPodAutoscaler.
    """
    spec = autoscaler.spec
    if spec.minReplicas is None:
        spec.minReplicas = 1
    if not spec.metrics:
        target = MetricTarget(type="Utilization", averageUtilization=UTILIZATION)
        spec.metrics = [MetricSpec(type="Resource", resource=ResourceMetricSource(name="cpu", target=target))]
    for metric in (*spec.metrics, *(autoscaler.status.currentMetrics or ())):
        _default_amounts(metric)
    if spec.behavior:
        up = [("Pods", 4), ("Percent", 100)]
        spec.behavior.scaleUp = _rules(spec.behavior.scaleUp, up, 0)
        spec.behavior.scaleDown = _rules(spec.behavior.scaleDown, [("Percent", 100)], None)


def _default_amounts(metric: MetricSpec | MetricStatus) -> None:
    """Amounts in the form in which the API writes them."""
    for name in SOURCES.values():
        source: Any = getattr(metric, name)
        if source is None:
            continue
        held = source.target if isinstance(metric, MetricSpec) else source.current
        exact_fields(held, "value", "averageValue")


def _rules(given: HPAScalingRules | None, policies: list[tuple[str, int]], window: int | None) -> HPAScalingRules:
    rules = given or HPAScalingRules()
    if rules.selectPolicy is None:
        rules.selectPolicy = "Max"
    if not is_said(rules.policies):
        rules.policies = [HPAScalingPolicy(type=type, value=value, periodSeconds=15) for type, value in policies]
    if rules.stabilizationWindowSeconds is None:
        rules.stabilizationWindowSeconds = window
    if rules.tolerance is not None:
        rules.tolerance = exact(rules.tolerance)
    return rules


@HORIZONTALPODAUTOSCALER.validate
def validate(autoscaler: HorizontalPodAutoscaler, problems: Problems) -> None:
    """Bounds, target, metrics and scaling rules. Upstream: ValidateHorizontalPodAutoscaler."""
    spec, here = autoscaler.spec, problems.at("spec")
    least = 1 if spec.minReplicas is None else spec.minReplicas
    if spec.maxReplicas < least:
        here.at("maxReplicas").invalid(spec.maxReplicas, "must be greater than or equal to `minReplicas`")
    validate_reference(spec.scaleTargetRef, here.at("scaleTargetRef"))
    _validate_version(spec.scaleTargetRef, here.at("scaleTargetRef", "apiVersion"))
    for index, metric in enumerate(spec.metrics):
        validate_metric(metric, here.at("metrics", index))
    for field in ("scaleUp", "scaleDown"):
        rules = getattr(spec.behavior, field) if spec.behavior else None
        if rules:
            _validate_rules(rules, here.at("behavior", field))
    if least == 0 and not any(metric.type in ("Object", "External") for metric in spec.metrics):
        here.at("metrics").forbidden("must specify at least one Object or External metric to support scaling to zero replicas")
    if least < 0:
        here.at("minReplicas").invalid(least, NEGATIVE)
    if spec.maxReplicas == 0:
        here.at("maxReplicas").required()
    elif spec.maxReplicas < 0:
        here.at("maxReplicas").invalid(spec.maxReplicas, "must be greater than or equal to 1")


def _validate_version(target: CrossVersionObjectReference, problems: Problems) -> None:
    """What is scaled is of some group, but for the ReplicationController."""
    version = target.apiVersion
    if version.count("/") > 1:
        problems.invalid(version, f"unexpected GroupVersion string: {version}")
    elif "/" not in version and target.kind != "ReplicationController":
        problems.invalid(version, "apiVersion must specify API group")


@HORIZONTALPODAUTOSCALER.validate_status
def validate_status(old: HorizontalPodAutoscaler, new: HorizontalPodAutoscaler, problems: Problems) -> None:
    """Replica counts are not negative. Upstream: ValidateHorizontalPodAutoscalerStatusUpdate."""
    for field in ("currentReplicas", "desiredReplicas"):
        nonnegative(getattr(new.status, field), problems, "status", field)


def _validate_rules(rules: HPAScalingRules, problems: Problems) -> None:
    window = rules.stabilizationWindowSeconds
    if window is not None and not 0 <= window <= 3600:
        message = "must be greater than or equal to zero" if window < 0 else "must be less than or equal to 3600"
        problems.at("stabilizationWindowSeconds").invalid(window, message)
    optional_one_of(rules.selectPolicy, ("Disabled", "Max", "Min"), problems, "selectPolicy")
    if rules.tolerance is not None and quantity.parse(rules.tolerance).nanos < 0:
        problems.at("tolerance").invalid(quantity.canonical(rules.tolerance), NEGATIVE)
    if not rules.policies:
        problems.at("policies").required("must specify at least one Policy")
    for index, policy in enumerate(rules.policies):
        here = problems.at("policies", index)
        if policy.type not in ("Percent", "Pods"):
            here.at("type").not_supported(policy.type, ("Percent", "Pods"))
        if policy.value <= 0:
            here.at("value").invalid(policy.value, "must be greater than zero")
        if not 1 <= policy.periodSeconds <= 1800:
            message = "must be greater than zero" if policy.periodSeconds < 1 else "must be less than or equal to 1800"
            here.at("periodSeconds").invalid(policy.periodSeconds, message)
