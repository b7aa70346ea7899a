"""StatefulSet: Pods with lasting names and storage."""

from __future__ import annotations

import msgspec

from pilothouse.api.apps.workload import validate_selector, validate_share, validate_template
from pilothouse.api.core.columns import template_columns
from pilothouse.api.core.defaults.podspec import default_pod_spec
from pilothouse.api.core.defaults.volumes import default_claim
from pilothouse.api.core.validation.fields import nonnegative, one_of
from pilothouse.api.types.apps_v1 import (
    RollingUpdateStatefulSetStrategy,
    StatefulSet,
    StatefulSetPersistentVolumeClaimRetentionPolicy,
)
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import AGE, STATUS, Column, Resource, Scale

HISTORY_LIMIT = 10
UPDATABLE = (
    "replicas", "ordinals", "template", "updateStrategy", "revisionHistoryLimit", "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
)  # fmt: skip
IMMUTABLE = (
    "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', "
    "'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
)

STATEFULSET = Resource(
    StatefulSet,
    plural="statefulsets",
    short_names=("sts",),
    categories=("all",),
    subresources=(STATUS, Scale()),
    columns=(
        Column("Ready", lambda one: f"{one.status.readyReplicas}/{one.spec.replicas or 0}"),
        AGE,
        *template_columns(lambda one: one.spec.template),
    ),
)


@STATEFULSET.default
def default(one: StatefulSet) -> None:
    spec = one.spec
    if spec.replicas is None:
        spec.replicas = 1
    if spec.revisionHistoryLimit is None:
        spec.revisionHistoryLimit = HISTORY_LIMIT
    spec.podManagementPolicy = spec.podManagementPolicy or "OrderedReady"
    strategy = spec.updateStrategy
    strategy.type = strategy.type or "RollingUpdate"
    if strategy.type == "RollingUpdate":
        rolling = strategy.rollingUpdate = strategy.rollingUpdate or RollingUpdateStatefulSetStrategy()
        if rolling.partition is None:
            rolling.partition = 0
    policy = spec.persistentVolumeClaimRetentionPolicy or StatefulSetPersistentVolumeClaimRetentionPolicy()
    policy.whenDeleted = policy.whenDeleted or "Retain"
    policy.whenScaled = policy.whenScaled or "Retain"
    spec.persistentVolumeClaimRetentionPolicy = policy
    default_pod_spec(spec.template.spec)
    for claim in spec.volumeClaimTemplates:
        default_claim(claim.spec)
        claim.status.phase = claim.status.phase or "Pending"


@STATEFULSET.validate
def validate(one: StatefulSet, problems: Problems) -> None:
    spec, here = one.spec, problems.at("spec")
    one_of(spec.podManagementPolicy, ("OrderedReady", "Parallel"), here, "podManagementPolicy")
    _validate_strategy(one, here.at("updateStrategy"))
    policy = spec.persistentVolumeClaimRetentionPolicy
    for field in ("whenDeleted", "whenScaled") if policy else ():
        one_of(getattr(policy, field), ("Delete", "Retain"), here, "persistentVolumeClaimRetentionPolicy", field)
    nonnegative(spec.replicas, here, "replicas")
    nonnegative(spec.minReadySeconds, here, "minReadySeconds")
    if spec.ordinals:
        nonnegative(spec.ordinals.start, here, "ordinals", "start")
    validate_selector(spec.selector, here.at("selector"))
    validate_template(spec.template, spec.selector, here.at("template"))


def _validate_strategy(one: StatefulSet, problems: Problems) -> None:
    strategy, here = one.spec.updateStrategy, problems.at("rollingUpdate")
    if not strategy.type:
        problems.required()
    elif strategy.type == "OnDelete":
        if strategy.rollingUpdate is not None:
            here.invalid(strategy.rollingUpdate, "only allowed for updateStrategy 'RollingUpdate'")
    elif strategy.type != "RollingUpdate":
        problems.invalid(strategy, "must be 'RollingUpdate' or 'OnDelete'")
    elif strategy.rollingUpdate is not None:
        nonnegative(strategy.rollingUpdate.partition, here, "partition")
        validate_share(strategy.rollingUpdate.maxUnavailable, here.at("maxUnavailable"), limited=True)


@STATEFULSET.validate_update
def validate_update(old: StatefulSet, new: StatefulSet, problems: Problems) -> None:
    rest = msgspec.structs.replace(new.spec, **{field: getattr(old.spec, field) for field in UPDATABLE})
    if rest != old.spec:
        problems.at("spec").forbidden(IMMUTABLE)


@STATEFULSET.validate_status
def validate_status(old: StatefulSet, new: StatefulSet, problems: Problems) -> None:
    status, here = new.status, problems.at("status")
    for field in ("replicas", "readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas"):
        value = getattr(status, field)
        nonnegative(value, here, field)
        if value > status.replicas:
            here.at(field).invalid(value, "cannot be greater than status.replicas")
    if status.availableReplicas > status.readyReplicas:
        here.at("availableReplicas").invalid(status.availableReplicas, "cannot be greater than status.readyReplicas")
