"""Pod: containers that share a node, a network and volumes.

Here: its names, columns, fields for selection, and what only a Pod itself gets beyond its spec's defaults. Its rules are in
validation/ (spec, containers, volumes, ...), what may change in podupdate.py, the STATUS column in podstatus.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from pilothouse.api.core import podresources
from pilothouse.api.core.defaults.podspec import default_host_ports, default_pod_spec
from pilothouse.api.core.defaults.quantities import fill
from pilothouse.api.core.podstatus import PodSummary, readiness_gates
from pilothouse.api.core.podstatusupdate import validate_pod_status
from pilothouse.api.core.podupdate import validate_pod_update
from pilothouse.api.core.qos import qos_class
from pilothouse.api.core.validation.annotations import validate_pod_annotations
from pilothouse.api.core.validation.podspec import validate_pod_spec
from pilothouse.api.core.validation.remembered import Memory, SharedRule
from pilothouse.api.core.warnings.names import of_name
from pilothouse.api.core.warnings.podspec import of_pod_spec
from pilothouse.api.types.core_v1 import Pod, PodCondition, PodIP, PodSpec, PodStatus
from pilothouse.machinery.codec import encode
from pilothouse.machinery.meta_v1 import LabelSelector, LabelSelectorRequirement
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import AGE, STATUS, Column, Resource, Subresource
from pilothouse.machinery.strategy import Strategy

PROXY_VERBS = ("create", "delete", "get", "patch", "update")
POD_LEVEL_RESOURCES = ("cpu", "memory")
ORDINARY = Memory[bool]()
"""Specs, with their annotations, of which there is nothing to be warned."""


def _bool(value: bool | None) -> str:
    return "true" if value else "false"


def graceful(pod: Pod, asked: int | None) -> int:
    """A Pod on a node is deleted by its kubelet, after its grace period; one that no node has, or that has ended, at once."""
    if not pod.spec.nodeName or pod.status.phase in ("Failed", "Succeeded"):
        return 0
    period = asked if asked is not None else pod.spec.terminationGracePeriodSeconds or 0
    return max(period, 1) if period < 0 else period


POD = Resource(
    Pod,
    plural="pods",
    short_names=("po",),
    categories=("all",),
    subresources=(
        STATUS,
        Subresource("attach", ("create", "get"), ("", "v1", "PodAttachOptions")),
        Subresource("binding", ("create",), ("", "v1", "Binding")),
        Subresource("ephemeralcontainers"),
        Subresource("eviction", ("create",), ("policy", "v1", "Eviction")),
        Subresource("exec", ("create", "get"), ("", "v1", "PodExecOptions")),
        Subresource("log", ("get",)),
        Subresource("portforward", ("create", "get"), ("", "v1", "PodPortForwardOptions")),
        Subresource("proxy", PROXY_VERBS, ("", "v1", "PodProxyOptions")),
        Subresource("resize"),
    ),
    columns=(
        Column(
            "Ready",
            lambda pod: f"{(seen := PodSummary(pod)).ready}/{seen.total}",
            description="The aggregate readiness state of this pod for accepting traffic.",
        ),
        Column("Status", lambda pod: PodSummary(pod).reason, description="The aggregate status of the containers in this pod."),
        Column("Restarts", lambda pod: PodSummary(pod).restarts_cell),
        AGE,
        Column("IP", lambda pod: pod.status.podIPs[0].ip if pod.status.podIPs else None, priority=1),
        Column("Node", lambda pod: pod.spec.nodeName or None, priority=1),
        Column("Nominated Node", lambda pod: pod.status.nominatedNodeName or None, priority=1),
        Column("Readiness Gates", readiness_gates, priority=1),
    ),
    selectable_fields={
        "spec.nodeName": lambda pod: pod.spec.nodeName,
        "spec.restartPolicy": lambda pod: pod.spec.restartPolicy,
        "spec.schedulerName": lambda pod: pod.spec.schedulerName,
        "spec.serviceAccountName": lambda pod: pod.spec.serviceAccountName,
        "spec.hostNetwork": lambda pod: _bool(pod.spec.hostNetwork),
        "status.phase": lambda pod: pod.status.phase,
        "spec.host": lambda pod: pod.spec.nodeName,  # what the first clients called it
        "status.podIPs": lambda pod: "",  # upstream knows the name, but gives it no value
        "status.podIP": lambda pod: pod.status.podIPs[0].ip if pod.status.podIPs else pod.status.podIP,
        "status.nominatedNodeName": lambda pod: pod.status.nominatedNodeName,
    },
    graceful=graceful,
    reset_fields={"status": ("spec", "metadata.deletionTimestamp", "metadata.ownerReferences")},
    written_fields={
        "ephemeralcontainers": ("spec.ephemeralContainers",),
        "resize": tuple(f"spec.{kind}.*.{field}" for kind in ("containers", "initContainers") for field in ("resources", "resizePolicy")),
    },
    indexes={"spec.nodeName": lambda pod: pod.spec.nodeName},
    strategy=Strategy(returns_deleted_object=True, status_keeps=frozenset({"deletionTimestamp", "ownerReferences"})),
)


@POD.default
def default(pod: Pod) -> None:
    """Requests follow limits, in a Pod but not in a template: a LimitRange may have more to say about a template's Pods."""
    default_pod_spec(pod.spec)
    if (pod.spec.terminationGracePeriodSeconds or 0) < 0:
        pod.spec.terminationGracePeriodSeconds = 1
    default_addresses(pod)
    if pod.spec.hostNetwork:
        default_host_ports(pod.spec)
    for container in (*pod.spec.initContainers, *pod.spec.containers):
        fill(container.resources.requests, container.resources.limits)
    if pod.spec.enableServiceLinks is None:
        pod.spec.enableServiceLinks = True
    if pod.spec.resources:
        default_pod_level(pod.spec)


@POD.default_status
def default_addresses(pod: Pod) -> None:
    """The first address stands in both fields."""
    if pod.status.podIP and [address.ip for address in pod.status.podIPs[:1]] != [pod.status.podIP]:
        pod.status.podIPs = [PodIP(ip=pod.status.podIP)]
    elif pod.status.podIPs:
        pod.status.podIP = pod.status.podIPs[0].ip


def default_pod_level(spec: PodSpec) -> None:
    """Default Pod-level resources: requests from the containers, then from limits."""
    asked = spec.resources
    if asked is None:
        return
    try:
        if asked.limits:
            totals = podresources.aggregate(spec, lambda container: container.resources.requests)
            fill(asked.requests, {name: str(value) for name, value in totals.items() if name in POD_LEVEL_RESOURCES})
            fill(asked.requests, {name: value for name, value in asked.limits.items() if name in POD_LEVEL_RESOURCES})
    except ValueError:
        return  # a quantity that is none: validation says so


@POD.prepare_create
def prepare_create(pod: Pod) -> None:
    """A new Pod is Pending, of the class of service that its spec makes it."""
    pod.status = PodStatus(phase="Pending", qosClass=qos_class(pod))
    if pod.spec.schedulingGates:
        pod.status.conditions = [
            PodCondition(
                type="PodScheduled",
                status="False",
                reason="SchedulingGated",
                message="Scheduling is blocked due to non-empty scheduling gates",
                lastTransitionTime=pod.metadata.creationTimestamp,
            )
        ]
    _merge_label_keys(pod)


def _merge_label_keys(pod: Pod) -> None:
    """matchLabelKeys take effect as requirements that carry the Pod's own values; what has no selector finds no Pod, and stays so."""
    for constraint in pod.spec.topologySpreadConstraints:
        if constraint.labelSelector is not None:
            _merge_keys(constraint.labelSelector, constraint.matchLabelKeys, "In", pod.metadata.labels)
    affinity = pod.spec.affinity
    if affinity is None:
        return
    for kind in (affinity.podAffinity, affinity.podAntiAffinity):
        if kind is None:
            continue
        terms = list(kind.requiredDuringSchedulingIgnoredDuringExecution)
        terms += [term.podAffinityTerm for term in kind.preferredDuringSchedulingIgnoredDuringExecution]
        for term in terms:
            if term.labelSelector is not None:
                _merge_keys(term.labelSelector, term.matchLabelKeys, "In", pod.metadata.labels)
                _merge_keys(term.labelSelector, term.mismatchLabelKeys, "NotIn", pod.metadata.labels)


def _merge_keys(selector: LabelSelector, keys: Iterable[str], operator: str, labels: Mapping[str, str]) -> None:
    added = [LabelSelectorRequirement(key=key, operator=operator, values=[labels[key]]) for key in keys if key in labels]
    selector.matchExpressions = [*selector.matchExpressions, *added]


@POD.prepare_update
def prepare_update(old: Pod, new: Pod) -> None:
    """Ephemeral containers change through their own subresource alone."""
    new.spec.ephemeralContainers = old.spec.ephemeralContainers


@POD.validate
def validate(pod: Pod, problems: Problems) -> None:
    """Rules of annotations, spec and volumes of a Pod. Upstream: ValidatePodCreate."""
    spec = problems.at("spec")
    if pod.metadata.annotations:
        validate_pod_annotations(pod.metadata.annotations, pod.spec, problems.at("metadata", "annotations"))
    if any(volume.ephemeral for volume in pod.spec.volumes):  # their claims bear the Pod's name
        validate_pod_spec(pod.spec, spec, is_pod=True, pod_name=pod.metadata.name)
    else:
        pod.spec = SPECS.judge(pod.spec, spec)
    if not pod.spec.serviceAccountName:
        for index, volume in enumerate(pod.spec.volumes):
            for position, source in enumerate((volume.projected.sources or ()) if volume.projected else ()):
                if source.serviceAccountToken:
                    here = spec.at("volumes", index, "projected", "sources", position, "serviceAccountToken")
                    here.forbidden("must not be specified when serviceAccountName is not set")
    if not pod.metadata.resourceVersion:  # a new Pod
        if pod.spec.ephemeralContainers:
            spec.at("ephemeralContainers").forbidden("cannot be set on create")
        if pod.spec.nodeName and pod.spec.schedulingGates:
            spec.at("nodeName").forbidden("cannot be set until all schedulingGates have been cleared")


def validate_spec(spec: PodSpec, problems: Problems) -> None:
    """Rules of a PodSpec that do not depend on the Pod's name. Equal specs are checked once."""
    validate_pod_spec(spec, problems, is_pod=True)


SPECS = SharedRule(validate_spec)
"""Pods of one template share one spec from here on."""


@POD.validate_update
def validate_update(old: Pod, new: Pod, problems: Problems) -> None:
    """Validate an update of a Pod. Upstream: ValidatePodUpdate."""
    validate_pod_update(old, new, problems)


@POD.validate_status
def validate_status(old: Pod, new: Pod, problems: Problems) -> None:
    """Validate an update of a Pod's status; a missing qosClass is kept. Upstream: ValidatePodStatusUpdate."""
    # Upstream's strategy keeps the class when a writer of the status leaves it out.
    new.status.qosClass = new.status.qosClass or old.status.qosClass
    validate_pod_status(old, new, problems)


@POD.warn
def warn(new: Pod, old: Pod | None) -> Iterator[str]:
    """Warnings about new Pods; updates, which are mostly made by kubelets, have none."""
    if old is None:
        yield from of_name(new.metadata.name, "the Pod's hostname")
        yield from _of_spec(new.spec, new.metadata.annotations)


def _of_spec(spec: PodSpec, annotations: Mapping[str, str]) -> Iterable[str]:
    """What is odd about them; of what was found ordinary lately, nothing."""
    key = SPECS.key(spec) + encode(annotations) if annotations else SPECS.key(spec)
    if ORDINARY.get(key):
        return ()
    warnings = list(of_pod_spec(spec, annotations, Problems(), is_pod=True))
    if not warnings:
        ORDINARY.keep(key, True)
    return warnings
