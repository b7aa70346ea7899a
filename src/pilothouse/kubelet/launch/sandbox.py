"""CRI's PodSandboxConfig of a Pod. Pure."""

from __future__ import annotations

from pilothouse.api import wellknown
from pilothouse.api.types.core_v1 import Pod
from pilothouse.kubelet.config import KubeletConfig
from pilothouse.kubelet.launch.naming import dns_config, fqdn_error, hostname
from pilothouse.kubelet.launch.resources import cgroup_path, milli_value_of, quota, shares
from pilothouse.kubelet.launch.security import sandbox_security
from pilothouse.kubelet.paths import Paths
from pilothouse.kubelet.pods.amounts import pod_limits, pod_requests
from pilothouse.kubelet.pods.identity import pod_labels
from pilothouse.kubelet.pods.spec import every_container
from pilothouse.kubelet.runtime.port import RuntimeFailure
from pilothouse.kubelet.runtime.sandboxes import DnsConfig, PortMapping, Resources, SandboxConfig


def sandbox_config(pod: Pod, attempt: int, config: KubeletConfig, host_dns: DnsConfig) -> SandboxConfig:
    """Configuration of the Pod's sandbox. `host_dns` is the node's resolv.conf."""
    name, _ = hostname(pod, config.hostname, config.cluster_domain)
    error = fqdn_error(pod, name)
    if error:
        raise RuntimeFailure(error, code="")
    paths = Paths(config.root_dir, config.pod_log_dir)
    annotations = {wellknown.CONFIG_SOURCE: "api", **pod.metadata.annotations}
    annotations.setdefault(wellknown.CONFIG_SEEN, pod.metadata.creationTimestamp)
    return SandboxConfig(
        name=pod.metadata.name,
        uid=pod.metadata.uid,
        namespace=pod.metadata.namespace,
        attempt=attempt,
        hostname="" if pod.spec.hostNetwork else name,
        log_directory=paths.pod_logs(pod),
        dns=dns_config(pod, host_dns, config.cluster_dns, config.cluster_domain),
        ports=_ports(pod),
        labels=pod_labels(pod),
        annotations=annotations,
        cgroup_parent=cgroup_path(pod, config.cgroup_root) if config.cgroups_per_qos else config.cgroup_root,
        security=sandbox_security(pod, seccomp_root=f"{config.root_dir}/seccomp"),
        sysctls=_sysctls(pod),
        resources=_resources(pod),
    )


def _ports(pod: Pod) -> list[PortMapping]:
    """Of containers and sidecars; a pod in the node's network maps nothing."""
    if pod.spec.hostNetwork:
        return []
    return [
        PortMapping(port.containerPort, port.hostPort or 0, port.protocol or "TCP", port.hostIP)
        for container in every_container(pod)
        for port in container.ports
    ]


def _sysctls(pod: Pod) -> dict[str, str]:
    context = pod.spec.securityContext
    return {sysctl.name.replace("/", "."): sysctl.value for sysctl in context.sysctls} if context is not None else {}


def _resources(pod: Pod) -> Resources:
    requests, limits = pod_requests(pod), pod_limits(pod)
    limited = all(milli_value_of(container.resources.limits, "cpu") for container in pod.spec.containers)
    return Resources(
        cpu_shares=shares(requests.get("cpu", 0)),
        cpu_quota=quota(limits.get("cpu", 0)) if limited else 0,
        cpu_period=100_000 if limited else 0,
        memory_limit=limits.get("memory", 0) if all("memory" in container.resources.limits for container in pod.spec.containers) else 0,
    )
