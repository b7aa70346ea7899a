"""Validation of containers: regular, init and ephemeral ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pilothouse.api.core.podresources import restartable
from pilothouse.api.core.validation.environment import validate_env, validate_env_from
from pilothouse.api.core.validation.fields import PORT_PROTOCOLS, one_of, report
from pilothouse.api.core.validation.mounts import validate_devices, validate_mounts
from pilothouse.api.core.validation.probes import PROBES, validate_lifecycle, validate_probes
from pilothouse.api.core.validation.resources import validate_requirements
from pilothouse.api.core.validation.security import validate_container_security
from pilothouse.api.types.core_v1 import Container, ContainerPort, EphemeralContainer, PodSpec, ResourceRequirements, Volume
from pilothouse.machinery import names
from pilothouse.machinery.problems import Problems

PULL_POLICIES = ("Always", "IfNotPresent", "Never")
RESTART_POLICIES = ("Always", "Never", "OnFailure")
RESTART_ACTIONS = ("Restart", "RestartAllContainers")
MAXIMUM_RESTART_RULES, MAXIMUM_EXIT_CODES = 20, 255
MESSAGE_POLICIES = ("File", "FallbackToLogsOnError")
SIDECAR_ONLY = "may not be set for init containers without restartPolicy=Always"
NOT_EPHEMERAL = "cannot be set for an Ephemeral Container"
PADDED = "must not have leading or trailing whitespace"
# Sorted as upstream's struct has them, so that problems come in its order.
EPHEMERAL_FORBIDDEN = (
    "ports", "resources", "resizePolicy", "restartPolicy", "restartPolicyRules", "livenessProbe", "readinessProbe", "startupProbe",
    "lifecycle",
)  # fmt: skip


@dataclass(frozen=True)
class PodScope:
    """Shared by the containers of one Pod, or of a template when `is_pod` is false."""

    spec: PodSpec
    volumes: Mapping[str, Volume]
    claims: frozenset[str]
    is_pod: bool

    @property
    def grace_seconds(self) -> int | None:
        """terminationGracePeriodSeconds of the Pod, None when unset."""
        return self.spec.terminationGracePeriodSeconds

    @property
    def host_users(self) -> bool:
        """Whether the Pod runs in the host's user namespace."""
        return self.spec.hostUsers is not False


def validate_containers(scope: PodScope, problems: Problems) -> None:
    """Rules of the regular containers: at least one, with different names. Upstream: validateContainers."""
    containers = scope.spec.containers
    if not containers:
        problems.required()
    seen: set[str] = set()
    for index, container in enumerate(containers):
        here = problems.at(index)
        _validate_common(container, scope, here)
        if container.name in seen:
            here.at("name").duplicate(container.name)
        seen.add(container.name)
        if container.lifecycle:
            validate_lifecycle(container.lifecycle, scope.grace_seconds, here.at("lifecycle"))
        validate_probes(container, scope.grace_seconds, here)
        validate_restart_rules(container, here)
    _validate_host_ports(containers, problems)


def validate_init_containers(scope: PodScope, problems: Problems) -> None:
    """Rules of init containers and sidecars. Upstream: validateInitContainers."""
    seen = {container.name for container in scope.spec.containers}
    for index, container in enumerate(scope.spec.initContainers):
        here = problems.at(index)
        _validate_common(container, scope, here)
        if container.restartPolicy is not None:
            validate_restart_rules(container, here)
        elif container.restartPolicyRules:  # upstream looks at the rules of an init container only beside a policy
            here.at("restartPolicy").required("must specify restartPolicy when restart rules are used")
        if container.name in seen:
            here.at("name").duplicate(container.name)
        elif container.name:
            seen.add(container.name)
        _validate_host_ports([container], problems)
        if restartable(container):
            if container.lifecycle:
                validate_lifecycle(container.lifecycle, scope.grace_seconds, here.at("lifecycle"))
            validate_probes(container, scope.grace_seconds, here)
        else:
            for field in ("lifecycle", *PROBES):
                if getattr(container, field) is not None:
                    here.at(field).forbidden(SIDECAR_ONLY)
            for position, policy in enumerate(container.resizePolicy):
                if policy.restartPolicy == "RestartContainer":
                    message = "must not be set to 'RestartContainer' for non-sidecar initContainers"
                    here.at("resizePolicy", position, "restartPolicy").invalid(policy.restartPolicy, message)


def validate_restart_rules(container: Container, problems: Problems) -> None:
    """A container's own restart policy, and the exit codes by which it is restarted all the same (KEP-5307)."""
    rules = container.restartPolicyRules
    if container.restartPolicy is None:
        if rules:
            problems.at("restartPolicy").required("must specify restartPolicy when restart rules are used")
    elif container.restartPolicy not in RESTART_POLICIES:
        problems.at("restartPolicy").not_supported(container.restartPolicy, RESTART_POLICIES)
    if len(rules) > MAXIMUM_RESTART_RULES:
        problems.at("restartPolicyRules").too_many(len(rules), MAXIMUM_RESTART_RULES)
    for index, rule in enumerate(rules):
        here = problems.at("restartPolicyRules", index)
        if rule.action not in RESTART_ACTIONS:
            here.at("action").not_supported(rule.action, RESTART_ACTIONS)
        if rule.exitCodes is None:
            here.at("exitCodes").required("must be specified")
            continue
        if rule.exitCodes.operator not in ("In", "NotIn"):
            here.at("exitCodes", "operator").not_supported(rule.exitCodes.operator, ("In", "NotIn"))
        if len(rule.exitCodes.values) > MAXIMUM_EXIT_CODES:
            here.at("exitCodes", "values").too_many(len(rule.exitCodes.values), MAXIMUM_EXIT_CODES)


def validate_ephemeral_containers(scope: PodScope, problems: Problems) -> None:
    """Rules of ephemeral containers, which may set fewer fields. Upstream: validateEphemeralContainers."""
    others = {container.name for container in (*scope.spec.containers, *scope.spec.initContainers)}
    seen = set(others)
    for index, container in enumerate(scope.spec.ephemeralContainers):
        here = problems.at(index)
        _validate_common(container, scope, here)
        if container.name in seen:
            here.at("name").duplicate(container.name)
        seen.add(container.name)
        if container.targetContainerName and container.targetContainerName not in others:
            here.at("targetContainerName").not_found(container.targetContainerName)
        for field in EPHEMERAL_FORBIDDEN:
            value = getattr(container, field)
            if value and value != ResourceRequirements():
                here.at(field).forbidden(NOT_EPHEMERAL)
        for position, mount in enumerate(container.volumeMounts):
            for field in ("subPath", "subPathExpr"):
                if getattr(mount, field):
                    here.at("volumeMounts", position, field).forbidden(NOT_EPHEMERAL)


def _validate_common(container: Container | EphemeralContainer, scope: PodScope, problems: Problems) -> None:
    if not container.name:
        problems.at("name").required()
    else:
        report(names.dns_label(container.name), container.name, problems, "name")
    if not container.image:
        problems.at("image").required()
    elif scope.is_pod and container.image.strip() != container.image:
        problems.at("image").invalid(container.image, PADDED)
    one_of(container.terminationMessagePolicy, MESSAGE_POLICIES, problems, "terminationMessagePolicy")
    if container.ports:
        _validate_ports(container.ports, problems.at("ports"))
    if container.env:
        validate_env(container.env, problems.at("env"))
    if container.envFrom:
        validate_env_from(container.envFrom, problems.at("envFrom"))
    if container.volumeMounts:
        validate_mounts(container, scope.volumes, problems.at("volumeMounts"))
    if container.volumeDevices:
        validate_devices(container, scope.volumes, problems.at("volumeDevices"))
    one_of(container.imagePullPolicy, PULL_POLICIES, problems, "imagePullPolicy")
    validate_requirements(container.resources, scope.claims, problems.at("resources"))
    if container.resizePolicy:
        _validate_resize_policy(container, scope, problems.at("resizePolicy"))
    if container.securityContext is not None:
        validate_container_security(container.securityContext, scope.host_users, problems.at("securityContext"))


def _validate_ports(ports: list[ContainerPort], problems: Problems) -> None:
    seen: set[str] = set()
    for index, port in enumerate(ports):
        here = problems.at(index)
        if port.name:
            messages = names.port_name(port.name)
            report(messages, port.name, here, "name")
            if not messages and port.name in seen:
                here.at("name").duplicate(port.name)
            seen.add(port.name)
        if not port.containerPort:
            here.at("containerPort").required()
        else:
            report(names.port_number(port.containerPort), port.containerPort, here, "containerPort")
        if port.hostPort:
            report(names.port_number(port.hostPort), port.hostPort, here, "hostPort")
        one_of(port.protocol, PORT_PROTOCOLS, here, "protocol")


def _validate_host_ports(containers: list[Container], problems: Problems) -> None:
    """A port of the host has one user in a Pod. (Init containers run one by one: each is asked alone, at index 0, as upstream does.)"""
    taken: set[str] = set()
    for index, container in enumerate(containers):
        for position, port in enumerate(container.ports):
            if not port.hostPort:
                continue
            key = f"{port.protocol}/{port.hostIP}/{port.hostPort}"
            if key in taken:
                problems.at(index, "ports", position, "hostPort").duplicate(key)
            taken.add(key)


def _validate_resize_policy(container: Container | EphemeralContainer, scope: PodScope, problems: Problems) -> None:
    seen: set[str] = set()
    for index, policy in enumerate(container.resizePolicy):
        if policy.resourceName in seen:
            problems.at(index).duplicate(policy.resourceName)
        seen.add(policy.resourceName)
        one_of(policy.resourceName, ("cpu", "memory"), problems)
        one_of(policy.restartPolicy, ("NotRequired", "RestartContainer"), problems)
        if scope.spec.restartPolicy == "Never" and policy.restartPolicy != "NotRequired":
            problems.invalid(policy.restartPolicy, "must be 'NotRequired' when pod `restartPolicy` is 'Never'")
