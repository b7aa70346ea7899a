"""Labels and annotations of sandboxes and containers in the runtime: upstream's `io.kubernetes.*`.

All that a restarted kubelet needs to know again is in them: whose container it is, which run, made from what.
"""

from __future__ import annotations

from pilothouse.api.types.core_v1 import Pod
from pilothouse.kubelet.pods.observed import PodSandbox, Run
from pilothouse.kubelet.pods.spec import grace_seconds, spec_hash
from pilothouse.kubelet.pods.steps import AnyContainer
from pilothouse.kubelet.runtime.containers import Container, ContainerStatus
from pilothouse.kubelet.runtime.sandboxes import NamespaceMode, SandboxState, SandboxStatus
from pilothouse.machinery import strconv

POD_NAME = "io.kubernetes.pod.name"
POD_NAMESPACE = "io.kubernetes.pod.namespace"
POD_UID = "io.kubernetes.pod.uid"
CONTAINER_NAME = "io.kubernetes.container.name"
CONTAINER_HASH = "io.kubernetes.container.hash"
RESTART_COUNT = "io.kubernetes.container.restartCount"
MESSAGE_PATH = "io.kubernetes.container.terminationMessagePath"
MESSAGE_POLICY = "io.kubernetes.container.terminationMessagePolicy"
GRACE_PERIOD = "io.kubernetes.pod.terminationGracePeriod"


def pod_labels(pod: Pod) -> dict[str, str]:
    """Labels of a sandbox, with the Pod's own."""
    return {**pod.metadata.labels, **pod_key(pod)}


def pod_key(pod: Pod) -> dict[str, str]:
    """Labels that identify a Pod in the runtime: name, namespace, uid."""
    return {POD_NAME: pod.metadata.name, POD_NAMESPACE: pod.metadata.namespace, POD_UID: pod.metadata.uid}


def container_labels(pod: Pod, container: AnyContainer) -> dict[str, str]:
    """Labels of a container in the runtime."""
    return {**pod_key(pod), CONTAINER_NAME: container.name}


def container_annotations(pod: Pod, container: AnyContainer, attempt: int) -> dict[str, str]:
    """Annotations of a container in the runtime, which a restarted kubelet reads."""
    return {
        CONTAINER_HASH: spec_hash(container),
        RESTART_COUNT: str(attempt),
        MESSAGE_PATH: container.terminationMessagePath,
        MESSAGE_POLICY: container.terminationMessagePolicy,
        GRACE_PERIOD: str(grace_seconds(pod)),
    }


def run_of(status: ContainerStatus) -> Run:
    """A container's status as the planner's `Run`."""
    container: Container = status.container
    return Run(
        id=container.id,
        name=container.labels.get(CONTAINER_NAME) or container.name,
        attempt=_number(container.annotations.get(RESTART_COUNT), container.attempt),
        sandbox_id=container.sandbox_id,
        state=container.state,
        created_at=container.created_at,
        started_at=status.started_at,
        finished_at=status.finished_at,
        exit_code=status.exit_code,
        reason=status.reason,
        message=status.message,
        image=container.image,
        image_id=container.image_id,
        spec_hash=container.annotations.get(CONTAINER_HASH, ""),
        log_path=status.log_path,
    )


def _number(text: str | None, otherwise: int) -> int:
    value = strconv.unsigned(text, strconv.INT64)
    return otherwise if value is None else value


def sandbox_of(status: SandboxStatus) -> PodSandbox:
    """A sandbox's status as the planner's `PodSandbox`."""
    sandbox = status.sandbox
    return PodSandbox(
        id=sandbox.id,
        attempt=sandbox.attempt,
        ready=sandbox.state is SandboxState.READY,
        created_at=sandbox.created_at,
        ips=status.ips,
        host_network=status.namespaces.network is NamespaceMode.NODE,
    )
