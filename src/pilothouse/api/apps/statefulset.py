"""StatefulSet: Pods with lasting names and storage."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from pilothouse.api.apps.workload import (
    validate_collisions,
    validate_counts,
    validate_selector,
    validate_template,
    validate_within,
)
from pilothouse.api.core.columns import template_columns
from pilothouse.api.core.defaults.podspec import default_pod_spec
from pilothouse.api.core.defaults.volumes import default_claim
from pilothouse.api.core.validation.fields import nonnegative, report
from pilothouse.api.core.warnings.podspec import of_template
from pilothouse.api.core.warnings.volumes import of_claim_spec
from pilothouse.api.types.apps_v1 import (
    RollingUpdateStatefulSetStrategy,
    StatefulSet,
    StatefulSetPersistentVolumeClaimRetentionPolicy,
)
from pilothouse.api.types.core_v1 import PersistentVolumeClaimVolumeSource, PodTemplateSpec, Volume
from pilothouse.machinery import names
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import AGE, STATUS, Column, Resource, Scale

HISTORY_LIMIT = 10
RETENTIONS = ("Retain", "Delete")
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


@STATEFULSET.prepare_create
def prepare_create(one: StatefulSet) -> None:
    """More than one Pod at a time is an alpha feature of upstream: who asks for it gets one, and is told so by what is kept."""
    if one.spec.updateStrategy.rollingUpdate is not None:
        one.spec.updateStrategy.rollingUpdate.maxUnavailable = None


@STATEFULSET.prepare_update
def prepare_update(old: StatefulSet, new: StatefulSet) -> None:
    prepare_create(new)


@STATEFULSET.validate
def validate(one: StatefulSet, problems: Problems) -> None:
    spec, here = one.spec, problems.at("spec")
    if not spec.podManagementPolicy:
        here.at("podManagementPolicy").required()
    elif spec.podManagementPolicy not in ("OrderedReady", "Parallel"):
        here.at("podManagementPolicy").invalid(spec.podManagementPolicy, "must be 'OrderedReady' or 'Parallel'")
    _validate_strategy(one, here.at("updateStrategy"))
    policy = spec.persistentVolumeClaimRetentionPolicy
    for field in ("whenDeleted", "whenScaled") if policy else ():
        if getattr(policy, field) not in RETENTIONS:
            here.at("persistentVolumeClaimRetentionPolicy", field).not_supported(getattr(policy, field), RETENTIONS)
    if spec.serviceName and not one.metadata.resourceVersion:  # names of old that made no domain are kept
        report(names.dns_label(spec.serviceName), spec.serviceName, here, "serviceName")
    nonnegative(spec.replicas, here, "replicas")
    nonnegative(spec.minReadySeconds, here, "minReadySeconds")
    if spec.ordinals:
        nonnegative(spec.ordinals.start, here, "ordinals.start")
    validate_selector(spec.selector, here.at("selector"), "statefulset")
    validate_template(_with_claims(one), spec.selector, here.at("template"), "StatefulSet")


def _with_claims(one: StatefulSet) -> PodTemplateSpec:
    """The template with the volumes that the claims will be: its containers may mount them. A claim goes before a volume of its name."""
    template = one.spec.template
    claims = [claim.metadata.name for claim in one.spec.volumeClaimTemplates]
    source = PersistentVolumeClaimVolumeSource
    volumes = [Volume(name=name, persistentVolumeClaim=source(claimName=name or "-")) for name in dict.fromkeys(claims)]
    kept = [volume for volume in template.spec.volumes if volume.name not in claims]
    return replace(template, spec=replace(template.spec, volumes=[*kept, *volumes]))


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


@STATEFULSET.validate_update
def validate_update(old: StatefulSet, new: StatefulSet, problems: Problems) -> None:
    rest = replace(new.spec, **{field: getattr(old.spec, field) for field in UPDATABLE})
    if rest != old.spec:
        problems.at("spec").forbidden(IMMUTABLE)


@STATEFULSET.validate_status
def validate_status(old: StatefulSet, new: StatefulSet, problems: Problems) -> None:
    here = problems.at("status")
    counted = ("readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas")
    validate_counts(new.status, ("replicas", *counted, "observedGeneration", "collisionCount"), here)
    validate_within(new.status, counted, here, "status.readyReplicas")
    validate_collisions(old.status, new.status, here)


@STATEFULSET.warn
def warn(new: StatefulSet, old: StatefulSet | None) -> Iterator[str]:
    if old is None or new.metadata.generation != old.metadata.generation:
        yield from of_template(new.spec.template, "spec", "template")
        for index, claim in enumerate(new.spec.volumeClaimTemplates):
            yield from of_claim_spec(claim.spec, Problems("spec").at("volumeClaimTemplates", index, "spec"))
    if new.spec.revisionHistoryLimit is not None and new.spec.revisionHistoryLimit < 0:
        yield "spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended"
