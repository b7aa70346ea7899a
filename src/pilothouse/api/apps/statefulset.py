"""StatefulSet: Pods with lasting names and storage."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from pilothouse.api.apps.workload import (
    HUNDRED,
    is_zero,
    no_replicas,
    validate_collisions,
    validate_counts,
    validate_long_lived,
    validate_match,
    validate_selector,
    validate_share,
    validate_within,
)
from pilothouse.api.core.columns import template_columns
from pilothouse.api.core.defaults.podspec import default_pod_spec
from pilothouse.api.core.defaults.volumes import default_claim
from pilothouse.api.core.validation.claims import validate_claim_spec
from pilothouse.api.core.validation.fields import immutable, nonnegative, report
from pilothouse.api.core.validation.podspec import validate_pod_template
from pilothouse.api.core.validation.selectors import is_valid
from pilothouse.api.core.warnings.podspec import of_template
from pilothouse.api.core.warnings.volumes import of_claim_spec
from pilothouse.api.internal import internal
from pilothouse.api.types.apps_v1 import (
    RollingUpdateStatefulSetStrategy,
    StatefulSet,
    StatefulSetPersistentVolumeClaimRetentionPolicy,
)
from pilothouse.api.types.core_v1 import PersistentVolumeClaimVolumeSource, PodTemplateSpec, Volume
from pilothouse.machinery import intorstring, names
from pilothouse.machinery.metadata import IMMUTABLE
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import AGE, STATUS, Column, Resource, Scale

HISTORY_LIMIT = 10
RETENTIONS = ("Retain", "Delete")

STATEFULSET = Resource(
    StatefulSet,
    plural="statefulsets",
    short_names=("sts",),
    categories=("all",),
    subresources=(STATUS, Scale()),
    columns=(
        Column("Ready", lambda stateful_set: f"{stateful_set.status.readyReplicas}/{stateful_set.spec.replicas or 0}"),
        AGE,
        *template_columns(lambda stateful_set: stateful_set.spec.template),
    ),
    name_rule=names.dns_label,
)
STATEFULSET.empty = no_replicas


@STATEFULSET.default
def default(stateful_set: StatefulSet) -> None:
    """Default replicas 1, revisionHistoryLimit 10, OrderedReady, RollingUpdate, and retained claims.

    Upstream: SetDefaults_StatefulSet.
    """
    spec = stateful_set.spec
    if spec.replicas is None:
        spec.replicas = 1
    if spec.revisionHistoryLimit is None:
        spec.revisionHistoryLimit = HISTORY_LIMIT
    spec.podManagementPolicy = spec.podManagementPolicy or "OrderedReady"
    strategy = spec.updateStrategy
    if not strategy.type:
        strategy.type = "RollingUpdate"
        strategy.rollingUpdate = strategy.rollingUpdate or RollingUpdateStatefulSetStrategy()
    rolling = strategy.rollingUpdate
    if strategy.type == "RollingUpdate" and rolling is not None:
        if rolling.partition is None:
            rolling.partition = 0
        if rolling.maxUnavailable is None:
            rolling.maxUnavailable = 1
    policy = spec.persistentVolumeClaimRetentionPolicy or StatefulSetPersistentVolumeClaimRetentionPolicy()
    policy.whenDeleted = policy.whenDeleted or "Retain"
    policy.whenScaled = policy.whenScaled or "Retain"
    spec.persistentVolumeClaimRetentionPolicy = policy
    default_pod_spec(spec.template.spec)
    for claim in spec.volumeClaimTemplates:
        claim.apiVersion, claim.kind = "v1", "PersistentVolumeClaim"
        default_claim(claim.spec)
        claim.status.phase = claim.status.phase or "Pending"


@STATEFULSET.validate
def validate(stateful_set: StatefulSet, problems: Problems) -> None:
    """Rules of the spec: policies, strategy, claim templates (on creation only), selector, template. Upstream: ValidateStatefulSet."""
    spec, here = stateful_set.spec, problems.at("spec")
    if not spec.podManagementPolicy:
        here.at("podManagementPolicy").required()
    elif spec.podManagementPolicy not in ("OrderedReady", "Parallel"):
        here.at("podManagementPolicy").invalid(spec.podManagementPolicy, "must be 'OrderedReady' or 'Parallel'")
    _validate_strategy(stateful_set, here.at("updateStrategy"))
    policy = spec.persistentVolumeClaimRetentionPolicy
    for field in ("whenDeleted", "whenScaled") if policy else ():
        if getattr(policy, field) not in RETENTIONS:
            here.at("persistentVolumeClaimRetentionPolicy", field).not_supported(getattr(policy, field), RETENTIONS)
    if not stateful_set.metadata.resourceVersion:  # they never change
        for index, claim in enumerate(spec.volumeClaimTemplates):
            validate_claim_spec(claim.spec, here.at("volumeClaimTemplates", index, "spec"))
    nonnegative(spec.replicas, here, "replicas")
    nonnegative(spec.minReadySeconds, here, "minReadySeconds")
    if spec.ordinals:
        nonnegative(spec.ordinals.start, here, "ordinals.start")
    if spec.serviceName and not stateful_set.metadata.resourceVersion:  # names of old that made no domain are kept
        report(names.dns_label(spec.serviceName), spec.serviceName, here, "serviceName")
    validate_selector(spec.selector, here.at("selector"), "statefulset")
    if spec.selector is not None and not is_valid(spec.selector):
        here.at("selector").invalid(spec.selector, "")
    else:
        validate_match(spec.template, spec.selector, here.at("template"))
        validate_pod_template(_with_claims(stateful_set), here.at("template"))
    validate_long_lived(spec.template, here.at("template"), "StatefulSet")


def _with_claims(stateful_set: StatefulSet) -> PodTemplateSpec:
    """The template with the volumes that the claims will be: its containers may mount them. A claim goes before a volume of its name."""
    template = stateful_set.spec.template
    claims = [claim.metadata.name for claim in stateful_set.spec.volumeClaimTemplates]
    source = PersistentVolumeClaimVolumeSource
    volumes = [Volume(name=name, persistentVolumeClaim=source(claimName=name)) for name in dict.fromkeys(claims)]
    kept = [volume for volume in template.spec.volumes if volume.name not in claims]
    # The controller sets both names.
    return replace(template, spec=replace(template.spec, volumes=[*volumes, *kept], subdomain="", hostname=""))


def _validate_strategy(stateful_set: StatefulSet, problems: Problems) -> None:
    strategy, here = stateful_set.spec.updateStrategy, problems.at("rollingUpdate")
    if not strategy.type:
        problems.required()
    elif strategy.type == "OnDelete":
        if strategy.rollingUpdate is not None:
            here.invalid(
                internal(strategy.rollingUpdate, "apps.RollingUpdateStatefulSetStrategy"), "only allowed for updateStrategy 'RollingUpdate'"
            )
    elif strategy.type != "RollingUpdate":
        problems.invalid(internal(strategy, "apps.StatefulSetUpdateStrategy"), "must be 'RollingUpdate' or 'OnDelete'")
    elif strategy.rollingUpdate is not None:
        most = strategy.rollingUpdate.maxUnavailable
        nonnegative(strategy.rollingUpdate.partition, here, "partition")
        if most is not None:
            validate_share(most, here.at("maxUnavailable"))
            if is_zero(most):
                here.at("maxUnavailable").invalid(most, "cannot be 0")
            if isinstance(most, str) and not names.percentage(most) and (intorstring.percents(most) or 0) > 100:
                here.at("maxUnavailable").invalid(most, HUNDRED)


@STATEFULSET.validate_update
def validate_update(old: StatefulSet, new: StatefulSet, problems: Problems) -> None:
    """Selector, claim templates, serviceName and podManagementPolicy never change. Upstream: ValidateStatefulSetUpdate."""
    here = problems.at("spec")
    immutable(new.spec.selector, old.spec.selector, here, "selector")
    if new.spec.volumeClaimTemplates != old.spec.volumeClaimTemplates:
        shown = internal(new.spec.volumeClaimTemplates, "[]core.PersistentVolumeClaim")
        here.at("volumeClaimTemplates").invalid(shown, IMMUTABLE)
    for field in ("serviceName", "podManagementPolicy"):
        immutable(getattr(new.spec, field), getattr(old.spec, field), here, field)


@STATEFULSET.validate_status
def validate_status(old: StatefulSet, new: StatefulSet, problems: Problems) -> None:
    """Counts are not negative and within `replicas`, and collisionCount never falls. Upstream: ValidateStatefulSetStatusUpdate."""
    here = problems.at("status")
    counted = ("readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas")
    validate_counts(new.status, ("replicas", *counted, "observedGeneration", "collisionCount"), here)
    validate_within(new.status, counted, here, "status.readyReplicas")
    validate_collisions(old.status, new.status, here)


@STATEFULSET.warn
def warn(new: StatefulSet, old: StatefulSet | None) -> Iterator[str]:
    """Warnings for the pod template, the claim templates and a negative revisionHistoryLimit."""
    if old is None or new.metadata.generation != old.metadata.generation:
        yield from of_template(new.spec.template, "spec", "template")
        for index, claim in enumerate(new.spec.volumeClaimTemplates):
            yield from of_claim_spec(claim.spec, Problems("spec").at("volumeClaimTemplates", index))
    if new.spec.revisionHistoryLimit is not None and new.spec.revisionHistoryLimit < 0:
        yield "spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended"
