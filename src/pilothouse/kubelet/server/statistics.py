"""/stats/summary, from what the runtime measures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from pilothouse.api.types.core_v1 import Pod
from pilothouse.kubelet.runtime.port import ContainerStats
from pilothouse.machinery import time

POD_UID = "io.kubernetes.pod.uid"


def summary(node_name: str, pods: Iterable[Pod], stats: Sequence[ContainerStats], now: datetime) -> dict[str, Any]:
    """The stats API's Summary: usage of the node (the sum of its pods), of each pod and each container."""
    by_pod: dict[str, list[ContainerStats]] = defaultdict(list)
    for one in stats:
        by_pod[one.container.labels.get(POD_UID, "")].append(one)
    shown = [_pod(pod, by_pod[pod.metadata.uid]) for pod in pods if by_pod.get(pod.metadata.uid)]
    return {"node": {"nodeName": node_name, "systemContainers": [], **_usage(stats, now)}, "pods": shown}


def _pod(pod: Pod, stats: Sequence[ContainerStats]) -> dict[str, Any]:
    meta = pod.metadata
    newest = datetime.fromtimestamp(max(one.timestamp for one in stats), UTC)
    return {
        "podRef": {"name": meta.name, "namespace": meta.namespace, "uid": meta.uid},
        "startTime": pod.status.startTime or None,
        "containers": [_container(one) for one in stats],
        **_usage(stats, newest),
    }


def _container(stats: ContainerStats) -> dict[str, Any]:
    at = time.text(datetime.fromtimestamp(stats.timestamp, UTC))
    return {
        "name": stats.container.name,
        "startTime": time.text(datetime.fromtimestamp(stats.container.created_at, UTC)),
        "cpu": {"time": at, "usageCoreNanoSeconds": stats.cpu_usage_nanoseconds},
        "memory": {
            "time": at,
            "workingSetBytes": stats.memory_working_set,
            "usageBytes": stats.memory_usage,
            "rssBytes": stats.memory_rss,
        },
        "rootfs": {"time": at, "usedBytes": stats.filesystem_used, "inodesUsed": stats.filesystem_inodes},
    }


def _usage(stats: Sequence[ContainerStats], at: datetime) -> dict[str, Any]:
    return {
        "cpu": {"time": time.text(at), "usageCoreNanoSeconds": sum(one.cpu_usage_nanoseconds for one in stats)},
        "memory": {
            "time": time.text(at),
            "workingSetBytes": sum(one.memory_working_set for one in stats),
            "usageBytes": sum(one.memory_usage for one in stats),
            "rssBytes": sum(one.memory_rss for one in stats),
        },
    }
