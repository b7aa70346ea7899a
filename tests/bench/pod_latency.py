"""From the POST of a one-container Pod to Running, beside the bare CRI calls for the same Pod in the same run."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from kubernetes import client, config, watch

from pilothouse.cluster.state import Places
from pilothouse.kit.clock import SystemClock
from pilothouse.kubelet.runtime.containers import ContainerConfig
from pilothouse.kubelet.runtime.cri import CriRuntime
from pilothouse.kubelet.runtime.sandboxes import SandboxConfig
from tests.bench.figure import p50, report

NAME = "bench-pods"
IMAGE = "pilothouse.local/busybox:1"
COMMAND = ["sleep", "3600"]
ROUNDS = 15


def pilothouse(kubeconfig: Path, *arguments: str) -> None:
    command = [sys.executable, "-m", "pilothouse", *arguments, "--name", NAME]
    subprocess.run(command, env={**os.environ, "KUBECONFIG": str(kubeconfig)}, capture_output=True, check=True)


@contextlib.contextmanager
def cluster() -> Iterator[client.CoreV1Api]:
    with tempfile.TemporaryDirectory() as folder:
        kubeconfig = Path(folder) / "kubeconfig"
        pilothouse(kubeconfig, "down", "--purge")
        pilothouse(kubeconfig, "up", "--no-egress")
        try:
            yield client.CoreV1Api(config.new_client_from_config(str(kubeconfig)))
        finally:
            pilothouse(kubeconfig, "down", "--purge")


def through_the_api(api: client.CoreV1Api, name: str) -> float:
    """Seconds from the POST to the event that says Running."""
    container = {"name": "c", "image": IMAGE, "command": COMMAND}
    body = {"metadata": {"name": name}, "spec": {"terminationGracePeriodSeconds": 0, "containers": [container]}}
    since = time.perf_counter()
    made = api.create_namespaced_pod("default", body)
    selected = {"field_selector": f"metadata.name={name}", "resource_version": made.metadata.resource_version}
    for event in watch.Watch().stream(api.list_namespaced_pod, "default", timeout_seconds=30, **selected):
        if event["object"].status.phase == "Running":
            return time.perf_counter() - since
    raise TimeoutError(f"{name} does not run")


async def through_cri(runtime: CriRuntime, name: str, logs: Path) -> float:
    """Seconds of the calls that start the same container in a sandbox of its own; then both are removed."""
    sandbox = SandboxConfig(name=name, uid=name, namespace="bench", log_directory=str(logs), hostname=name)
    container = ContainerConfig(name="c", image=IMAGE, command=COMMAND, log_path="c.log")
    since = time.perf_counter()
    sandbox_id = await runtime.run_pod_sandbox(sandbox)
    container_id = await runtime.create_container(sandbox_id, container, sandbox)
    await runtime.start_container(container_id)
    seconds = time.perf_counter() - since
    await runtime.stop_container(container_id, 0)
    await runtime.stop_pod_sandbox(sandbox_id)
    await runtime.remove_pod_sandbox(sandbox_id)
    return seconds


async def measure(api: client.CoreV1Api) -> tuple[list[float], list[float]]:
    """Both ways in turn; each Pod is gone before the next begins."""
    runtime = CriRuntime(str(Places(NAME, Path("/")).containerd.socket), SystemClock())
    with tempfile.TemporaryDirectory() as logs:
        bare, whole = [], []
        for number in range(ROUNDS):
            bare.append(await through_cri(runtime, f"bare-{number}", Path(logs)))
            name = f"pod-{number}"
            whole.append(await asyncio.to_thread(through_the_api, api, name))
            api.delete_namespaced_pod(name, "default", grace_period_seconds=0)
            await asyncio.sleep(0.5)
    await runtime.close()
    return bare, whole


def main() -> None:
    with cluster() as api:
        bare, whole = asyncio.run(measure(api))
    report("pod_bare_cri_p50", 1000 * p50(bare[1:]), "ms")
    report("pod_running_p50", 1000 * p50(whole[1:]), "ms")
    report("pod_running_over_bare_cri", p50(whole[1:]) / p50(bare[1:]), "ratio", at_most=1.4)


if __name__ == "__main__":
    main()
