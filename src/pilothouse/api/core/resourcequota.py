"""ResourceQuota: how much a namespace may use in all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pilothouse.api.core.defaults.quantities import canonicalise
from pilothouse.api.core.validation.fields import NO_LIST
from pilothouse.api.core.validation.resources import QUOTA, validate_quantity, validate_quota_resource_name
from pilothouse.api.types.core_v1 import ResourceQuota
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import AGE, STATUS, Column, Resource
from pilothouse.machinery.strategy import Strategy
from pilothouse.machinery.struct import Quantity

SCOPES = (
    "Terminating", "NotTerminating", "BestEffort", "NotBestEffort", "PriorityClass", "CrossNamespacePodAffinity",
    "VolumeAttributesClass",
)  # fmt: skip
PODS, CLAIMS = {"pods"}, {"persistentvolumeclaims", "requests.storage"}
POD_COMPUTE = {"cpu", "memory", "limits.cpu", "limits.memory", "requests.cpu", "requests.memory"}
MISSED = "unsupported scope applied to resource"
CONFLICTS = ({"BestEffort", "NotBestEffort"}, {"Terminating", "NotTerminating"})
ONLY_EXISTS = tuple(scope for scope in SCOPES if scope not in ("PriorityClass", "VolumeAttributesClass"))
NEEDS_EXISTS = (
    "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, "
    "ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity"
)


def _usage(quota: ResourceQuota, limits: bool) -> str:
    names = (name for name in sorted(quota.status.hard) if name.startswith("limits.") == limits)
    return ", ".join(f"{name}: {quota.status.used.get(name, '0')}/{quota.status.hard[name]}" for name in names)


RESOURCEQUOTA = Resource(
    ResourceQuota,
    plural="resourcequotas",
    short_names=("quota",),
    subresources=(STATUS,),
    columns=(
        Column("Request", lambda quota: _usage(quota, limits=False)),
        Column("Limit", lambda quota: _usage(quota, limits=True)),
        AGE,
    ),
    strategy=Strategy(generation=None, returns_deleted_object=True),
)


@RESOURCEQUOTA.default
def default(quota: ResourceQuota) -> None:
    """Write all amounts in canonical form."""
    canonicalise(quota.spec.hard)
    canonicalise(quota.status.hard)
    canonicalise(quota.status.used)


@RESOURCEQUOTA.validate
def validate(quota: ResourceQuota, problems: Problems) -> None:
    """Resource names, amounts, and scopes that fit them. Upstream: ValidateResourceQuota."""
    spec = problems.at("spec")
    _validate_hard(quota.spec.hard, spec.at("hard"))
    _validate_scopes(quota, spec.at("scopes"))
    if quota.spec.scopeSelector:
        here = spec.at("scopeSelector", "matchExpressions")
        for requirement in quota.spec.scopeSelector.matchExpressions:
            _validate_selector(requirement.scopeName, requirement.operator, requirement.values, here)
            if _misses(requirement.scopeName, quota.spec.hard):
                here.invalid(quota.spec.scopeSelector, MISSED)
        if any(pair <= {requirement.scopeName for requirement in quota.spec.scopeSelector.matchExpressions} for pair in CONFLICTS):
            here.invalid(quota.spec.scopes or NO_LIST, "conflicting scopes")


def _validate_hard(resources: Mapping[str, Quantity], problems: Problems) -> None:
    for name, value in resources.items():
        here = problems.at(f"[{name}]")
        validate_quota_resource_name(name, here)
        validate_quantity(name, value, here)


def _validate_scopes(quota: ResourceQuota, problems: Problems) -> None:
    scopes = quota.spec.scopes
    if any(scope not in SCOPES for scope in scopes):
        problems.invalid(scopes, "unsupported scope")
    if any(_misses(scope, quota.spec.hard) for scope in scopes):
        problems.invalid(scopes, MISSED)
    if any(pair <= set(scopes) for pair in CONFLICTS):
        problems.invalid(scopes, "conflicting scopes")


def _misses(scope: str, resources: Iterable[str]) -> bool:
    """Whether the quota limits something that objects of this scope never use."""
    used = PODS | POD_COMPUTE
    if scope == "BestEffort":
        used = PODS
    elif scope == "VolumeAttributesClass":
        used = CLAIMS
    elif scope not in SCOPES:
        return False
    return any(name in QUOTA and name not in used for name in resources)


def _validate_selector(scope: str, operator: str, values: list[str], problems: Problems) -> None:
    if scope not in SCOPES:
        problems.at("scopeName").invalid(scope, "unsupported scope")
    if scope in ONLY_EXISTS and operator != "Exists":
        problems.at("operator").invalid(operator, NEEDS_EXISTS)
    if operator in ("In", "NotIn"):
        if not values:
            problems.at("values").required("must be at least one value when `operator` is 'In' or 'NotIn' for scope selector")
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            problems.at("values").invalid(values, "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector")
    else:
        problems.at("operator").invalid(operator, "not a valid selector operator")


@RESOURCEQUOTA.validate_update
def validate_update(old: ResourceQuota, new: ResourceQuota, problems: Problems) -> None:
    """Scopes never change. Upstream: ValidateResourceQuotaUpdate."""
    if set(old.spec.scopes) != set(new.spec.scopes):
        problems.at("spec", "scopes").invalid(new.spec.scopes or None, "field is immutable")


@RESOURCEQUOTA.validate_status
def validate_status(old: ResourceQuota, new: ResourceQuota, problems: Problems) -> None:
    """Resource names and amounts of `hard` and `used`. Upstream: ValidateResourceQuotaStatusUpdate."""
    _validate_hard(new.status.hard, problems.at("status", "hard"))
    _validate_hard(new.status.used, problems.at("status", "used"))
