"""/configz: the kubelet's configuration under the names of upstream's KubeletConfiguration. Pure."""

from __future__ import annotations

from typing import Any

from pilothouse.kubelet.config import KubeletConfig
from pilothouse.kubelet.launch.fields import go_duration
from pilothouse.kubelet.launch.resources import CPU_PERIOD_MICROSECONDS
from pilothouse.kubelet.logs import FILES_KEPT, LARGEST_BYTES
from pilothouse.kubelet.pods.backoff import LONGEST_SECONDS
from pilothouse.kubelet.staticpods import CHECK_SECONDS


def configz(config: KubeletConfig, address: str) -> dict[str, Any]:
    """The configuration; `address` is where the server listens."""
    return {"kubeletconfig": {**_server(config, address), **_node(config), **_pods(config), **_housekeeping(config)}}


def _server(config: KubeletConfig, address: str) -> dict[str, Any]:
    return {
        "enableServer": True,
        "address": address,
        "port": config.port,
        "authentication": {"x509": {}, "webhook": {"enabled": False}, "anonymous": {"enabled": False}},
        "streamingConnectionIdleTimeout": go_duration(config.streaming_idle_seconds),
    }


def _node(config: KubeletConfig) -> dict[str, Any]:
    return {
        "registerNode": config.register_node,
        "registerWithTaints": list(config.register_with_taints),
        "nodeStatusUpdateFrequency": go_duration(config.status_update_seconds),
        "nodeStatusReportFrequency": go_duration(config.status_report_seconds),
        "nodeLeaseDurationSeconds": config.lease_duration_seconds,
        "providerID": config.provider_id,
        "maxPods": config.max_pods,
        "systemReserved": dict(config.system_reserved),
        "cgroupRoot": config.cgroup_root or "/",
        "cgroupDriver": "cgroupfs",
        "cgroupsPerQOS": config.cgroups_per_qos,
    }


def _pods(config: KubeletConfig) -> dict[str, Any]:
    return {
        "clusterDomain": config.cluster_domain,
        "clusterDNS": list(config.cluster_dns),
        "resolvConf": config.resolv_conf,
        "podCIDR": config.pod_cidr,
        "podPidsLimit": config.pod_pids_limit,
        "podLogsDir": config.pod_log_dir,
        "staticPodPath": config.static_pod_path,
        "fileCheckFrequency": go_duration(CHECK_SECONDS),
        "syncFrequency": go_duration(config.volume_resync_seconds),
        "cpuCFSQuota": config.cpu_cfs_quota,
        "cpuCFSQuotaPeriod": go_duration(CPU_PERIOD_MICROSECONDS / 1_000_000),
        "crashLoopBackOff": {"maxContainerRestartPeriod": go_duration(LONGEST_SECONDS)},
        "seccompDefault": config.seccomp_default,
    }


def _housekeeping(config: KubeletConfig) -> dict[str, Any]:
    return {
        "serializeImagePulls": config.serialize_image_pulls,
        "imageMinimumGCAge": go_duration(config.image_minimum_gc_age_seconds),
        "imageGCHighThresholdPercent": config.image_gc_high_percent,
        "imageGCLowThresholdPercent": config.image_gc_low_percent,
        "evictionHard": dict(config.eviction_hard),
        "evictionPressureTransitionPeriod": go_duration(config.eviction_pressure_transition_seconds),
        "containerLogMaxSize": f"{LARGEST_BYTES >> 20}Mi",
        "containerLogMaxFiles": FILES_KEPT,
        "containerLogMonitorInterval": go_duration(config.log_rotation_seconds),
    }
