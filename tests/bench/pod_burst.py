"""Fifty Pods at once beside the bare CRI calls for the same fifty, and single Pods while fifty others are being removed.

pods50_over_bare_cri      all Running, over the bare calls with the best concurrency of those tried
pods50_first_of_whole     when the first runs, as a part of the whole
pods50_median_of_whole    when half of them run
pod_tail_while_removing   the slowest single Pod beside fifty removals, over the median of undisturbed ones
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from kubernetes import client, watch

from pilothouse.cluster.state import Places
from pilothouse.kit.clock import SystemClock
from pilothouse.kubelet.runtime.containers import ContainerConfig
from pilothouse.kubelet.runtime.cri import CriRuntime
from pilothouse.kubelet.runtime.sandboxes import SandboxConfig
from tests.bench.figure import p50, report
from tests.bench.pod_latency import COMMAND, IMAGE, NAME, cluster, through_the_api

PODS = 50
CONCURRENCIES = (4, 10)
ROUNDS = 2
REMOVALS = 2
NAMESPACE = "default"


async def bare(runtime: CriRuntime, number: int, concurrency: int, logs: str) -> float:
    """Seconds until `number` bare containers run, each in a sandbox of its own; then all are removed."""
    slots = asyncio.Semaphore(concurrency)
    sandboxes: list[str] = []

    async def start(name: str) -> None:
        sandbox = SandboxConfig(name=name, uid=name, namespace="bench", log_directory=logs, hostname=name)
        container = ContainerConfig(name="c", image=IMAGE, command=COMMAND, log_path=f"{name}.log")
        async with slots:
            sandboxes.append(await runtime.run_pod_sandbox(sandbox))
            await runtime.start_container(await runtime.create_container(sandboxes[-1], container, sandbox))

    since = time.perf_counter()
    await asyncio.gather(*(start(f"bare-{concurrency}-{index}-{since}") for index in range(number)))
    seconds = time.perf_counter() - since
    for sandbox_id in sandboxes:
        await runtime.remove_pod_sandbox(sandbox_id)
    return seconds


def pod(name: str) -> dict[str, object]:
    container = {"name": "c", "image": IMAGE, "command": COMMAND}
    spec = {"terminationGracePeriodSeconds": 1, "automountServiceAccountToken": True, "containers": [container]}
    return {"metadata": {"name": name, "labels": {"of": "burst"}}, "spec": spec}


def at_once(api: client.CoreV1Api, prefix: str) -> list[float]:
    """Seconds from the first POST until each of the Pods runs, in order."""
    version = api.list_namespaced_pod(NAMESPACE).metadata.resource_version
    since = time.perf_counter()
    with ThreadPoolExecutor(8) as threads:
        made = [threads.submit(api.create_namespaced_pod, NAMESPACE, pod(f"{prefix}-{index}")) for index in range(PODS)]
        times: dict[str, float] = {}
        selected = {"label_selector": "of=burst", "resource_version": version}
        for event in watch.Watch().stream(api.list_namespaced_pod, NAMESPACE, timeout_seconds=90, **selected):
            seen = event["object"]
            if seen.status.phase == "Running":
                times.setdefault(seen.metadata.name, time.perf_counter() - since)
            if len(times) == PODS:
                break
        for one in made:
            one.result()
    assert len(times) == PODS, f"only {len(times)} of {PODS} run"
    return sorted(times.values())


def remove_all(api: client.CoreV1Api, *, wait: bool) -> None:
    api.delete_collection_namespaced_pod(NAMESPACE, label_selector="of=burst")
    while wait and left(api):
        time.sleep(0.2)


def left(api: client.CoreV1Api) -> int:
    return len(api.list_namespaced_pod(NAMESPACE, label_selector="of=burst").items)


def singles(api: client.CoreV1Api, prefix: str, while_removing: bool) -> list[float]:
    """Seconds of single Pods one after the other: eight, or as many as fit beside the removal of those that are there."""
    found: list[float] = []
    while len(found) < 8 or (while_removing and left(api)):
        name = f"{prefix}-{len(found)}"
        found.append(through_the_api(api, name))
        api.delete_namespaced_pod(name, NAMESPACE, grace_period_seconds=0)
        if not while_removing:
            time.sleep(0.5)
    return found


async def bare_best(logs: str) -> float:
    runtime = CriRuntime(str(Places(NAME, Path("/")).containerd.socket), SystemClock())
    try:
        return min([await bare(runtime, PODS, concurrency, logs) for concurrency in CONCURRENCIES])
    finally:
        await runtime.close()


def main() -> None:
    ratios, firsts, medians, wholes, quiet, beside = [], [], [], [], [], []
    with cluster() as api, tempfile.TemporaryDirectory() as logs:
        singles(api, "warm", while_removing=False)
        for number in range(ROUNDS):
            best = asyncio.run(bare_best(logs))
            times = at_once(api, f"burst-{number}")
            remove_all(api, wait=True)
            wholes.append(times[-1])
            ratios.append(times[-1] / best)
            firsts.append(times[0] / times[-1])
            medians.append(p50(times) / times[-1])
        for number in range(REMOVALS):
            quiet += singles(api, f"quiet-{number}", while_removing=False)
            at_once(api, f"removed-{number}")
            remove_all(api, wait=False)
            beside += singles(api, f"beside-{number}", while_removing=True)
    report("pods50_running", 1000 * p50(wholes), "ms")
    report("pods50_over_bare_cri", p50(ratios), "ratio", at_most=1.2)
    report("pods50_first_of_whole", p50(firsts), "ratio", at_most=0.3)
    report("pods50_median_of_whole", p50(medians), "ratio", at_most=0.7)
    report("pod_quiet_p50", 1000 * p50(quiet), "ms")
    report("pod_quiet_max", 1000 * max(quiet), "ms")
    report("pod_while_removing_p50", 1000 * p50(beside), "ms")
    report("pod_while_removing_max", 1000 * max(beside), "ms")
    report("pod_tail_while_removing", max(beside) / p50(quiet), "ratio", at_most=3.0)


if __name__ == "__main__":
    main()
