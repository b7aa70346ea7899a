"""CRI's ContainerConfig of a container. Pure: environment, mounts and image are arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pilothouse.api.types.core_v1 import Pod
from pilothouse.kubelet.config import KubeletConfig
from pilothouse.kubelet.host.port import Machine
from pilothouse.kubelet.launch.expansion import expand_all
from pilothouse.kubelet.launch.resources import container_resources
from pilothouse.kubelet.launch.security import container_security
from pilothouse.kubelet.pods.identity import container_annotations, container_labels
from pilothouse.kubelet.pods.steps import AnyContainer
from pilothouse.kubelet.runtime.containers import ContainerConfig, Device, Mount
from pilothouse.kubelet.runtime.images import Image

NO_MACHINE = Machine(0, 0)


@dataclass(slots=True, frozen=True)
class Prepared:
    """What was resolved and prepared for a container before its creation."""

    image_reference: str
    image: Image | None
    environment: Mapping[str, str] = field(default_factory=dict)
    mounts: Sequence[Mount] = ()
    devices: Sequence[Device] = ()
    machine: Machine = NO_MACHINE
    target: str = ""
    """The id of the container whose processes an ephemeral container sees."""


def container_config(pod: Pod, container: AnyContainer, attempt: int, config: KubeletConfig, prepared: Prepared) -> ContainerConfig:
    """CRI's configuration of a container; `attempt` counts its runs from 0."""
    values = prepared.environment
    return ContainerConfig(
        name=container.name,
        image=prepared.image_reference,
        user_image=container.image,
        attempt=attempt,
        command=expand_all(container.command, values),
        args=expand_all(container.args, values),
        working_dir=container.workingDir,
        env=list(values.items()),
        mounts=prepared.mounts,
        devices=prepared.devices,
        labels=container_labels(pod, container),
        annotations=container_annotations(pod, container, attempt),
        log_path=f"{container.name}/{attempt}.log",
        stdin=bool(container.stdin),
        stdin_once=bool(container.stdinOnce),
        tty=bool(container.tty),
        resources=container_resources(pod, container, prepared.machine, cfs_quota=config.cpu_cfs_quota),
        security=container_security(
            pod,
            container,
            prepared.image,
            seccomp_root=f"{config.root_dir}/seccomp",
            seccomp_default=config.seccomp_default,
            target=prepared.target,
        ),
    )
