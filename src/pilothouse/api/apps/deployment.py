"""Deployment: ReplicaSets that are rolled from one template to the next.

Here: its names, defaults, rules and columns. What is done about it: controllers/builtin/deployment.py.
"""

from __future__ import annotations

from collections.abc import Iterator

from pilothouse.api.apps.workload import (
    is_zero,
    no_replicas,
    validate_collisions,
    validate_counts,
    validate_replicated,
    validate_share,
    validate_within,
)
from pilothouse.api.core.columns import selector_column, template_columns
from pilothouse.api.core.defaults.podspec import default_pod_spec
from pilothouse.api.core.validation.fields import immutable, nonnegative
from pilothouse.api.core.warnings.names import of_name
from pilothouse.api.core.warnings.podspec import of_template
from pilothouse.api.internal import internal
from pilothouse.api.types.apps_v1 import Deployment, RollingUpdateDeployment
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import AGE, STATUS, Column, Resource, Scale
from pilothouse.machinery.strategy import Strategy

HISTORY_LIMIT = 10
PROGRESS_DEADLINE_SECONDS = 600
SHARE = "25%"
STRATEGIES = ("Recreate", "RollingUpdate")
COUNTS = ("observedGeneration", "replicas", "updatedReplicas", "readyReplicas", "availableReplicas", "unavailableReplicas")


def spec_or_annotations_changed(old: Deployment, new: Deployment) -> bool:
    """A Deployment's annotations go on to its ReplicaSets, and so count for its generation."""
    return old.spec != new.spec or old.metadata.annotations != new.metadata.annotations


DEPLOYMENT = Resource(
    Deployment,
    plural="deployments",
    short_names=("deploy",),
    categories=("all",),
    subresources=(STATUS, Scale()),
    columns=(
        Column("Ready", lambda deployment: f"{deployment.status.readyReplicas}/{deployment.spec.replicas or 0}"),
        Column("Up-to-date", lambda deployment: deployment.status.updatedReplicas),
        Column("Available", lambda deployment: deployment.status.availableReplicas),
        AGE,
        *template_columns(lambda deployment: deployment.spec.template),
        selector_column(lambda deployment: deployment.spec.selector),
    ),
    reset_fields={"status": ("spec", "metadata.labels")},
    strategy=Strategy(status_keeps=frozenset({"labels"}), generation=spec_or_annotations_changed),
)
DEPLOYMENT.empty = no_replicas


@DEPLOYMENT.default
def default(deployment: Deployment) -> None:
    """Default replicas 1, revisionHistoryLimit 10, progressDeadlineSeconds 600, and RollingUpdate with 25 % each way.

    Upstream: SetDefaults_Deployment.
    """
    spec = deployment.spec
    if spec.replicas is None:
        spec.replicas = 1
    if spec.revisionHistoryLimit is None:
        spec.revisionHistoryLimit = HISTORY_LIMIT
    if spec.progressDeadlineSeconds is None:
        spec.progressDeadlineSeconds = PROGRESS_DEADLINE_SECONDS
    strategy = spec.strategy
    strategy.type = strategy.type or "RollingUpdate"
    if strategy.type == "RollingUpdate":
        rolling = strategy.rollingUpdate = strategy.rollingUpdate or RollingUpdateDeployment()
        if rolling.maxUnavailable is None:
            rolling.maxUnavailable = SHARE
        if rolling.maxSurge is None:
            rolling.maxSurge = SHARE
    default_pod_spec(spec.template.spec)


@DEPLOYMENT.validate
def validate(deployment: Deployment, problems: Problems) -> None:
    """Rules of the spec: replicas, selector, template, strategy, deadlines. Upstream: ValidateDeployment."""
    spec, here = deployment.spec, problems.at("spec")
    nonnegative(spec.replicas, here, "replicas")
    validate_replicated(spec.template, spec.selector, here)
    _validate_strategy(deployment, here.at("strategy"))
    for field in ("minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"):
        nonnegative(getattr(spec, field), here, field)
    if spec.progressDeadlineSeconds is not None and spec.progressDeadlineSeconds <= (spec.minReadySeconds or 0):
        here.at("progressDeadlineSeconds").invalid(spec.progressDeadlineSeconds, "must be greater than minReadySeconds")


def _validate_strategy(deployment: Deployment, problems: Problems) -> None:
    strategy, here = deployment.spec.strategy, problems.at("rollingUpdate")
    if strategy.type not in STRATEGIES:
        problems.not_supported(internal(strategy, "apps.DeploymentStrategy"), STRATEGIES)
    rolling = strategy.rollingUpdate
    if strategy.type == "Recreate" and rolling is not None:
        here.forbidden("may not be specified when strategy `type` is 'Recreate'")
    if strategy.type != "RollingUpdate":
        return
    if rolling is None:
        here.required("this should be defaulted and never be nil")
        return
    validate_share(rolling.maxUnavailable, here.at("maxUnavailable"), limited=True)
    validate_share(rolling.maxSurge, here.at("maxSurge"))
    if is_zero(rolling.maxUnavailable) and is_zero(rolling.maxSurge):
        here.at("maxUnavailable").invalid(rolling.maxUnavailable, "may not be 0 when `maxSurge` is 0")


@DEPLOYMENT.validate_update
def validate_update(old: Deployment, new: Deployment, problems: Problems) -> None:
    """The selector never changes. Upstream: ValidateDeploymentUpdate."""
    immutable(new.spec.selector, old.spec.selector, problems, "spec", "selector")


@DEPLOYMENT.validate_status
def validate_status(old: Deployment, new: Deployment, problems: Problems) -> None:
    """Counts are not negative and within `replicas`, and collisionCount never falls. Upstream: ValidateDeploymentStatusUpdate."""
    here = problems.at("status")
    validate_counts(new.status, COUNTS, here)
    validate_within(new.status, ("updatedReplicas", "readyReplicas", "availableReplicas"), here)
    validate_collisions(old.status, new.status, here)


@DEPLOYMENT.warn
def warn(new: Deployment, old: Deployment | None) -> Iterator[str]:
    """Warnings for the name on creation, and for the pod template on creation and when the spec changes."""
    if old is None:
        yield from of_name(new.metadata.name)
    if old is None or new.metadata.generation != old.metadata.generation:
        yield from of_template(new.spec.template, "spec", "template")
