"""DaemonSet: one Pod on every fitting Node."""

from __future__ import annotations

from collections.abc import Iterator

from pilothouse.api.apps.workload import is_zero, validate_collisions, validate_counts, validate_match, validate_share, validate_template
from pilothouse.api.core.columns import labels_text, selector_column, template_columns
from pilothouse.api.core.defaults.podspec import default_pod_spec
from pilothouse.api.core.validation.fields import immutable, nonnegative
from pilothouse.api.core.validation.selectors import is_empty, is_valid, validate_label_selector
from pilothouse.api.core.warnings.podspec import of_template
from pilothouse.api.internal import internal
from pilothouse.api.types.apps_v1 import DaemonSet, RollingUpdateDaemonSet
from pilothouse.machinery import strconv
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import AGE, STATUS, Column, Resource
from pilothouse.machinery.strategy import Strategy

HISTORY_LIMIT = 10
COUNTS = (
    "currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady", "observedGeneration",
    "updatedNumberScheduled", "numberAvailable", "numberUnavailable", "collisionCount",
)  # fmt: skip
STRATEGIES = ("RollingUpdate", "OnDelete")
TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"
"""How apps/v1 shows how many templates there have been; upstream's Pods and old clients still look at it."""

DAEMONSET = Resource(
    DaemonSet,
    plural="daemonsets",
    strategy=Strategy(compares_first=True),
    short_names=("ds",),
    categories=("all",),
    subresources=(STATUS,),
    columns=(
        Column("Desired", lambda daemon_set: daemon_set.status.desiredNumberScheduled, type="integer"),
        Column("Current", lambda daemon_set: daemon_set.status.currentNumberScheduled, type="integer"),
        Column("Ready", lambda daemon_set: daemon_set.status.numberReady, type="integer"),
        Column("Up-to-date", lambda daemon_set: daemon_set.status.updatedNumberScheduled, type="integer"),
        Column("Available", lambda daemon_set: daemon_set.status.numberAvailable, type="integer"),
        Column("Node Selector", lambda daemon_set: labels_text(daemon_set.spec.template.spec.nodeSelector)),
        AGE,
        *template_columns(lambda daemon_set: daemon_set.spec.template),
        selector_column(lambda daemon_set: daemon_set.spec.selector),
    ),
)
DAEMONSET.conversion_annotations = (TEMPLATE_GENERATION,)
DAEMONSET.empty = lambda daemon_set: daemon_set.metadata.annotations.update({TEMPLATE_GENERATION: "0"})


@DAEMONSET.default
def default(daemon_set: DaemonSet) -> None:
    """Default a DaemonSet; its template generation is set later."""
    daemon_set.metadata.annotations.setdefault(TEMPLATE_GENERATION, "0")
    spec = daemon_set.spec
    if spec.revisionHistoryLimit is None:
        spec.revisionHistoryLimit = HISTORY_LIMIT
    strategy = spec.updateStrategy
    strategy.type = strategy.type or "RollingUpdate"
    if strategy.type == "RollingUpdate":
        rolling = strategy.rollingUpdate = strategy.rollingUpdate or RollingUpdateDaemonSet()
        if rolling.maxUnavailable is None:
            rolling.maxUnavailable = 1
        if rolling.maxSurge is None:
            rolling.maxSurge = 0
    default_pod_spec(spec.template.spec)


@DAEMONSET.prepare_create
def prepare_create(daemon_set: DaemonSet) -> None:
    """Set the annotation for the template's generation, 1 or what the client gave."""
    daemon_set.metadata.annotations[TEMPLATE_GENERATION] = str(max(_generation(daemon_set), 1))


@DAEMONSET.prepare_update
def prepare_update(old: DaemonSet, new: DaemonSet) -> None:
    """It passes with each new template, whatever the client says of it."""
    changed = old.spec.template != new.spec.template
    new.metadata.annotations[TEMPLATE_GENERATION] = str(_generation(old) + changed)


@DAEMONSET.prepare_status
def prepare_status(old: DaemonSet, new: DaemonSet, now: str) -> None:
    """The generation of the template stands, whatever the client says of it."""
    new.metadata.annotations = {**new.metadata.annotations, TEMPLATE_GENERATION: str(_generation(old))}


def _generation(daemon_set: DaemonSet) -> int:
    return strconv.integer(daemon_set.metadata.annotations.get(TEMPLATE_GENERATION, "")) or 0


@DAEMONSET.validate
def validate(daemon_set: DaemonSet, problems: Problems) -> None:
    """Rules of the spec: selector, template, update strategy, counts. Upstream: ValidateDaemonSet."""
    spec, here = daemon_set.spec, problems.at("spec")
    validate_label_selector(spec.selector, here.at("selector"))
    if spec.selector is None or is_valid(spec.selector):
        validate_match(spec.template, spec.selector, here.at("template"))
    if spec.selector is not None and is_empty(spec.selector):
        here.at("selector").invalid(spec.selector, "empty selector is invalid for daemonset")
    validate_template(spec.template, here.at("template"), "DaemonSet")
    nonnegative(spec.minReadySeconds, here, "minReadySeconds")
    _validate_strategy(daemon_set, here.at("updateStrategy"))
    nonnegative(spec.revisionHistoryLimit, here, "revisionHistoryLimit")


def _validate_strategy(daemon_set: DaemonSet, problems: Problems) -> None:
    strategy, here = daemon_set.spec.updateStrategy, problems.at("rollingUpdate")
    if strategy.type not in STRATEGIES:
        problems.not_supported(internal(strategy, "apps.DaemonSetUpdateStrategy"), STRATEGIES)
    if strategy.type != "RollingUpdate":
        return
    rolling = strategy.rollingUpdate
    if rolling is None:
        here.required()
        return
    validate_share(rolling.maxUnavailable, here.at("maxUnavailable"), limited=True)
    validate_share(rolling.maxSurge, here.at("maxSurge"), limited=True)
    if is_zero(rolling.maxUnavailable) and is_zero(rolling.maxSurge):
        here.at("maxUnavailable").required("cannot be 0 when maxSurge is 0")
    if not is_zero(rolling.maxUnavailable) and not is_zero(rolling.maxSurge):
        here.at("maxSurge").invalid(rolling.maxSurge, "may not be set when maxUnavailable is non-zero")


@DAEMONSET.validate_update
def validate_update(old: DaemonSet, new: DaemonSet, problems: Problems) -> None:
    """The selector never changes. Upstream: ValidateDaemonSetUpdate."""
    immutable(new.spec.selector, old.spec.selector, problems, "spec", "selector")


@DAEMONSET.validate_status
def validate_status(old: DaemonSet, new: DaemonSet, problems: Problems) -> None:
    """Counts are not negative, and collisionCount never falls. Upstream: ValidateDaemonSetStatusUpdate."""
    here = problems.at("status")
    validate_counts(new.status, COUNTS, here)
    validate_collisions(old.status, new.status, here)


@DAEMONSET.warn
def warn(new: DaemonSet, old: DaemonSet | None) -> Iterator[str]:
    """Warnings for the pod template, on creation and when the spec changes."""
    if old is None or new.metadata.generation != old.metadata.generation:
        yield from of_template(new.spec.template, "spec", "template")
