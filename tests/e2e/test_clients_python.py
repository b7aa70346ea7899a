"""Independent Python clients, as their users have them, against a simulated cluster in real time: no root, no containers.

kopf drives an operator on a built-in kind; lightkube, kr8s and kubernetes-asyncio write, list, watch, wait and apply.
"""

from __future__ import annotations

import asyncio
import importlib
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from pilothouse import API_LEVEL
from pilothouse.kit.clock import SystemClock
from pilothouse.testing.cluster import Cluster
from tests.e2e.tools import until

IMAGE = "registry.local/web:1"
PATIENCE_SECONDS = 180
DEPLOYMENT: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "namespace": "default"},
    "spec": {
        "replicas": 2,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": IMAGE}]}},
    },
}


def library(name: str) -> Any:
    """A client library; untyped here, since each has typing rules of its own."""
    return importlib.import_module(name)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Cluster(clock=SystemClock()) as one:
        yield one


@pytest.fixture
def kubeconfig(cluster: Cluster) -> str:
    return str(cluster.kubeconfig)


# lightkube


@pytest.fixture
def light(kubeconfig: str) -> Any:
    lightkube = library("lightkube")
    return lightkube.Client(config=lightkube.KubeConfig.from_file(kubeconfig), field_manager="light")


def test_lightkube_waits_for_a_deployment_and_scales_it(light: Any) -> None:
    apps, codecs = library("lightkube.resources.apps_v1"), library("lightkube.codecs")
    light.create(codecs.from_dict({**DEPLOYMENT, "metadata": {"name": "light", "namespace": "default"}}))
    seen = light.wait(apps.Deployment, "light", for_conditions=["Available"], namespace="default")
    assert seen.status.availableReplicas == 2
    scale = light.get(apps.Deployment.Scale, name="light")
    scale.spec.replicas = 1
    light.replace(scale, "light")
    assert light.get(apps.Deployment, "light").spec.replicas == 1
    light.delete(apps.Deployment, "light", cascade=library("lightkube.types").CascadeType.FOREGROUND)
    until("the Deployment and all its own are gone", lambda: not list(light.list(apps.ReplicaSet)))


def test_lightkube_applies_and_is_told_of_conflicts(light: Any) -> None:
    core, meta = library("lightkube.resources.core_v1"), library("lightkube.models.meta_v1")
    wanted = core.ConfigMap(metadata=meta.ObjectMeta(name="applied", namespace="default"), data={"a": "1"})
    assert light.apply(wanted).metadata.managedFields[0].manager == "light"
    wanted.data = {"a": "2"}
    with pytest.raises(library("lightkube").ApiError) as refused:
        light.apply(wanted, field_manager="other")
    assert refused.value.status.code == 409
    assert refused.value.status.message == 'Apply failed with 1 conflict: conflict with "light": .data.a'
    assert light.apply(wanted, field_manager="other", force=True).data == {"a": "2"}


def test_lightkube_patches_and_lists_by_selectors(light: Any) -> None:
    core, meta, types = library("lightkube.resources.core_v1"), library("lightkube.models.meta_v1"), library("lightkube.types")
    for name in ("one", "two"):
        metadata = meta.ObjectMeta(name=name, namespace="default", labels={"of": "light"})
        light.create(core.ConfigMap(metadata=metadata, data={"n": name}))
    light.patch(core.ConfigMap, "one", {"data": {"n": None, "m": "1"}}, patch_type=types.PatchType.MERGE)
    light.patch(core.ConfigMap, "one", [{"op": "add", "path": "/data/j", "value": "2"}], patch_type=types.PatchType.JSON)
    assert light.get(core.ConfigMap, "one").data == {"m": "1", "j": "2"}
    assert [one.metadata.name for one in light.list(core.ConfigMap, labels={"of": "light"}, chunk_size=1)] == ["one", "two"]
    assert [one.metadata.name for one in light.list(core.ConfigMap, fields={"metadata.name": "two"})] == ["two"]


# kr8s


def test_kr8s_creates_scales_and_waits(kubeconfig: str) -> None:
    kr8s, objects = library("kr8s"), library("kr8s.objects")
    api = kr8s.api(kubeconfig=kubeconfig)
    assert api.version()["minor"] == API_LEVEL.removeprefix("1.")
    deployment = objects.Deployment({**DEPLOYMENT, "metadata": {"name": "krates", "namespace": "default"}}, api=api)
    deployment.create()
    until("the Deployment is ready", deployment.ready)
    deployment.scale(3)
    until("three Pods", lambda: len(deployment.pods()) == 3)
    deployment.label({"tier": "front"})
    assert [one.name for one in api.get("deployments", label_selector="tier=front")] == ["krates"]
    assert next(iter(api.get("pods", label_selector="app=web"))).status.phase in ("Pending", "Running")
    deployment.delete(propagation_policy="Foreground")
    until("the Deployment is gone", lambda: not deployment.exists())


def test_kr8s_reads_logs_resources_and_errors(kubeconfig: str) -> None:
    kr8s, objects = library("kr8s"), library("kr8s.objects")
    api = kr8s.api(kubeconfig=kubeconfig)
    kinds = {one["kind"] for one in api.api_resources()}
    assert {"Pod", "Deployment", "Lease", "Event"} <= kinds
    with pytest.raises(kr8s.NotFoundError):
        objects.ConfigMap.get("nothing", api=api)
    assert api.whoami() == "kubernetes-admin"


# kubernetes-asyncio


@pytest.fixture
async def asynchronous(kubeconfig: str) -> AsyncIterator[Any]:
    config = library("kubernetes_asyncio.config")
    async with await config.new_client_from_config(kubeconfig) as client:
        yield client


async def test_kubernetes_asyncio_watches_what_it_writes(asynchronous: Any) -> None:
    core = library("kubernetes_asyncio.client").CoreV1Api(asynchronous)
    listed = await core.list_namespaced_config_map("default")
    seen: list[tuple[str, str]] = []

    async def look() -> None:
        watch = library("kubernetes_asyncio.watch").Watch()
        revision = listed.metadata.resource_version
        async with watch.stream(core.list_namespaced_config_map, "default", resource_version=revision) as events:
            async for event in events:
                seen.append((event["type"], event["object"].metadata.name))
                if event["type"] == "DELETED":
                    return

    async with asyncio.timeout(PATIENCE_SECONDS), asyncio.TaskGroup() as group:
        group.create_task(look())
        await core.create_namespaced_config_map("default", {"metadata": {"name": "watched"}, "data": {"a": "1"}})
        await core.patch_namespaced_config_map("watched", "default", {"data": {"a": "2"}})
        await core.delete_namespaced_config_map("watched", "default")
    assert seen == [("ADDED", "watched"), ("MODIFIED", "watched"), ("DELETED", "watched")]


async def test_kubernetes_asyncio_runs_a_job(asynchronous: Any, cluster: Cluster) -> None:
    for runtime in cluster.runtimes.values():
        runtime.behave("registry.local/once:1", library("pilothouse.kubelet.runtime.simulated").Behaviour(run_seconds=0.1))
    batch = library("kubernetes_asyncio.client").BatchV1Api(asynchronous)
    pod = {"restartPolicy": "Never", "containers": [{"name": "once", "image": "registry.local/once:1"}]}
    await batch.create_namespaced_job("default", {"metadata": {"name": "once"}, "spec": {"template": {"spec": pod}}})
    async with asyncio.timeout(PATIENCE_SECONDS):
        watch = library("kubernetes_asyncio.watch").Watch()
        async with watch.stream(batch.list_namespaced_job, "default") as events:
            async for event in events:
                if event["object"].status.succeeded:
                    break
    gone = await batch.delete_namespaced_job("once", "default", propagation_policy="Background")
    assert gone.status == "Success"


# kopf


def test_a_kopf_operator_keeps_what_it_promises(kubeconfig: str, monkeypatch: pytest.MonkeyPatch, light: Any) -> None:
    """It labels each ConfigMap that asks for it, holds its deletion until it has cleaned up, and remembers in annotations."""
    monkeypatch.setenv("KUBECONFIG", kubeconfig)
    kopf = library("kopf")
    registry, cleaned = kopf.OperatorRegistry(), []

    @kopf.on.login(registry=registry)
    def login(**facts: Any) -> Any:
        return kopf.login_with_kubeconfig(**facts)

    @kopf.on.create("configmaps", labels={"operated": "yes"}, registry=registry)
    def made(patch: Any, name: str, **_: Any) -> dict[str, str]:
        patch.metadata.labels["done"] = "yes"
        return {"made": name}

    @kopf.on.update("configmaps", labels={"operated": "yes"}, field="data.size", registry=registry)
    def grown(new: str, patch: Any, **_: Any) -> None:
        patch.metadata.annotations["size"] = new

    @kopf.on.delete("configmaps", labels={"operated": "yes"}, registry=registry)
    def clean(name: str, **_: Any) -> None:
        cleaned.append(name)

    with Operating(kopf, registry):
        core, meta = library("lightkube.resources.core_v1"), library("lightkube.models.meta_v1")
        metadata = meta.ObjectMeta(name="asked", namespace="default", labels={"operated": "yes"})
        light.create(core.ConfigMap(metadata=metadata, data={"size": "1"}))
        until("the operator has labelled it", lambda: light.get(core.ConfigMap, "asked").metadata.labels.get("done") == "yes")
        assert light.get(core.ConfigMap, "asked").metadata.finalizers == ["kopf.zalando.org/KopfFinalizerMarker"]
        light.patch(core.ConfigMap, "asked", {"data": {"size": "2"}})
        until("it has seen the change", lambda: light.get(core.ConfigMap, "asked").metadata.annotations.get("size") == "2")
        light.delete(core.ConfigMap, "asked")
        until("it has cleaned up", lambda: "asked" not in [one.metadata.name for one in light.list(core.ConfigMap)])
    assert cleaned == ["asked"]


class Operating:
    """An operator that runs in a thread of its own while the block lasts."""

    def __init__(self, kopf: Any, registry: Any) -> None:
        self._ready, self._stop = threading.Event(), threading.Event()
        options = {"registry": registry, "namespaces": ["default"], "standalone": True}
        run = lambda: asyncio.run(kopf.operator(ready_flag=self._ready, stop_flag=self._stop, **options))  # noqa: E731
        self._thread = threading.Thread(target=run, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()
        assert self._ready.wait(PATIENCE_SECONDS), "the operator does not start"

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(PATIENCE_SECONDS)
        assert not self._thread.is_alive(), "the operator does not end"
