"""Rules of a PodSpec, as it stands in a Pod and in every template."""

from __future__ import annotations

from collections.abc import Callable

from pilothouse.api.core import podresources
from pilothouse.api.core.validation.addresses import validate_address
from pilothouse.api.core.validation.affinity import validate_affinity, validate_spreading
from pilothouse.api.core.validation.annotations import validate_pod_annotations
from pilothouse.api.core.validation.containers import (
    PodScope,
    validate_containers,
    validate_ephemeral_containers,
    validate_init_containers,
)
from pilothouse.api.core.validation.fields import INT32, one_of, report
from pilothouse.api.core.validation.resources import is_huge, validate_requirements
from pilothouse.api.core.validation.security import validate_pod_security
from pilothouse.api.core.validation.tolerations import validate_tolerations
from pilothouse.api.core.validation.volumes import validate_volumes
from pilothouse.api.core.validation.windows import validate_os
from pilothouse.api.core.validation.windowsoptions import validate_host_process
from pilothouse.api.internal import internal
from pilothouse.api.types.core_v1 import PodSpec, PodTemplateSpec, ResourceRequirements
from pilothouse.machinery import names, quantity
from pilothouse.machinery.metadata import validate_annotations, validate_labels
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.said_empty import is_said

DNS_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
RESTART_POLICIES = ("Always", "OnFailure", "Never")
Rules = tuple[tuple[str, Callable[[str], list[str]]], ...]
OWN_NAMES: Rules = (
    ("serviceAccountName", names.dns_subdomain),
    ("nodeName", names.dns_subdomain),
    ("activeDeadlineSeconds", lambda seconds: names.in_range(int(seconds), 1, INT32)),
    ("hostname", names.dns_label),
    ("subdomain", names.dns_label),
)
CLASS_NAMES: Rules = (("priorityClassName", names.dns_subdomain), ("runtimeClassName", names.dns_subdomain))
LONGEST_HOST_NAME = 64
NAMESERVERS, SEARCHES, SEARCH_CHARACTERS = 3, 32, 2048


def validate_pod_template(template: PodTemplateSpec, problems: Problems) -> None:
    """Labels, annotations and spec of a template; no ephemeral containers. Upstream: ValidatePodTemplateSpec."""
    validate_labels(template.metadata.labels, problems.at("labels"))
    if template.metadata.annotations:
        validate_annotations(template.metadata.annotations, problems.at("annotations"))
        validate_pod_annotations(template.metadata.annotations, template.spec, problems.at("annotations"))
    validate_pod_spec(template.spec, problems.at("spec"))
    if template.spec.ephemeralContainers:
        problems.at("spec", "ephemeralContainers").forbidden("ephemeral containers not allowed in pod template")


def validate_pod_spec(spec: PodSpec, problems: Problems, *, is_pod: bool = False, pod_name: str = "") -> None:
    """`is_pod`: some rules came too late for templates that were already stored, and hold for Pods alone."""
    if spec.terminationGracePeriodSeconds is None:
        problems.at("terminationGracePeriodSeconds").required()
    volumes = validate_volumes(spec.volumes, pod_name, problems.at("volumes"))
    claims = _validate_claims(spec, problems.at("resourceClaims")) if spec.resourceClaims else frozenset()
    scope = PodScope(spec, volumes, claims, is_pod)
    validate_containers(scope, problems.at("containers"))
    if spec.initContainers:
        validate_init_containers(scope, problems.at("initContainers"))
    if spec.ephemeralContainers:
        validate_ephemeral_containers(scope, problems.at("ephemeralContainers"))
    if spec.resources is not None:
        _validate_pod_resources(spec, problems.at("resources"))
    _validate_host(spec, problems, is_pod)
    one_of(spec.restartPolicy, RESTART_POLICIES, problems, "restartPolicy")
    one_of(spec.dnsPolicy, DNS_POLICIES, problems, "dnsPolicy")
    if spec.nodeSelector:
        validate_labels(spec.nodeSelector, problems.at("nodeSelector"))
    validate_pod_security(spec, problems.at("securityContext"))
    if spec.shareProcessNamespace and spec.hostPID:
        problems.at("shareProcessNamespace").invalid(True, "ShareProcessNamespace and HostPID cannot both be enabled")
    if spec.affinity is not None:
        validate_affinity(spec.affinity, problems.at("affinity"))
    if spec.dnsConfig is not None or spec.dnsPolicy == "None":
        _validate_dns(spec, problems.at("dnsConfig"))
    if spec.readinessGates or spec.schedulingGates:
        _validate_gates(spec, problems)
    if spec.topologySpreadConstraints:
        validate_spreading(spec.topologySpreadConstraints, problems.at("topologySpreadConstraints"))
    validate_host_process(spec, problems)
    _validate_host_users(spec, problems)
    if spec.hostnameOverride is not None:
        _validate_host_name(spec, problems.at("hostnameOverride"))
    _validate_names(spec, problems, OWN_NAMES)
    validate_tolerations(spec.tolerations, problems.at("tolerations"))
    if spec.hostAliases:
        _validate_aliases(spec, problems.at("hostAliases"))
    _validate_names(spec, problems, CLASS_NAMES)
    if spec.preemptionPolicy is not None:
        one_of(spec.preemptionPolicy, ("PreemptLowerPriority", "Never"), problems, "preemptionPolicy")
    if spec.overhead:
        validate_requirements(ResourceRequirements(limits=spec.overhead), frozenset(), problems.at("overhead"))
    validate_os(spec, problems)
    _validate_files(spec, problems)


def _validate_files(spec: PodSpec, problems: Problems) -> None:
    """Variables out of files: the volume that they name is there, and is an emptyDir."""
    volumes = {volume.name: volume for volume in spec.volumes}
    for field in ("initContainers", "containers"):
        for index, container in enumerate(getattr(spec, field)):
            for position, variable in enumerate(container.env):
                selector = variable.valueFrom.fileKeyRef if variable.valueFrom else None
                if selector is None:
                    continue
                here = problems.at(field, index, "env", position, "valueFrom", "fileKeyRef", "volumeName")
                if selector.volumeName not in volumes:
                    here.not_found(selector.volumeName)
                elif volumes[selector.volumeName].emptyDir is None:
                    here.invalid(selector.volumeName, "referenced volume must be of type emptyDir")


def _validate_claims(spec: PodSpec, problems: Problems) -> frozenset[str]:
    seen: set[str] = set()
    for index, claim in enumerate(spec.resourceClaims):
        here = problems.at(index)
        if not claim.name:
            here.at("name").required()
        elif claim.name in seen:
            here.at("name").duplicate(claim.name)
        else:
            report(names.dns_label(claim.name), claim.name, here, "name")
        seen.add(claim.name)
        shown = internal(claim, "core.PodResourceClaim")
        if claim.resourceClaimName is not None and claim.resourceClaimTemplateName is not None:
            here.invalid(
                internal(claim, "core.PodResourceClaim"),
                "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified",
            )
        elif claim.resourceClaimName is None and claim.resourceClaimTemplateName is None:
            here.invalid(shown, "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`")
        for field in ("resourceClaimName", "resourceClaimTemplateName"):
            value = getattr(claim, field)
            if value is not None:
                report(names.dns_subdomain(value), value, here, field)
    return frozenset(seen - {""})


def _validate_pod_resources(spec: PodSpec, problems: Problems) -> None:
    """What is asked for the whole Pod is at least what its containers ask for together."""
    if spec.resources is None:
        return
    if spec.os and spec.os.name == "windows":
        problems.forbidden("may not be set for a windows pod")
        return
    if is_said(spec.resources.claims):
        problems.at("claims").forbidden("claims may not be set for Resources at pod-level")
    validate_requirements(spec.resources, frozenset(claim.name for claim in spec.resourceClaims), problems, pod_level=True)
    try:
        requests = podresources.aggregate(spec, lambda container: container.resources.requests)
        limits = podresources.aggregate(spec, lambda container: container.resources.limits)
    except ValueError:
        return
    huge = {name: total for name, total in limits.items() if is_huge(name)}
    for field, asked, totals in (("requests", spec.resources.requests, requests), ("limits", spec.resources.limits, huge)):
        for name, total in totals.items():
            if name in asked and total.nanos > quantity.parse(asked[name]).nanos:
                message = f"must be greater than or equal to aggregate container {field} of {total}"
                problems.at(field, f"[{name}]").invalid(quantity.canonical(asked[name]), message)
    for index, container in enumerate(spec.containers):
        for name, value in container.resources.limits.items():
            limit = spec.resources.limits.get(name)
            if limit is not None and quantity.compare(value, limit) > 0:
                here = problems.at("containers", index, f"[{name}]", "limits")
                here.invalid(quantity.canonical(value), f"must be less than or equal to pod limits of {quantity.canonical(limit)}")


def _validate_host(spec: PodSpec, problems: Problems, is_pod: bool) -> None:
    if spec.hostNetwork:
        for index, container in enumerate(spec.containers):
            for position, port in enumerate(container.ports):
                host_port = port.hostPort or 0
                if (is_pod or host_port) and host_port != port.containerPort:
                    here = problems.at("containers", index, "ports", position, "hostPort")
                    here.invalid(host_port, "must match `containerPort` when `hostNetwork` is true")


def _validate_host_users(spec: PodSpec, problems: Problems) -> None:
    if spec.hostUsers is False:
        for field, shown in (("hostNetwork", "hostNetwork"), ("hostPID", "HostPID"), ("hostIPC", "HostIPC")):
            if getattr(spec, field):
                problems.at(shown).forbidden("when `hostUsers` is false")
        for field in ("initContainers", "containers", "ephemeralContainers"):
            for index, container in enumerate(getattr(spec, field)):
                if container.volumeDevices:
                    problems.at(field, index, "volumeDevices").forbidden("when `hostUsers` is false")


def _validate_host_name(spec: PodSpec, problems: Problems) -> None:
    """The host name in place of any other (KEP-4762)."""
    name = spec.hostnameOverride or ""
    if spec.setHostnameAsFQDN:
        problems.forbidden("may not be specified when setHostnameAsFQDN is true")
    if spec.hostNetwork:
        problems.forbidden("may not be specified when hostNetwork is true")
    if len(name) > LONGEST_HOST_NAME:
        problems.too_long(LONGEST_HOST_NAME)
    report(names.dns_subdomain(name), name, problems)


def _validate_dns(spec: PodSpec, problems: Problems) -> None:
    config = spec.dnsConfig
    if spec.dnsPolicy == "None":
        if config is None:
            problems.required("must provide `dnsConfig` when `dnsPolicy` is None")
        elif not config.nameservers:
            problems.at("nameservers").required("must provide at least one DNS nameserver when `dnsPolicy` is None")
            return
    if config is None:
        return
    if len(config.nameservers) > NAMESERVERS:
        problems.at("nameservers").invalid(config.nameservers, f"must not have more than {NAMESERVERS} nameservers")
    for index, address in enumerate(config.nameservers):
        validate_address(address, problems.at("nameservers", index))
    searches = problems.at("searches")
    if len(config.searches) > SEARCHES:
        searches.invalid(config.searches, f"must not have more than {SEARCHES} search paths")
    if len(" ".join(config.searches)) > SEARCH_CHARACTERS:
        message = f"must not have more than {SEARCH_CHARACTERS} characters (including spaces) in the search list"
        searches.invalid(config.searches, message)
    for index, search in enumerate(config.searches):
        bare = search.removesuffix(".").replace("_", "a")  # underscores are allowed here
        if search != ".":
            report(names.dns_subdomain(bare), search.removesuffix("."), searches, index)
    for index, option in enumerate(config.options):
        if not option.name:
            problems.at("options", index).required("must not be empty")


def _validate_gates(spec: PodSpec, problems: Problems) -> None:
    for index, gate in enumerate(spec.readinessGates):
        report(names.qualified_name(gate.conditionType), gate.conditionType, problems, "readinessGates", index, "conditionType")
    seen: set[str] = set()
    for index, scheduling_gate in enumerate(spec.schedulingGates):
        here = problems.at("schedulingGates", index)
        report(names.qualified_name(scheduling_gate.name), scheduling_gate.name, here)
        if scheduling_gate.name in seen:
            here.duplicate(scheduling_gate.name)
        seen.add(scheduling_gate.name)


def _validate_names(spec: PodSpec, problems: Problems, rules: Rules) -> None:
    """Names of other objects, the Pod's own host name, and its deadline."""
    for field, rule in rules:
        value = getattr(spec, field)
        if value or value == 0 or (value == "" and field == "runtimeClassName"):
            report(rule(value), value, problems, field)


def _validate_aliases(spec: PodSpec, problems: Problems) -> None:
    for index, alias in enumerate(spec.hostAliases):
        validate_address(alias.ip, problems.at(index, "ip"))
        for position, name in enumerate(alias.hostnames):
            report(names.dns_subdomain(name), name, problems, index, "hostnames", position)
