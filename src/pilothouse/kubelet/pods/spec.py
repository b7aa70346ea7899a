"""Questions about a pod's spec that several rooms of the kubelet ask. Pure."""

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
    """An init container that keeps running."""
    return isinstance(container, Container) and container.restartPolicy == "Always"


def sidecars(pod: Pod) -> list[Container]:
    """Init containers that keep running (restartPolicy Always), in their order."""
    return [container for container in pod.spec.initContainers if is_sidecar(container)]


def every_container(pod: Pod) -> list[AnyContainer]:
    """Init containers, containers, ephemeral containers."""
    return [*pod.spec.initContainers, *pod.spec.containers, *pod.spec.ephemeralContainers]


def container_of(pod: Pod, name: str) -> AnyContainer | None:
    """The container, init container or ephemeral container of this name, or None."""
    return next((container for container in every_container(pod) if container.name == name), None)


def spec_hash(container: AnyContainer) -> str:
    """Changes when a running container has to be replaced: only its image may change in place."""
    return hashlib.sha256(f"{container.name}\0{container.image}".encode()).hexdigest()[:8]


def is_terminal(pod: Pod) -> bool:
    """Whether the pod's phase is Succeeded or Failed."""
    return pod.status.phase in {"Succeeded", "Failed"}


def is_static(pod: Pod) -> bool:
    """Whether the pod comes from a manifest of the node and not from the API."""
    return pod.metadata.annotations.get(wellknown.CONFIG_SOURCE, "api") != "api"


def from_api(pod: Pod) -> Pod:
    """A pod of the API, whatever its annotations say of where it comes from: only this kubelet's own files make static pods."""
    if wellknown.CONFIG_SOURCE not in pod.metadata.annotations:
        return pod
    meta = msgspec.structs.replace(pod.metadata, annotations={**pod.metadata.annotations, wellknown.CONFIG_SOURCE: "api"})
    return msgspec.structs.replace(pod, metadata=meta)


def is_mirror(pod: Pod) -> bool:
    """Whether the pod is the API's mirror of a static pod."""
    return wellknown.CONFIG_MIRROR in pod.metadata.annotations


def format_pod(pod: Pod) -> str:
    """How upstream's messages name a pod: `name_namespace(uid)`."""
    return f"{pod.metadata.name}_{pod.metadata.namespace}({pod.metadata.uid})"


def grace_seconds(pod: Pod, override: int | None = None) -> int:
    """How long the containers of an ending pod have; never less than a second."""
    asked = [seconds for seconds in (pod.metadata.deletionGracePeriodSeconds, override) if seconds is not None]
    if asked:
        return max(min(asked), 1)
    own = pod.spec.terminationGracePeriodSeconds
    return max(DEFAULT_GRACE_SECONDS if own is None else own, 1)


def restarts(pod: Pod, container: AnyContainer, exit_code: int) -> bool:
    """Whether a container of the pod that ended so runs again by itself."""
    return restartrules.should_restart(container, pod.spec.restartPolicy, exit_code)


def restarts_all(container: AnyContainer, exit_code: int) -> bool:
    """Whether such an end of the container has all containers of its pod start anew."""
    return restartrules.matching_action(container, exit_code) == RESTART_ALL


def could_restart_all(pod: Pod) -> bool:
    """Whether any of its containers has a rule that restarts all."""
    return restartrules.could_restart_all(every_container(pod))


def may_restart(pod: Pod, container: AnyContainer) -> bool:
    """Whether there is any exit code with which it runs again."""
    if container.restartPolicyRules:
        return True
    return (container.restartPolicy or pod.spec.restartPolicy or "Always") != "Never"
