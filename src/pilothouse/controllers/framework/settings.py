"""The settings of all controllers; names and defaults are those of kube-controller-manager's flags, seconds where it has durations."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of the controllers, one field a flag."""

    root_ca: str = ""
    """The PEM text that `kube-root-ca.crt` publishes; nothing is published when it is empty."""
    node_monitor_grace_period_seconds: float = 50.0
    node_startup_grace_period_seconds: float = 60.0
    node_eviction_rate: float = 0.1
    secondary_node_eviction_rate: float = 0.01
    unhealthy_zone_threshold: float = 0.55
    large_cluster_size_threshold: int = 50
    terminated_pod_gc_threshold: int = 12500
    allocate_node_cidrs: bool = True
    cluster_cidr: str = ""
    """The range of the Pods; nodes get no podCIDR when it is empty."""
    node_cidr_mask_size: int = 24
    endpoint_slice_limit: int = 100
    """--max-endpoints-per-slice"""
    service_account_private_key_file: str = ""
    """The key that signs the tokens of Secrets; without it they are asked of the API server, and have an end."""
    legacy_service_account_token_clean_up_period_seconds: float = 365 * 24 * 3600.0
    cluster_signing_cert_file: str = ""
    """The authority that signs approved certificate requests; nothing is signed when it is empty."""
    cluster_signing_key_file: str = ""
    cluster_signing_duration_seconds: float = 365 * 24 * 3600.0
