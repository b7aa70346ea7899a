"""Directories and files of the kubelet, in upstream's layout. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from pilothouse.api.types.core_v1 import Pod


@dataclass(slots=True, frozen=True)
class Paths:
    """`root` is usually /var/lib/kubelet, `logs` /var/log/pods."""

    root: str
    logs: str

    @property
    def pods(self) -> str:
        """Folder of all pods."""
        return f"{self.root}/pods"

    def pod(self, uid: str) -> str:
        """Folder of a pod."""
        return f"{self.pods}/{uid}"

    def volumes(self, uid: str) -> str:
        """Folder of a pod's volumes."""
        return f"{self.pod(uid)}/volumes"

    def volume(self, uid: str, plugin: str, name: str) -> str:
        """`plugin` as `kubernetes.io/empty-dir`; a slash in it is written as `~`."""
        return f"{self.volumes(uid)}/{plugin.replace('/', '~')}/{name}"

    def staged(self, plugin: str, name: str) -> str:
        """Where a volume that all Pods of the node share is mounted."""
        return f"{self.root}/plugins/{plugin}/mounts/{name}"

    def staged_users(self, plugin: str, name: str = "") -> str:
        """Directory with a file for each Pod that uses a staged volume; without a name, the parent of all of the plugin's."""
        return f"{self.root}/plugins/{plugin}/users/{name}".rstrip("/")

    def container(self, uid: str, name: str) -> str:
        """Folder of a container: its termination message."""
        return f"{self.pod(uid)}/containers/{name}"

    def hosts(self, uid: str) -> str:
        """The pod's /etc/hosts."""
        return f"{self.pod(uid)}/etc-hosts"

    def subpath(self, uid: str, volume: str, container: str, index: int) -> str:
        """Where a container's subPath of a volume is mounted; `index` is that of the volume mount."""
        return f"{self.pod(uid)}/volume-subpaths/{volume}/{container}/{index}"

    def pod_logs(self, pod: Pod) -> str:
        """Folder of a pod's container logs."""
        return f"{self.logs}/{pod.metadata.namespace}_{pod.metadata.name}_{pod.metadata.uid}"


def uid_of_logs(name: str) -> str:
    """Uid of the Pod that a log directory belongs to."""
    return name.rpartition("_")[2]
