"""Kinds of volumes over a machine in memory: what they make, what they refuse, when they ask for new tokens."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from pilothouse.api.types.authentication_v1 import TokenRequest, TokenRequestStatus
from pilothouse.api.types.core_v1 import (
    ConfigMap,
    ConfigMapProjection,
    ConfigMapVolumeSource,
    Container,
    DownwardAPIProjection,
    DownwardAPIVolumeFile,
    EmptyDirVolumeSource,
    GitRepoVolumeSource,
    HostPathVolumeSource,
    KeyToPath,
    ObjectFieldSelector,
    Pod,
    PodSecurityContext,
    PodSpec,
    ProjectedVolumeSource,
    ResourceRequirements,
    Secret,
    SecretVolumeSource,
    ServiceAccountTokenProjection,
    Volume,
    VolumeProjection,
)
from pilothouse.kit.virtual_clock import VirtualClock
from pilothouse.kubelet.config import KubeletConfig
from pilothouse.kubelet.host.port import PayloadFile
from pilothouse.kubelet.host.simulated import SimulatedHost
from pilothouse.kubelet.mounts.manager import VolumeManager, kinds
from pilothouse.kubelet.mounts.port import VolumeError
from pilothouse.kubelet.volumes.emptydir import page_size
from pilothouse.kubelet.volumes.gitrepo import DISABLED
from pilothouse.machinery import time as times
from pilothouse.machinery.errors import not_found
from pilothouse.machinery.meta_v1 import ObjectMeta


class FakeObjects:
    def __init__(self) -> None:
        self.found: dict[tuple[type[Any], str], Any] = {
            (ConfigMap, "settings"): ConfigMap(data={"a": "1", "b": "2"}, binaryData={"c": "AAE="}),
            (Secret, "keys"): Secret(data={"k": "c2VjcmV0"}),
        }

    async def get(self, kind: type[Any], namespace: str, name: str) -> Any:
        if (kind, name) not in self.found:
            raise not_found(kind.__name__.lower(), "", name)
        return self.found[kind, name]


class FakeClient:
    """Issues tokens that say which one they are."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.asked: list[TokenRequest] = []

    async def create_subresource(self, kind: type[Any], name: str, namespace: str, subresource: str, body: TokenRequest) -> TokenRequest:
        self.asked.append(body)
        assert body.spec.expirationSeconds is not None
        expires = times.text(times.parse(times.now_text(self.clock)) + timedelta(seconds=body.spec.expirationSeconds))
        return TokenRequest(status=TokenRequestStatus(token=f"token-{len(self.asked)}", expirationTimestamp=expires))


class House:
    """A volume manager over fakes."""

    def __init__(self) -> None:
        self.clock, self.host, self.objects = VirtualClock(), SimulatedHost(), FakeObjects()
        self.client = FakeClient(self.clock)
        self.payloads: dict[str, dict[str, PayloadFile]] = {}
        write = self.host.write_payload

        def remembered(directory: str, files: Any) -> bool:
            self.payloads[directory.rpartition("/")[2]] = dict(files)
            return write(directory, files)

        self.host.write_payload = remembered  # type: ignore[method-assign]
        client: Any = self.client
        self.manager = VolumeManager(client, self.objects, self.host, self.clock, KubeletConfig(node_ip="10.0.0.5"), "node-0")

    def shown(self, name: str) -> dict[str, str]:
        return {path: file.data.decode("latin-1") for path, file in self.payloads[name].items()}


def pod(*volumes: Volume, **spec: Any) -> Pod:
    meta = ObjectMeta(name="web", namespace="default", uid="u", labels={"a": "b"})
    return Pod(metadata=meta, spec=PodSpec(containers=[Container(name="app")], volumes=list(volumes), **spec))


def test_every_kind_says_what_it_is() -> None:
    assert {"emptyDir", "hostPath", "configMap", "secret", "projected", "downwardAPI", "nfs", "persistentVolumeClaim"} <= set(kinds())


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        pytest.param({"configMap": ConfigMapVolumeSource(name="settings")}, {"a": "1", "b": "2", "c": "\0\1"}, id="all keys"),
        pytest.param(
            {"configMap": ConfigMapVolumeSource(name="settings", items=[KeyToPath(key="a", path="d/x")])}, {"d/x": "1"}, id="some keys"
        ),
        pytest.param({"configMap": ConfigMapVolumeSource(name="no", optional=True)}, {}, id="optional and missing"),
        pytest.param({"secret": SecretVolumeSource(secretName="keys")}, {"k": "secret"}, id="a secret"),
    ],
)
async def test_files(source: dict[str, Any], expected: dict[str, str]) -> None:
    house = House()
    await house.manager.prepare(pod(Volume(name="v", **source)))
    assert house.shown("v") == expected


@pytest.mark.parametrize(
    ("source", "message"),
    [
        pytest.param({"configMap": ConfigMapVolumeSource(name="no")}, 'configmap "no" not found', id="no ConfigMap"),
        pytest.param({"secret": SecretVolumeSource(secretName="no")}, 'secret "no" not found', id="no Secret"),
        pytest.param(
            {"configMap": ConfigMapVolumeSource(name="settings", items=[KeyToPath(key="z", path="x")])},
            "configmap references non-existent config key: z",
            id="no key",
        ),
        pytest.param(
            {"secret": SecretVolumeSource(secretName="keys", items=[KeyToPath(key="z", path="x")])},
            "references non-existent secret key: z",
            id="no key of a Secret",
        ),
        pytest.param(
            {"hostPath": HostPathVolumeSource(path="/x", type="Directory")},
            "hostPath type check failed: /x is not a directory",
            id="no directory",
        ),
        pytest.param({"gitRepo": GitRepoVolumeSource(repository="r")}, DISABLED, id="a clone"),
        pytest.param(
            {"emptyDir": EmptyDirVolumeSource(medium="HugePages")},
            "medium HugePages: hugePages storage requested, but there is no resource request for huge pages",
            id="huge pages that nobody asked for",
        ),
    ],
)
async def test_refusals(source: dict[str, Any], message: str) -> None:
    house = House()
    with pytest.raises(VolumeError) as error:
        await house.manager.prepare(pod(Volume(name="v", **source)))
    assert str(error.value) == f'MountVolume.SetUp failed for volume "v" : {message}'


def asking_for_pages(*sizes: str) -> Pod:
    wanted = pod()
    wanted.spec.containers[0].resources = ResourceRequirements(requests={f"hugepages-{size}": "4Mi" for size in sizes})
    return wanted


@pytest.mark.parametrize(
    ("medium", "requests", "expected"),
    [
        pytest.param("HugePages", ["2Mi"], "2Mi", id="the only size"),
        pytest.param("HugePages-1Gi", ["2Mi", "1Gi"], "1Gi", id="the size that is named"),
    ],
)
def test_the_size_of_huge_pages(medium: str, requests: list[str], expected: str) -> None:
    assert page_size(asking_for_pages(*requests), medium) == expected


@pytest.mark.parametrize(
    ("medium", "requests", "message"),
    [
        pytest.param("HugePages", ["2Mi", "1Gi"], "medium: HugePages can't be used", id="which of them"),
        pytest.param("HugePages-1Gi", ["2Mi"], "no resource request for huge pages", id="another size"),
    ],
)
def test_huge_pages_that_cannot_be(medium: str, requests: list[str], message: str) -> None:
    with pytest.raises(VolumeError, match=message):
        page_size(asking_for_pages(*requests), medium)


@pytest.mark.parametrize(
    ("type", "before", "after"),
    [("", "", "directory"), ("DirectoryOrCreate", "", "directory"), ("FileOrCreate", "", "file"), ("Directory", "directory", "directory")],
)
async def test_host_paths_are_made_where_they_may_be(type: str, before: str, after: str) -> None:
    house = House()
    if before:
        house.host.kinds["/x"] = before
    await house.manager.prepare(pod(Volume(name="v", hostPath=HostPathVolumeSource(path="/x", type=type))))
    assert await house.host.kind("/x") == after
    assert house.manager.path(pod(), "v") == "/x"


async def test_an_empty_dir_in_memory_is_mounted_and_unmounted() -> None:
    house = House()
    await house.manager.prepare(pod(Volume(name="v", emptyDir=EmptyDirVolumeSource(medium="Memory", sizeLimit="1Mi"))))
    assert len(house.host.mounts) == 1
    await house.manager.release("u")
    assert house.host.mounts == set()


@pytest.mark.parametrize(
    ("own", "of_pod", "of_node", "expected"),
    [
        pytest.param(None, None, "8Gi", 8 << 30, id="the node's memory bounds what nothing else does"),
        pytest.param(None, "64Mi", "8Gi", 64 << 20, id="the pod's limit"),
        pytest.param("8Mi", "64Mi", "8Gi", 8 << 20, id="its own limit"),
        pytest.param("1Gi", "64Mi", "8Gi", 64 << 20, id="no more than the pod's"),
        pytest.param(None, None, None, 0, id="nobody says"),
    ],
)
async def test_an_empty_dir_in_memory_is_as_large_as_its_pod_may_be(
    own: str | None, of_pod: str | None, of_node: str | None, expected: int
) -> None:
    house, sizes = House(), list[int]()

    async def mount_tmpfs(path: str, size: int = 0, mode: int = 0o777) -> None:
        sizes.append(size)

    house.host.mount_tmpfs = mount_tmpfs  # type: ignore[method-assign]
    house.manager.allocatable = {"memory": of_node} if of_node else {}
    wanted = pod(Volume(name="v", emptyDir=EmptyDirVolumeSource(medium="Memory", sizeLimit=own)))
    wanted.spec.containers[0].resources = ResourceRequirements(limits={"memory": of_pod} if of_pod else {})
    await house.manager.prepare(wanted)
    assert sizes == [expected]


async def test_another_kubelets_volumes_are_cleaned_up_too() -> None:
    house = House()
    await house.manager.prepare(pod(Volume(name="v", secret=SecretVolumeSource(secretName="keys"))))
    client: Any = house.client
    successor = VolumeManager(client, house.objects, house.host, house.clock, KubeletConfig(), "node-0")
    await successor.release("u")
    assert house.host.mounts == set()
    assert not [path for path in house.host.kinds if "/pods/u" in path]


def projected(*sources: VolumeProjection) -> Volume:
    return Volume(name="v", projected=ProjectedVolumeSource(sources=list(sources), defaultMode=0o644))


async def test_several_sources_share_a_directory() -> None:
    house = House()
    fields = [DownwardAPIVolumeFile(path="labels", fieldRef=ObjectFieldSelector(fieldPath="metadata.labels"))]
    sources = (
        VolumeProjection(serviceAccountToken=ServiceAccountTokenProjection(path="token", expirationSeconds=3607)),
        VolumeProjection(configMap=ConfigMapProjection(name="settings", items=[KeyToPath(key="a", path="ca.crt")])),
        VolumeProjection(downwardAPI=DownwardAPIProjection(items=fields)),
    )
    await house.manager.prepare(pod(projected(*sources)))
    assert house.shown("v") == {"token": "token-1", "ca.crt": "1", "labels": 'a="b"'}
    (asked,) = house.client.asked
    assert asked.spec.boundObjectRef is not None
    assert (asked.spec.boundObjectRef.kind, asked.spec.boundObjectRef.uid) == ("Pod", "u")


async def test_a_token_is_renewed_when_four_fifths_of_its_life_are_over() -> None:
    house = House()
    wanted = pod(projected(VolumeProjection(serviceAccountToken=ServiceAccountTokenProjection(path="token", expirationSeconds=1000))))
    await house.manager.prepare(wanted)
    await house.clock.advance(790)
    await house.manager.refresh(wanted)
    assert house.shown("v") == {"token": "token-1"}
    await house.clock.advance(20)
    await house.manager.refresh(wanted)
    assert house.shown("v") == {"token": "token-2"}


@pytest.mark.parametrize(
    ("context", "mode", "owner"),
    [
        pytest.param(None, 0o644, None, id="anybody"),
        pytest.param(PodSecurityContext(runAsUser=5), 0o600, 5, id="one user"),
        pytest.param(PodSecurityContext(runAsUser=5, fsGroup=7), 0o640, 5, id="a group"),
    ],
)
async def test_a_token_is_for_those_who_run(context: PodSecurityContext | None, mode: int, owner: int | None) -> None:
    house = House()
    source = VolumeProjection(serviceAccountToken=ServiceAccountTokenProjection(path="token"))
    await house.manager.prepare(pod(projected(source), securityContext=context))
    file = house.payloads["v"]["token"]
    assert (file.mode, file.owner) == (mode, owner)


async def test_live_volumes_follow_and_others_do_not() -> None:
    house = House()
    wanted = pod(Volume(name="v", configMap=ConfigMapVolumeSource(name="settings")))
    await house.manager.prepare(wanted)
    house.objects.found[ConfigMap, "settings"] = ConfigMap(data={"a": "9"})
    await house.manager.refresh(wanted)
    assert house.shown("v") == {"a": "9"}
