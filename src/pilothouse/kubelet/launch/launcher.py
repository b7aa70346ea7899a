"""Makes everything ready that a container needs before it is created, and says what to create."""

from __future__ import annotations

from pilothouse.api.types.core_v1 import EphemeralContainer, Pod
from pilothouse.kubelet.launch.container import Prepared, container_config
from pilothouse.kubelet.launch.environment import Surroundings, environment
from pilothouse.kubelet.launch.mounts import container_devices, container_mounts
from pilothouse.kubelet.launch.naming import hostname, hosts_file
from pilothouse.kubelet.pods.observed import PodState
from pilothouse.kubelet.pods.steps import AnyContainer
from pilothouse.kubelet.pods.workshop import Workshop
from pilothouse.kubelet.runtime.port import ContainerConfig, Image


def pod_ips(shop: Workshop, pod: Pod, state: PodState) -> tuple[str, ...]:
    """Of a pod in the node's network they are the node's."""
    if pod.spec.hostNetwork:
        return shop.config.host_ips
    return state.sandbox.ips if state.sandbox is not None else ()


async def prepare_container(
    shop: Workshop, pod: Pod, state: PodState, container: AnyContainer, attempt: int, image: Image
) -> ContainerConfig:
    """The configuration to create; LaunchError when something that it refers to is missing or wrong."""
    ips = pod_ips(shop, pod, state)
    around = Surroundings(shop.config.host_ips, ips, shop.allocatable, shop.service_environment(pod))
    values = await environment(pod, container, shop.objects, around)
    await _write_hosts(shop, pod, ips)
    mounts = await container_mounts(pod, container, attempt, shop.volumes, shop.host, shop.paths, values)
    target = ""
    if isinstance(container, EphemeralContainer) and container.targetContainerName:
        run = state.current(container.targetContainerName)
        target = run.id if run is not None else ""
    prepared = Prepared(
        image.id if image.id else container.image,
        image,
        values,
        mounts,
        container_devices(pod, container, shop.volumes),
        machine=shop.host.machine(),
        target=target,
    )
    return container_config(pod, container, attempt, shop.config, prepared)


async def _write_hosts(shop: Workshop, pod: Pod, ips: tuple[str, ...]) -> None:
    name, domain = hostname(pod, shop.config.hostname, shop.config.cluster_domain)
    node_hosts = ""
    if pod.spec.hostNetwork and await shop.host.kind("/etc/hosts") == "file":
        node_hosts = (await shop.host.read_file("/etc/hosts")).decode(errors="replace")
    await shop.host.write_file(shop.paths.hosts(pod.metadata.uid), hosts_file(pod, ips, name, domain, node_hosts), 0o644)
