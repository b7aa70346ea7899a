"""Prepares what a container needs before its creation, and builds its configuration."""

from __future__ import annotations

from pilothouse.api.types.core_v1 import EphemeralContainer, Pod
from pilothouse.kubelet.launch.container import Prepared, container_config
from pilothouse.kubelet.launch.environment import EnvironmentContext, environment
from pilothouse.kubelet.launch.mounts import container_devices, container_mounts
from pilothouse.kubelet.launch.naming import hostname, hosts_file
from pilothouse.kubelet.pods.node_services import NodeServices
from pilothouse.kubelet.pods.observed import PodState
from pilothouse.kubelet.pods.steps import AnyContainer
from pilothouse.kubelet.runtime.containers import ContainerConfig
from pilothouse.kubelet.runtime.images import Image


def pod_ips(shared: NodeServices, pod: Pod, state: PodState) -> tuple[str, ...]:
    """Addresses of a Pod; those of the node for a host-network Pod."""
    if pod.spec.hostNetwork:
        return shared.config.host_ips
    return state.sandbox.ips if state.sandbox is not None else ()


async def prepare_container(
    shared: NodeServices, pod: Pod, state: PodState, container: AnyContainer, attempt: int, image: Image
) -> ContainerConfig:
    """Configuration of a container, ready to be created. Raises LaunchError when something it refers to is missing or invalid."""
    ips = pod_ips(shared, pod, state)
    context = EnvironmentContext(shared.config.host_ips, ips, shared.allocatable, shared.service_environment(pod))
    values = await environment(pod, container, shared.objects, context)
    await _write_hosts(shared, pod, ips)
    mounts = await container_mounts(pod, container, attempt, shared.volumes, shared.host, shared.paths, values)
    target = ""
    if isinstance(container, EphemeralContainer) and container.targetContainerName:
        run = state.current(container.targetContainerName)
        target = run.id if run is not None else ""
    prepared = Prepared(
        image.id if image.id else container.image,
        image,
        values,
        mounts,
        container_devices(pod, container, shared.volumes),
        machine=shared.host.machine(),
        target=target,
    )
    return container_config(pod, container, attempt, shared.config, prepared)


async def _write_hosts(shared: NodeServices, pod: Pod, ips: tuple[str, ...]) -> None:
    name, domain = hostname(pod, shared.config.hostname, shared.config.cluster_domain)
    node_hosts = ""
    if pod.spec.hostNetwork and await shared.host.kind("/etc/hosts") == "file":
        node_hosts = (await shared.host.read_file("/etc/hosts")).decode(errors="replace")
    await shared.host.write_file(shared.paths.hosts(pod.metadata.uid), hosts_file(pod, ips, name, domain, node_hosts), 0o644)
