"""emptyDir: a directory with the lifetime of its Pod, on disk, in memory or in huge pages."""

from __future__ import annotations

from pilothouse.api.types.core_v1 import Pod
from pilothouse.kubelet.launch.resources import HUGEPAGES, pod_cgroup
from pilothouse.kubelet.mounts.port import Place, VolumeError, VolumeKind
from pilothouse.machinery import quantity


async def publish(place: Place) -> None:
    """Make the directory, and mount memory or huge pages when the medium says so. Raises OSError."""
    source = place.volume.emptyDir
    assert source is not None
    await place.host.make_directory(place.path, 0o777)
    if source.medium and not await place.host.is_mounted(place.path):
        if source.medium == "Memory":
            await place.host.mount_tmpfs(place.path, _memory(place), 0o777)
        else:
            await place.host.mount("nodev", place.path, "hugetlbfs", (f"pagesize={page_size(place.pod, source.medium)}",))
    if "made" not in place.memory:
        await place.host.set_mode(place.path, 0o777)
        place.memory["made"] = True


def _memory(place: Place) -> int:
    """The least of what the volume, the pod and the node allow: the pod could fill no more. 0: nobody says."""
    source = place.volume.emptyDir
    own = quantity.value(source.sizeLimit) if source is not None and source.sizeLimit else 0
    node = quantity.value(place.allocatable.get("memory", 0))
    return min((limit for limit in (own, pod_cgroup(place.pod).memory_limit, node) if limit > 0), default=0)


def page_size(pod: Pod, medium: str) -> str:
    """The size of pages that the medium names (`HugePages-2Mi`), or the only one that the pod requests (`HugePages`)."""
    own = [pod.spec.resources] if pod.spec.resources is not None else []
    asking = [*own, *(container.resources for container in (*pod.spec.containers, *pod.spec.initContainers))]
    sizes = {name.removeprefix(HUGEPAGES) for resources in asking for name in resources.requests if name.startswith(HUGEPAGES)}
    named = medium.removeprefix("HugePages").removeprefix("-")
    if not named and len(sizes) > 1:
        raise VolumeError(f"medium: {medium} can't be used if container requests multiple huge page sizes")
    if not sizes or (named and named not in sizes):
        raise VolumeError(f"medium {medium}: hugePages storage requested, but there is no resource request for huge pages")
    return named or sizes.pop()


EMPTY_DIR = VolumeKind("emptyDir", "kubernetes.io/empty-dir", publish)
