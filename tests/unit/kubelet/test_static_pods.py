"""Static pods: run from manifests, shown by mirrors."""

from __future__ import annotations

from pilothouse.api.types.core_v1 import Pod
from pilothouse.client.call import Options
from tests.unit.kubelet.harness import Node, node

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
