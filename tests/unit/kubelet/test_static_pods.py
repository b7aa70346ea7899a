"""Static pods: run from manifests, shown by mirrors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import yaml

from pilothouse.api.types.core_v1 import Container, Pod, ResourceRequirements
from pilothouse.client.call import Options
from pilothouse.kubelet.staticmanifest import read_pod
from pilothouse.machinery.errors import StatusError
from tests.unit.kubelet.harness import Node, a_pod, node

MANIFEST = b"""
apiVersion: v1
kind: Pod
metadata: {name: proxy}
spec:
  containers:
  - {name: app, image: "app:1"}
"""


async def the_mirror(one: Node) -> Pod:
    return await one.pod("proxy-node-0")


async def test_a_manifest_is_run_and_shown() -> None:
    async with node() as one:
        one.host.files["/manifests/proxy.yaml"] = MANIFEST
        await one.advance(25)
        mirror = await the_mirror(one)
        assert mirror.status.phase == "Running"
        assert mirror.metadata.annotations["kubernetes.io/config.source"] == "file"
        assert mirror.metadata.annotations["kubernetes.io/config.mirror"] == mirror.metadata.annotations["kubernetes.io/config.hash"]
        assert mirror.metadata.ownerReferences[0].kind == "Node"
        assert len(one.runtime.containers) == 1


async def test_a_mirror_that_is_deleted_comes_back_and_the_pod_runs_on() -> None:
    async with node() as one:
        one.host.files["/manifests/proxy.yaml"] = MANIFEST
        await one.advance(25)
        before = await the_mirror(one)
        ids = set(one.runtime.containers)
        await one.client.delete(Pod, "proxy-node-0", "default", options=Options(grace_period_seconds=0))
        await one.advance(25)
        after = await the_mirror(one)
        assert after.metadata.uid != before.metadata.uid
        assert after.status.phase == "Running"
        assert set(one.runtime.containers) == ids


async def test_changes_of_the_folder_and_of_mirrors_are_seen_soon() -> None:
    async with node() as one:
        await one.advance(5)
        one.host.files["/manifests/proxy.yaml"] = MANIFEST
        await one.advance(4)
        assert (await the_mirror(one)).status.phase == "Running"
        await one.client.delete(Pod, "proxy-node-0", "default")
        await one.advance(4)
        assert (await the_mirror(one)).status.phase == "Running"
        del one.host.files["/manifests/proxy.yaml"]
        await one.advance(4)
        assert await one.pods() == []


async def test_a_changed_manifest_is_another_pod() -> None:
    async with node() as one:
        one.host.files["/manifests/proxy.yaml"] = MANIFEST
        await one.advance(25)
        one.host.files["/manifests/proxy.yaml"] = MANIFEST.replace(b"app:1", b"app:2")
        await one.advance(60)
        mirror = await the_mirror(one)
        assert mirror.spec.containers[0].image == "app:2"
        assert mirror.status.phase == "Running"
        assert len(one.runtime.sandboxes) == 1


async def test_a_manifest_that_goes_takes_pod_and_mirror_with_it() -> None:
    async with node() as one:
        one.host.files["/manifests/proxy.yaml"] = MANIFEST
        await one.advance(25)
        del one.host.files["/manifests/proxy.yaml"]
        await one.advance(60)
        assert await one.pods() == []
        assert one.runtime.sandboxes == {}


async def test_a_restarted_kubelet_goes_on_with_its_static_pods() -> None:
    async with node() as one:
        one.host.files["/manifests/proxy.yaml"] = MANIFEST
        await one.advance(25)
        ids = set(one.runtime.containers)
        await one.restart()
        await one.advance(30)
        assert set(one.runtime.containers) == ids
        assert (await the_mirror(one)).status.phase == "Running"


async def test_what_a_static_pod_came_to_is_shown_after_all_of_it_was_started_anew() -> None:
    async with node() as one:
        one.host.files["/manifests/proxy.yaml"] = MANIFEST
        await one.advance(25)
        before = (await the_mirror(one)).status
        await one.stop()
        for sandbox in [*one.runtime.sandboxes]:
            await one.runtime.stop_pod_sandbox(sandbox)
        one.kubelet = one.make()
        await one.start()
        await one.advance(30)
        after = (await the_mirror(one)).status
        assert after.startTime == before.startTime
        assert [one.restartCount for one in after.containerStatuses] == [1]
        assert [one.ip for one in after.podIPs] == [after.podIP] != [before.podIP]


async def test_a_broken_manifest_harms_nobody() -> None:
    async with node() as one:
        one.host.files["/manifests/bad.yaml"] = b"kind: [broken"
        one.host.files["/manifests/proxy.yaml"] = MANIFEST
        await one.advance(25)
        assert (await the_mirror(one)).status.phase == "Running"


async def test_a_static_pod_runs_without_an_api_and_is_shown_once_there_is_one() -> None:
    async with node() as one:
        await one.stop()
        one.line.cut = True
        one.kubelet = one.make()
        one.host.files["/manifests/proxy.yaml"] = MANIFEST
        await one.start()
        await one.advance(5)
        assert [container.config.name for container in one.runtime.containers.values()] == ["app"]
        known = next(iter(one.kubelet.known_pods()))
        assert (known.metadata.name, known.status.phase) == ("proxy-node-0", "Running")
        ids = set(one.runtime.containers)
        one.line.cut = False
        await one.advance(20)
        assert (await the_mirror(one)).status.phase == "Running"
        assert set(one.runtime.containers) == ids


async def test_what_others_left_is_not_ended_before_the_api_has_said_what_is_its_own() -> None:
    async with node() as one:
        await one.run(a_pod())
        await one.stop()
        one.line.cut = True
        one.kubelet = one.make()
        await one.start()
        await one.advance(60)
        assert [container.status.container.state.name for container in one.runtime.containers.values()] == ["RUNNING"]
        one.line.cut = False
        await one.advance(20)
        assert (await one.pod("web")).status.containerStatuses[0].restartCount == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(lambda pod: pod["metadata"].pop("name"), "name is needed for the pod", id="no name"),
        pytest.param(lambda pod: pod["metadata"].update(name="Not_A_Name"), "metadata.name: Invalid value", id="a bad name"),
        pytest.param(lambda pod: pod["spec"].update(containers=[]), "spec.containers: Required value", id="no containers"),
        pytest.param(lambda pod: pod["spec"].update(serviceAccountName="x"), "may not reference serviceaccounts", id="an account"),
        pytest.param(lambda pod: pod["spec"].update(imagePullSecrets=[{"name": "x"}]), "may not reference secrets", id="a pull secret"),
        pytest.param(
            lambda pod: pod["spec"]["containers"][0].update(envFrom=[{"configMapRef": {"name": "x"}}]),
            "may not reference configmaps",
            id="an environment",
        ),
        pytest.param(
            lambda pod: pod["spec"].update(volumes=[{"name": "v", "secret": {"secretName": "x"}}]),
            r"may not reference secrets \(via secret volumes\)",
            id="a volume",
        ),
        pytest.param(
            lambda pod: pod["spec"].update(volumes=[{"name": "v", "projected": {"sources": [{"configMap": {"name": "x"}}]}}]),
            r"may not reference configmaps \(via projected volumes\)",
            id="a projected volume",
        ),
    ],
)
def test_a_manifest_is_validated_as_pods_are(change: Callable[[dict[str, Any]], object], message: str) -> None:
    pod = yaml.safe_load(MANIFEST)
    change(pod)
    with pytest.raises(StatusError, match=message):
        read_pod(yaml.safe_dump(pod).encode(), "node-0", "2026-01-01T00:00:00Z")


def test_a_manifest_is_defaulted_as_pods_are() -> None:
    pod = read_pod(MANIFEST, "node-0", "2026-01-01T00:00:00Z")
    assert (pod.spec.restartPolicy, pod.spec.dnsPolicy, pod.spec.containers[0].imagePullPolicy) == (
        "Always",
        "ClusterFirst",
        "IfNotPresent",
    )


async def test_a_pod_of_the_api_is_not_static_whatever_it_says() -> None:
    async with node() as one:
        pod = a_pod("web", Container(name="app", image="app:1", resources=ResourceRequirements(requests={"cpu": "900"})))
        pod.metadata.annotations = {"kubernetes.io/config.source": "file"}
        assert (await one.run(pod)).status.reason == "OutOfcpu"
