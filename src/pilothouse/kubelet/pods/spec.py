"""Helpers for Pod specs. Pure."""

from __future__ import annotations

import hashlib

import msgspec

from pilothouse.api import wellknown
from pilothouse.api.core import restartrules
from pilothouse.api.core.restartrules import RESTART_ALL
from pilothouse.api.types.core_v1 import Container, Pod
from pilothouse.kubelet.pods.steps import AnyContainer

DEFAULT_GRACE_SECONDS = 30


def is_sidecar(container: AnyContainer) -> bool:
    """Whether an init container has restartPolicy Always."""
    return isinstance(container, Container) and container.restartPolicy == "Always"


def sidecars(pod: Pod) -> list[Container]:
    """Init containers with restartPolicy Always, in their order."""
    return [container for container in pod.spec.initContainers if is_sidecar(container)]


def every_container(pod: Pod) -> list[AnyContainer]:
    """Init containers, containers, ephemeral containers."""
    return [*pod.spec.initContainers, *pod.spec.containers, *pod.spec.ephemeralContainers]


def container_of(pod: Pod, name: str) -> AnyContainer | None:
    """The container, init container or ephemeral container of this name, or None."""
    return next((container for container in every_container(pod) if container.name == name), None)


def spec_hash(container: AnyContainer) -> str:
    """Hash of a container's spec without the fields that may change in place."""
    return hashlib.sha256(f"{container.name}\0{container.image}".encode()).hexdigest()[:8]


def is_terminal(pod: Pod) -> bool:
    """Whether the pod's phase is Succeeded or Failed."""
    return pod.status.phase in {"Succeeded", "Failed"}


def is_static(pod: Pod) -> bool:
    """Whether the pod comes from a manifest of the node and not from the API."""
    return pod.metadata.annotations.get(wellknown.CONFIG_SOURCE, "api") != "api"


def from_api(pod: Pod) -> Pod:
    """A Pod of the API without the annotations of static Pods: only files of the node define static Pods."""
    if wellknown.CONFIG_SOURCE not in pod.metadata.annotations:
        return pod
    meta = msgspec.structs.replace(pod.metadata, annotations={**pod.metadata.annotations, wellknown.CONFIG_SOURCE: "api"})
    return msgspec.structs.replace(pod, metadata=meta)


def is_mirror(pod: Pod) -> bool:
    """Whether the pod is the API's mirror of a static pod."""
    return wellknown.CONFIG_MIRROR in pod.metadata.annotations


def format_pod(pod: Pod) -> str:
    """Name of a Pod in upstream's messages: `name_namespace(uid)`."""
    return f"{pod.metadata.name}_{pod.metadata.namespace}({pod.metadata.uid})"


def grace_seconds(pod: Pod, override: int | None = None) -> int:
    """Grace period for the containers of an ending Pod, at least one second."""
    asked = [seconds for seconds in (pod.metadata.deletionGracePeriodSeconds, override) if seconds is not None]
    if asked:
        return max(min(asked), 1)
    own = pod.spec.terminationGracePeriodSeconds
    return max(DEFAULT_GRACE_SECONDS if own is None else own, 1)


def restarts(pod: Pod, container: AnyContainer, exit_code: int) -> bool:
    """Whether a container is restarted after this exit code."""
    return restartrules.should_restart(container, pod.spec.restartPolicy, exit_code)


def restarts_all(container: AnyContainer, exit_code: int) -> bool:
    """Whether this exit code restarts all containers of the Pod (restartPolicyRules)."""
    return restartrules.matching_action(container, exit_code) == RESTART_ALL


def could_restart_all(pod: Pod) -> bool:
    """Whether any container has a rule that restarts all containers."""
    return restartrules.could_restart_all(every_container(pod))


def may_restart(pod: Pod, container: AnyContainer) -> bool:
    """Whether the container is restarted after any exit code."""
    if container.restartPolicyRules:
        return True
    return (container.restartPolicy or pod.spec.restartPolicy or "Always") != "Never"
