"""Configuration of a kubelet, with the names and defaults of upstream's KubeletConfiguration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pilothouse import KUBERNETES_VERSION
from pilothouse.api.types.core_v1 import Taint


@dataclass(slots=True)
class KubeletConfig:
    """Configuration of a kubelet. Directories are absolute, durations in seconds."""

    root_dir: str = "/var/lib/kubelet"
    pod_log_dir: str = "/var/log/pods"
    node_ip: str = ""
    node_ips: tuple[str, ...] = ()
    """All addresses of the node, the primary one first; defaults to `node_ip` alone."""
    hostname: str = ""
    cluster_dns: tuple[str, ...] = ()
    cluster_domain: str = "cluster.local"
    resolv_conf: str = "/etc/resolv.conf"
    pod_cidr: str = ""
    """Given when the node's range is not taken from `spec.podCIDR`."""
    static_pod_path: str = ""
    register_node: bool = True
    register_with_taints: tuple[Taint, ...] = ()
    node_labels: Mapping[str, str] = field(default_factory=dict)
    node_annotations: Mapping[str, str] = field(default_factory=dict)
    provider_id: str = ""
    port: int = 10250
    """Where the kubelet's own server answers; told in the node's status."""
    kubernetes_version: str = KUBERNETES_VERSION
    """Told in the node's status."""
    lease_duration_seconds: int = 40
    lease_renew_seconds: float = 10.0
    status_update_seconds: float = 10.0
    status_report_seconds: float = 300.0
    max_pods: int = 110
    pod_pids_limit: int = -1
    capacity: Mapping[str, str] = field(default_factory=dict)
    """Overrides of what the machine has, as `{"cpu": "4"}`: simulated nodes are made so."""
    system_reserved: Mapping[str, str] = field(default_factory=dict)
    cgroup_root: str = ""
    """Cgroup under which `kubepods` is made: "" is the root; clusters side by side have one each."""
    cgroups_per_qos: bool = True
    cpu_cfs_quota: bool = True
    serialize_image_pulls: bool = True
    image_gc_high_percent: int = 85
    image_gc_low_percent: int = 80
    image_minimum_gc_age_seconds: float = 120.0
    image_gc_period_seconds: float = 300.0
    kept_image_prefixes: tuple[str, ...] = ("pilothouse.local/",)
    """Images that no registry has, and that are never taken away therefore."""
    eviction_hard: Mapping[str, str] = field(
        default_factory=lambda: {"memory.available": "100Mi", "nodefs.available": "1Gi", "nodefs.inodesFree": "1%"}
    )
    """Upstream asks for 10 to 15 % of the disk; on a developer's machine a well filled disk is no reason to evict everything."""
    eviction_soft: Mapping[str, str] = field(default_factory=dict)
    eviction_soft_grace_seconds: Mapping[str, float] = field(default_factory=dict)
    """How long a soft threshold must be crossed before pods are evicted for it."""
    eviction_minimum_reclaim: Mapping[str, str] = field(default_factory=dict)
    eviction_max_pod_grace_seconds: int = 0
    """The longest grace period of pods that a soft threshold evicts."""
    eviction_period_seconds: float = 10.0
    eviction_pressure_transition_seconds: float = 300.0
    log_rotation_seconds: float = 10.0
    volume_resync_seconds: float = 60.0
    relist_seconds: float = 10.0
    """How often all that the runtime has is looked at, for what no event told."""
    seccomp_default: bool = False
    streaming_idle_seconds: float = 4 * 3600.0

    @property
    def host_ips(self) -> tuple[str, ...]:
        """Addresses of the node, one of each IP family; the first is the primary one."""
        return self.node_ips or ((self.node_ip,) if self.node_ip else ())
