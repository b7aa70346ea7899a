"""Usage of objects for ResourceQuotas; shared by the controller and the admission plugin. Pure.

- Every kind counts as `count/<plural>[.<group>]`; six core kinds by their plural, too.
- Pods count their requests and limits until they have ended; Services their node ports and load balancers; claims their storage,
  in all and by storage class.
- Scopes choose among Pods (claims have one of their own); a quota with a scope that means nothing to a kind counts none of it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from pilothouse.api import wellknown
from pilothouse.api.core import podresources
from pilothouse.api.core.qos import BEST_EFFORT, qos_class
from pilothouse.api.types.core_v1 import (
    Container,
    PersistentVolumeClaim,
    Pod,
    PodAffinityTerm,
    ResourceQuota,
    ScopedResourceSelectorRequirement,
    Service,
)
from pilothouse.machinery import quantity, time
from pilothouse.machinery.quantity import Quantity
from pilothouse.machinery.resource import Resource

Usage = dict[str, Quantity]

ONE, NONE = quantity.parse("1"), quantity.ZERO
BY_PLURAL = ("configmaps", "persistentvolumeclaims", "replicationcontrollers", "resourcequotas", "secrets", "services")
"""Core kinds that are counted without `count/`, as they were before there was one."""
COMPUTE = ("cpu", "memory", "ephemeral-storage")
POD_NAMES = {"pods", *COMPUTE, *(f"{way}.{name}" for way in ("requests", "limits") for name in COMPUTE)}
SERVICE_NAMES = {"services", "services.nodeports", "services.loadbalancers"}
CLAIM_NAMES = {"persistentvolumeclaims", "requests.storage"}
OF_CLASS = ".storageclass.storage.k8s.io/"
HUGE_PAGES = "hugepages-"
MUST_BE_SET = {"cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"}
"""When a quota counts one of these, every container must say how much of it: upstream calls that a mistake that it keeps."""


def count_name(resource: Resource[Any]) -> str:
    """`count/pods`, `count/deployments.apps`."""
    return f"count/{resource.plural}.{resource.group}".removesuffix(".")


def counted(resource: Resource[Any], names: Iterable[str]) -> set[str]:
    """Names of a quota that count objects of this kind."""
    return {name for name in names if name == count_name(resource) or _counts(resource, name)}


def _counts(resource: Resource[Any], name: str) -> bool:
    if resource.type is Pod:
        return name in POD_NAMES or name.startswith((HUGE_PAGES, f"requests.{HUGE_PAGES}")) or _is_extended(name)
    if resource.type is Service:
        return name in SERVICE_NAMES
    if resource.type is PersistentVolumeClaim:
        return name in CLAIM_NAMES or name.partition(OF_CLASS)[2] in CLAIM_NAMES
    return not resource.group and name == resource.plural and name in BY_PLURAL


def _is_extended(name: str) -> bool:
    """`requests.example.com/gpu`: extended resources are never overcommitted, so only requests of them count."""
    domain, slash, _ = name.removeprefix("requests.").partition("/")
    return name.startswith("requests.") and bool(slash) and not domain.endswith("kubernetes.io")


def usage(obj: Any, resource: Resource[Any], now: datetime) -> Usage:
    """Usage of an object, by quota name."""
    result = {count_name(resource): ONE}
    if isinstance(obj, Pod):
        result |= _of_pod(obj) if _is_charged(obj, now) else {}
    elif isinstance(obj, Service):
        result |= _of_service(obj)
    elif isinstance(obj, PersistentVolumeClaim):
        result |= _of_claim(obj)
    elif not resource.group and resource.plural in BY_PLURAL:
        result[resource.plural] = ONE
    return result


def _is_charged(pod: Pod, now: datetime) -> bool:
    """Not once it has ended, nor when it should have: on a node that is lost it would stand in the way of its replacement."""
    if pod.status.phase in ("Failed", "Succeeded"):
        return False
    grace = pod.metadata.deletionGracePeriodSeconds
    if not pod.metadata.deletionTimestamp or grace is None:
        return True
    return now <= time.parse(pod.metadata.deletionTimestamp) + timedelta(seconds=grace)


def _of_pod(pod: Pod) -> Usage:
    return {"pods": ONE} | _compute(podresources.requests(pod), podresources.limits(pod))


def _compute(requests: Mapping[str, Quantity], limits: Mapping[str, Quantity]) -> Usage:
    result: Usage = {}
    for name, value in requests.items():
        if name in COMPUTE or name.startswith(HUGE_PAGES):
            result[name] = result[f"requests.{name}"] = value
        elif _is_extended(f"requests.{name}"):
            result[f"requests.{name}"] = value
    result |= {f"limits.{name}": value for name, value in limits.items() if name in COMPUTE}
    return result


def _of_service(service: Service) -> Usage:
    ports = 0
    if service.spec.type in ("NodePort", "LoadBalancer"):
        intended = service.spec.type == "NodePort" or service.spec.allocateLoadBalancerNodePorts is not False
        ports = sum(1 for port in service.spec.ports if intended or port.nodePort)
    balancers = ONE if service.spec.type == "LoadBalancer" else NONE
    return {"services": ONE, "services.nodeports": quantity.parse(ports), "services.loadbalancers": balancers}


def _of_claim(claim: PersistentVolumeClaim) -> Usage:
    """What was asked for, or what was given where that is more (a claim that is to shrink after an expansion that failed)."""
    result = {"persistentvolumeclaims": ONE}
    asked = claim.spec.resources.requests.get("storage") if claim.spec.resources else None
    given = claim.status.allocatedResources.get("storage")
    sizes = [quantity.parse(value) for value in (asked, given) if value is not None]
    if asked is not None:
        result["requests.storage"] = max(sizes)
    name = claim.metadata.annotations.get(wellknown.STORAGE_CLASS_BETA) or claim.spec.storageClassName
    return result | ({f"{name}{OF_CLASS}{key}": value for key, value in result.items()} if name else {})


def missing_resources(pod: Pod, names: Collection[str]) -> str:
    """Upstream's message about requests or limits that a quota requires: `must specify limits.cpu for: app; ...`, or ""."""
    lacking: dict[str, set[str]] = {}
    for container in (*pod.spec.containers, *pod.spec.initContainers):
        for name in MUST_BE_SET.intersection(names) - _said(container):
            lacking.setdefault(name, set()).add(container.name)
    parts = [f"{name} for: {','.join(sorted(containers))}" for name, containers in sorted(lacking.items())]
    return f"must specify {'; '.join(parts)}" if parts else ""


def _said(container: Container) -> set[str]:
    resources = container.resources
    return {*_compute(dict.fromkeys(resources.requests, ONE), dict.fromkeys(resources.limits, ONE))}


# Scopes.


def matches(quota: ResourceQuota, obj: Any) -> bool:
    """All of the quota's scopes hold for the object."""
    plain = [ScopedResourceSelectorRequirement(scopeName=scope, operator="Exists") for scope in quota.spec.scopes]
    chosen = quota.spec.scopeSelector.matchExpressions if quota.spec.scopeSelector else []
    return all(in_scope(requirement, obj) for requirement in (*plain, *chosen))


def in_scope(scope: ScopedResourceSelectorRequirement, obj: Any) -> bool:
    """Whether the object is in this scope of a quota. Upstream: podMatchesScopeFunc, and the same for claims."""
    if isinstance(obj, PersistentVolumeClaim) and scope.scopeName == "VolumeAttributesClass":
        names = {obj.spec.volumeAttributesClassName, obj.status.currentVolumeAttributesClassName} - {"", None}
        return _selects(scope, names)  # type: ignore[arg-type]
    if not isinstance(obj, Pod):
        return False
    match scope.scopeName:
        case "Terminating":
            return has_deadline(obj)
        case "NotTerminating":
            return not has_deadline(obj)
        case "BestEffort":
            return qos_class(obj) == BEST_EFFORT
        case "NotBestEffort":
            return qos_class(obj) != BEST_EFFORT
        case "PriorityClass":
            return _selects(scope, {obj.spec.priorityClassName} - {""})
        case "CrossNamespacePodAffinity":
            return any(term.namespaces or term.namespaceSelector is not None for term in _affinity_terms(obj))
    return False


def _selects(scope: ScopedResourceSelectorRequirement, names: set[str]) -> bool:
    match scope.operator:
        case "In":
            return bool(names & {*scope.values})
        case "NotIn":
            return not names & {*scope.values}
        case "DoesNotExist":
            return not names
    return bool(names)


def has_deadline(pod: Pod) -> bool:
    """Whether the Pod sets activeDeadlineSeconds: scope Terminating."""
    return pod.spec.activeDeadlineSeconds is not None and pod.spec.activeDeadlineSeconds >= 0


def _affinity_terms(pod: Pod) -> Iterable[PodAffinityTerm]:
    affinity = pod.spec.affinity
    for kind in (affinity.podAffinity, affinity.podAntiAffinity) if affinity else ():
        if kind is not None:
            yield from kind.requiredDuringSchedulingIgnoredDuringExecution
            yield from (each.podAffinityTerm for each in kind.preferredDuringSchedulingIgnoredDuringExecution)


# Sums.


def added(total: Usage, more: Mapping[str, Quantity]) -> Usage:
    """The sum of two usages by resource name."""
    return total | {name: total[name] + value if name in total else value for name, value in more.items()}


def used(quota: ResourceQuota, resource: Resource[Any], objects: Iterable[Any], now: datetime) -> Usage:
    """Usage of all objects of one kind for a quota, with an entry for each of its names that counts the kind."""
    names = counted(resource, quota.spec.hard)
    total: Usage = {}
    for obj in objects if names else ():
        if matches(quota, obj):
            total = added(total, {name: value for name, value in usage(obj, resource, now).items() if name in names})
    return dict.fromkeys(names, NONE) | total
