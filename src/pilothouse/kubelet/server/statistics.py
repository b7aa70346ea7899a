"""/stats/summary. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from pilothouse.api.types.core_v1 import Pod
from pilothouse.kubelet.runtime.containers import ContainerStats
from pilothouse.kubelet.server.exposition import NANOSECONDS, Measured, running, started_seconds
from pilothouse.kubelet.server.node_stats import NodeStats
from pilothouse.machinery import time


def summary(node_name: str, pods: Iterable[Pod], stats: Sequence[ContainerStats], node_stats: NodeStats, now: datetime) -> dict[str, Any]:
    """Summary of the stats API: usage of the node, and of each running Pod and container."""
    by_pod: dict[str, list[Measured]] = defaultdict(list)
    for measured in running(pods, stats):
        by_pod[measured.pod.metadata.uid].append(measured)
    return {"node": _node(node_name, node_stats, now), "pods": [_pod(containers) for containers in by_pod.values()]}


def _node(name: str, node_stats: NodeStats, now: datetime) -> dict[str, Any]:
    at, machine, load, disk = time.text(now), node_stats.machine, node_stats.load, node_stats.disk
    used = machine.memory - load.memory_available
    return {
        "nodeName": name,
        "systemContainers": [],
        "cpu": {"time": at, "usageCoreNanoSeconds": int(load.cpu_seconds * NANOSECONDS)},
        "memory": {"time": at, "availableBytes": load.memory_available, "usageBytes": used, "workingSetBytes": used},
        "fs": {
            "time": at,
            "availableBytes": disk.available,
            "capacityBytes": disk.capacity,
            "usedBytes": disk.capacity - disk.available,
            "inodesFree": disk.inodes_free,
            "inodes": disk.inodes,
            "inodesUsed": disk.inodes - disk.inodes_free,
        },
        "rlimit": {"time": at, "maxpid": load.processes_limit, "curproc": load.processes},
    }


def _pod(containers: Sequence[Measured]) -> dict[str, Any]:
    pod, stats = containers[0].pod, [measured.stats for measured in containers]
    meta = pod.metadata
    return {
        "podRef": {"name": meta.name, "namespace": meta.namespace, "uid": meta.uid},
        "startTime": pod.status.startTime or None,
        "containers": [_container(measured) for measured in containers],
        **_usage(stats),
    }


def _container(measured: Measured) -> dict[str, Any]:
    stats, at = measured.stats, _text(measured.stats.timestamp)
    return {
        "name": measured.status.name,
        "startTime": _text(started_seconds(measured)),
        **_usage([stats]),
        "rootfs": {"time": at, "usedBytes": stats.filesystem_used, "inodesUsed": stats.filesystem_inodes},
    }


def _usage(stats: Sequence[ContainerStats]) -> dict[str, Any]:
    at = _text(max(usage.timestamp for usage in stats))
    return {
        "cpu": {"time": at, "usageCoreNanoSeconds": sum(usage.cpu_usage_nanoseconds for usage in stats)},
        "memory": {
            "time": at,
            "workingSetBytes": sum(usage.memory_working_set for usage in stats),
            "usageBytes": sum(usage.memory_usage for usage in stats),
            "rssBytes": sum(usage.memory_rss for usage in stats),
        },
    }


def _text(seconds: float) -> str:
    return time.text(datetime.fromtimestamp(seconds, UTC))
