"""Volumes behind claims: where containers find them, and why they do not."""

from __future__ import annotations

from typing import Any

import pytest

from pilothouse.api.types.core_v1 import (
    CSIPersistentVolumeSource,
    CSIVolumeSource,
    EphemeralVolumeSource,
    HostPathVolumeSource,
    LocalVolumeSource,
    NFSVolumeSource,
    ObjectReference,
    PersistentVolume,
    PersistentVolumeClaim,
    PersistentVolumeClaimSpec,
    PersistentVolumeClaimStatus,
    PersistentVolumeClaimVolumeSource,
    PersistentVolumeSpec,
    Pod,
    PodSecurityContext,
    Volume,
    VolumeDevice,
    VolumeMount,
)
from pilothouse.kubelet.config import KubeletConfig
from pilothouse.kubelet.host.devices import PARTITIONS, kind_of
from pilothouse.kubelet.host.simulated import SimulatedHost
from pilothouse.kubelet.launch.errors import ConfigError
from pilothouse.kubelet.launch.mounts import container_devices
from pilothouse.kubelet.mounts.manager import VolumeManager
from pilothouse.kubelet.mounts.port import VolumeError
from pilothouse.kubelet.runtime.containers import Device
from pilothouse.machinery.errors import not_found
from pilothouse.machinery.meta_v1 import ObjectMeta, OwnerReference
from tests.unit.kubelet.test_volumes import FakeObjects, VirtualClock, pod

CLAIMED = Volume(name="v", persistentVolumeClaim=PersistentVolumeClaimVolumeSource(claimName="data"))
EPHEMERAL = Volume(name="v", ephemeral=EphemeralVolumeSource())
OWN = OwnerReference(apiVersion="v1", kind="Pod", name="web", uid="u", controller=True)
LOST = OwnerReference(apiVersion="v1", kind="Pod", name="web", uid="another", controller=True)
PATH = "/var/lib/kubelet/pods/u/volumes/kubernetes.io~local-volume/v"
NO_DRIVER = (
    'MountVolume.SetUp failed for volume "v" : kubernetes.io/csi: mounter.SetUpAt failed to get CSI client: '
    "driver name x.example not found in the list of registered CSI drivers"
)


class Client:
    """Has one claim and one volume."""

    def __init__(self, claim: PersistentVolumeClaim, volume: PersistentVolume) -> None:
        self.found = {(PersistentVolumeClaim, claim.metadata.name): claim, (PersistentVolume, "pv"): volume}

    async def get(self, kind: type[Any], name: str, namespace: str = "") -> Any:
        if (kind, name) not in self.found:
            raise not_found(f"{kind.__name__.lower()}s", "", name)
        return self.found[kind, name]


def claim(name: str = "data", phase: str = "Bound", *owners: OwnerReference) -> PersistentVolumeClaim:
    meta = ObjectMeta(name=name, namespace="default", uid="c", ownerReferences=list(owners))
    volume = "pv" if phase == "Bound" else ""
    return PersistentVolumeClaim(
        metadata=meta, spec=PersistentVolumeClaimSpec(volumeName=volume), status=PersistentVolumeClaimStatus(phase=phase)
    )


def volume(uid: str = "c", **source: Any) -> PersistentVolume:
    return PersistentVolume(metadata=ObjectMeta(name="pv"), spec=PersistentVolumeSpec(claimRef=ObjectReference(uid=uid), **source))


def manager(host: SimulatedHost, claim: PersistentVolumeClaim, volume: PersistentVolume) -> VolumeManager:
    client: Any = Client(claim, volume)
    return VolumeManager(client, FakeObjects(), host, VirtualClock(), KubeletConfig(), "node-0")


HOST = HostPathVolumeSource(path="/data")


@pytest.mark.parametrize(
    ("asked", "made", "there", "expected"),
    [
        pytest.param(CLAIMED, claim(), volume(hostPath=HOST), "/data", id="a path of the node"),
        pytest.param(CLAIMED, claim(), volume(local=LocalVolumeSource(path="/disk")), "/disk", id="a disk of the node"),
        pytest.param(CLAIMED, claim(), volume(nfs=NFSVolumeSource(server="s", path="/x")), PATH, id="an export"),
        pytest.param(EPHEMERAL, claim("web-v", "Bound", OWN), volume(hostPath=HOST), "/data", id="the pod's own claim"),
    ],
)
async def test_where_a_volume_is(asked: Volume, made: PersistentVolumeClaim, there: PersistentVolume, expected: str) -> None:
    host = SimulatedHost()
    await host.make_directory("/disk")
    volumes = manager(host, made, there)
    await volumes.prepare(pod(asked))
    assert volumes.path(pod(), "v") == expected
    assert (expected in host.mounts) is (expected == PATH)
    await volumes.release("u")
    assert not host.mounts


READ_ONLY = Volume(name="v", persistentVolumeClaim=PersistentVolumeClaimVolumeSource(claimName="data", readOnly=True))


@pytest.mark.parametrize(
    ("asked", "there", "expected"),
    [
        pytest.param(CLAIMED, volume(local=LocalVolumeSource(path="/disk")), ["/disk"], id="a disk of the node"),
        pytest.param(READ_ONLY, volume(local=LocalVolumeSource(path="/disk")), [], id="one that is only read"),
        pytest.param(CLAIMED, volume(hostPath=HOST), [], id="a path of the node"),
    ],
)
async def test_what_belongs_to_the_pods_group(asked: Volume, there: PersistentVolume, expected: list[str]) -> None:
    host, given = SimulatedHost(), list[str]()
    await host.make_directory("/disk")

    async def set_group(path: str, *_: object, **__: object) -> None:
        given.append(path)

    host.set_group = set_group  # type: ignore[method-assign, assignment]
    wanted = pod(asked, securityContext=PodSecurityContext(fsGroup=7))
    for volumes in (manager(host, claim(), there), manager(host, claim(), there)):
        await volumes.prepare(wanted)
        await volumes.prepare(wanted)
        assert given == expected, "once, and not again by the next kubelet"


@pytest.mark.parametrize(
    ("asked", "made", "there", "name", "expected"),
    [
        pytest.param(CLAIMED, claim("other"), volume(), "v", 'persistentvolumeclaims "data" not found', id="no such claim"),
        pytest.param(CLAIMED, claim("data", "Pending"), volume(), "v", "PVC default/data is not bound", id="not bound"),
        pytest.param(CLAIMED, claim(), volume("d", hostPath=HOST), "v", "PV pv is not bound to claim default/data", id="bound to another"),
        pytest.param(
            CLAIMED,
            claim(),
            volume(hostPath=HostPathVolumeSource(path="/none", type="Directory")),
            "pv",
            "hostPath type check failed: /none is not a directory",
            id="no such path",
        ),
        pytest.param(
            CLAIMED, claim(), volume(local=LocalVolumeSource(path="/none")), "pv", 'path "/none" does not exist', id="no such disk"
        ),
        pytest.param(
            CLAIMED,
            claim(),
            volume(csi=CSIPersistentVolumeSource(driver="x.example", volumeHandle="h")),
            "pv",
            NO_DRIVER.partition(" : ")[2],
            id="a driver's",
        ),
        pytest.param(
            EPHEMERAL,
            claim("web-v", "Bound", LOST),
            volume(hostPath=HOST),
            "v",
            "PVC default/web-v was not created for pod default/web (pod is not owner)",
            id="the claim of another pod of that name",
        ),
    ],
)
async def test_why_a_volume_is_not_there(
    asked: Volume, made: PersistentVolumeClaim, there: PersistentVolume, name: str, expected: str
) -> None:
    with pytest.raises(VolumeError) as error:
        await manager(SimulatedHost(), made, there).prepare(pod(asked))
    assert str(error.value) == f'MountVolume.SetUp failed for volume "{name}" : {expected}'


async def test_no_driver_makes_volumes() -> None:
    with pytest.raises(VolumeError) as error:
        await manager(SimulatedHost(), claim(), volume()).prepare(pod(Volume(name="v", csi=CSIVolumeSource(driver="x.example"))))
    assert str(error.value) == NO_DRIVER


def using(*, mounts: bool = False, devices: bool = False, asked: Volume = CLAIMED) -> Pod:
    wanted = pod(asked)
    wanted.spec.containers[0].volumeMounts = [VolumeMount(name="v", mountPath="/v")] if mounts else []
    wanted.spec.containers[0].volumeDevices = [VolumeDevice(name="v", devicePath="/dev/xvda")] if devices else []
    return wanted


BLOCK = volume(local=LocalVolumeSource(path="/dev/sdb"), volumeMode="Block")


@pytest.mark.parametrize(
    ("asked", "permissions"), [(CLAIMED, "mrw"), (READ_ONLY, "r")], ids=["one that may be written", "one that is only read"]
)
async def test_a_block_volume_is_passed_into_containers_as_a_device(asked: Volume, permissions: str) -> None:
    host, wanted = SimulatedHost(), using(devices=True, asked=asked)
    host.kinds["/dev/sdb"] = "block"
    volumes = manager(host, claim(), BLOCK)
    await volumes.prepare(wanted)
    found = container_devices(wanted, wanted.spec.containers[0], volumes)
    assert found == [Device("/dev/xvda", "/dev/sdb", permissions)]
    assert volumes.path(wanted, "v") is None


@pytest.mark.parametrize(
    ("wanted", "there", "kind", "message"),
    [
        pytest.param(using(mounts=True), BLOCK, "block", "volume v has volumeMode Block, but is specified in volumeMounts", id="mounted"),
        pytest.param(
            using(devices=True),
            volume(local=LocalVolumeSource(path="/dev/sdb")),
            "directory",
            "volume v has volumeMode Filesystem, but is specified in volumeDevices",
            id="a filesystem as device",
        ),
        pytest.param(using(devices=True), BLOCK, "directory", 'path "/dev/sdb" is not a block device', id="no device"),
        pytest.param(using(devices=True), volume(hostPath=HOST, volumeMode="Block"), "", "no volume plugin matched", id="another kind"),
    ],
)
async def test_what_no_block_volume_can_be(wanted: Pod, there: PersistentVolume, kind: str, message: str) -> None:
    host = SimulatedHost()
    host.kinds["/dev/sdb"] = kind
    with pytest.raises(VolumeError, match=message):
        await manager(host, claim(), there).prepare(wanted)


async def test_a_device_that_no_volume_is_cannot_be_passed() -> None:
    wanted = using(devices=True)
    with pytest.raises(ConfigError, match='cannot find volume "v" to pass into container'):
        container_devices(wanted, wanted.spec.containers[0], manager(SimulatedHost(), claim(), BLOCK))


DISK = volume(local=LocalVolumeSource(path="/dev/sdb"))
STAGED = "/var/lib/kubelet/plugins/kubernetes.io/local-volume/mounts/pv"


def a_user(uid: str) -> Pod:
    user = pod(CLAIMED)
    user.metadata.uid = uid
    return user


@pytest.mark.parametrize(
    ("bears", "local", "expected"),
    [
        pytest.param("", {}, "ext4", id="nothing yet"),
        pytest.param("", {"fsType": "xfs"}, "xfs", id="nothing yet, and another kind is wanted"),
        pytest.param("btrfs", {}, "btrfs", id="a filesystem"),
    ],
)
async def test_a_disk_is_formatted_only_when_it_bears_nothing(bears: str, local: dict[str, Any], expected: str) -> None:
    host = SimulatedHost()
    host.kinds["/dev/sdb"] = "block"
    host.filesystems = {"/dev/sdb": bears} if bears else {}
    await manager(host, claim(), volume(local=LocalVolumeSource(path="/dev/sdb", **local))).prepare(a_user("u"))
    assert host.filesystems == {"/dev/sdb": expected}


async def test_a_disk_is_mounted_once_for_all_pods_until_the_last_is_gone() -> None:
    host = SimulatedHost()
    host.kinds["/dev/sdb"] = "block"
    first = manager(host, claim(), DISK)
    for uid in ("a", "b"):
        await first.prepare(a_user(uid))
        assert first.path(a_user(uid), "v") == STAGED
    assert host.mounts == {STAGED}
    following = manager(host, claim(), DISK)  # another kubelet, which knows of pod b only what is on disk
    await following.prepare(a_user("a"))
    await following.release("a")
    assert host.mounts == {STAGED}
    await following.release("b")
    assert not host.mounts
    assert not await host.list_directory("/var/lib/kubelet/plugins/kubernetes.io/local-volume/users")


async def test_a_kubelet_that_is_killed_while_it_mounts_leaves_nothing_that_the_next_does_not_know() -> None:
    host = SimulatedHost()
    host.kinds["/dev/sdb"] = "block"

    async def killed(source: str, target: str, *_: object) -> None:
        host.mounts.add(target)
        raise OSError(5, "killed", target)

    works, host.mount = host.mount, killed  # type: ignore[method-assign, assignment]
    with pytest.raises(VolumeError) as error:
        await manager(host, claim(), DISK).prepare(a_user("u"))
    failed = f"local: failed to mount device /dev/sdb at {STAGED} (fstype: ), error killed: {STAGED}"
    assert str(error.value) == f'MountVolume.MountDevice failed for volume "pv" : {failed}'
    host.mount = works  # type: ignore[method-assign]
    await manager(host, claim(), DISK).release("u")
    assert not host.mounts


async def test_an_empty_disk_that_is_only_read_is_not_formatted() -> None:
    host = SimulatedHost()
    host.kinds["/dev/sdb"] = "block"
    with pytest.raises(VolumeError, match="cannot mount unformatted disk /dev/sdb as we are manipulating it in read-only mode"):
        await manager(host, claim(), volume(local=LocalVolumeSource(path="/dev/sdb"), mountOptions=["ro"])).prepare(a_user("u"))


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        pytest.param("DEVNAME=/dev/sdb\nTYPE=ext4\n", "ext4", id="a filesystem"),
        pytest.param("DEVNAME=/dev/sdb\nPTTYPE=gpt\n", PARTITIONS, id="partitions"),
        pytest.param("", "", id="nothing"),
    ],
)
def test_what_a_disk_bears(text: str, kind: str) -> None:
    assert kind_of(text) == kind
