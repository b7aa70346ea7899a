"""State of a cluster between commands: name, ranges, ports and directories.

- `cluster.json` in the state directory is the whole truth; it is written whole or not at all.
- Places are functions of the name and a root, so that tests use a directory of their own.
- Of one /16 block: services get the first /20, pods the second /18 (a /24 a node), the link to the host the last /24.
"""

from __future__ import annotations

import contextlib
import fcntl
import ipaddress
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import msgspec

from pilothouse import API_LEVEL
from pilothouse.cluster.failure import ClusterFailure
from pilothouse.node.containerd import ContainerdPaths
from pilothouse.node.network import Link, interface_name

NAME_PATTERN = re.compile(r"[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?")
DEFAULT_NAME = "pilothouse"
DEFAULT_PORT = 6443
DOMAIN = "cluster.local"
KUBELET_PORT = 10250
CONTAINERS, SIMULATED = "containers", "simulated"
BLOCKS = tuple(ipaddress.IPv4Network(f"10.{second}.0.0/16") for second in (*range(222, 255), *range(64, 222)))
"""Where ranges are looked for, in this order."""


class ClusterState(msgspec.Struct, frozen=True, kw_only=True):
    """Content of cluster.json."""

    name: str
    network: str
    """`node`: a namespace of its own. `host`: the machine's own network. `none`: nothing but the API on loopback (simulated)."""
    egress: bool
    port: int
    """Where the API listens on the host's loopback."""
    block: str
    node_address: str
    host_address: str
    mtu: int
    kubernetes_version: str = API_LEVEL
    """The level of the API that is served: `1.37`."""
    version: int = 1
    runtime: str = "containers"
    """`containers`: real ones on containerd. `simulated`: the node and its containers live in the control plane's process."""

    @property
    def pod_range(self) -> str:
        """The range of Pod addresses (CIDR)."""
        return _part(self.block, 18, 1)

    @property
    def node_pod_range(self) -> str:
        """Pod range of the first node."""
        return _part(self.block, 24, 64)

    @property
    def service_range(self) -> str:
        """The range of Service addresses (CIDR)."""
        return _part(self.block, 20, 0)

    @property
    def kubernetes_service(self) -> str:
        """The cluster IP of the Service `kubernetes`: the first of the range."""
        return str(ipaddress.IPv4Network(self.service_range)[1])

    @property
    def dns_service(self) -> str:
        """The cluster IP of the Service `kube-dns`: the tenth of the range."""
        return str(ipaddress.IPv4Network(self.service_range)[10])

    @property
    def node_name(self) -> str:
        """The name of the Node object."""
        return self.name

    @property
    def namespace(self) -> str:
        """Name of the node's network namespace; empty for the host's."""
        return f"pilothouse-{self.name}" if self.network == "node" else ""

    @property
    def simulated(self) -> bool:
        """Whether the containers are simulated."""
        return self.runtime == SIMULATED

    @property
    def context(self) -> str:
        """Name of the kubeconfig context."""
        return DEFAULT_NAME if self.name == DEFAULT_NAME else f"pilothouse-{self.name}"

    def link(self) -> Link:
        """The link between the host's and the node's network namespaces."""
        return Link(
            namespace=f"pilothouse-{self.name}",
            host_interface=interface_name(self.name),
            host_address=self.host_address,
            node_address=self.node_address,
            prefix_length=24,
            block=self.block,
            pod_range=self.pod_range,
            service_range=self.service_range,
            mtu=self.mtu,
            egress=self.egress,
        )


@dataclass(frozen=True, slots=True)
class Places:
    """Directories and files of one cluster. `root` is "/" but in tests."""

    name: str
    root: Path = Path("/")

    @property
    def clusters(self) -> Path:
        """The directory with the state of all clusters."""
        return self.root / "var/lib/pilothouse"

    @property
    def state(self) -> Path:
        """Directory of files that must survive a reboot."""
        return self.clusters / self.name

    @property
    def run(self) -> Path:
        """Directory of files that need not survive a reboot: pid files, sockets, namespaces."""
        return self.root / "run/pilothouse" / self.name

    @property
    def logs(self) -> Path:
        """The directory of log files."""
        return self.root / "var/log/pilothouse" / self.name

    @property
    def record(self) -> Path:
        """The file with the ClusterState."""
        return self.state / "cluster.json"

    @property
    def pki(self) -> Path:
        """Certificates and keys, laid out as kubeadm does."""
        return self.state / "pki"

    @property
    def encryption(self) -> Path:
        """The EncryptionConfiguration of the store, with its keys."""
        return self.pki / "encryption-config.yaml"

    @property
    def audit_policy(self) -> Path:
        """What is audited; nothing is when it is not there."""
        return self.state / "audit-policy.yaml"

    @property
    def store(self) -> Path:
        """The database of the API server."""
        return self.state / "store.db"

    @property
    def kubelet(self) -> Path:
        """The kubelet's root directory."""
        return self.state / "kubelet"

    @property
    def manifests(self) -> Path:
        """Directory of static Pod manifests."""
        return self.state / "manifests"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's, with certificates in it."""
        return self.state / "admin.kubeconfig"

    @property
    def super_kubeconfig(self) -> Path:
        """For when the administrator's rights are gone: of a user in `system:masters`, whom no role can lock out."""
        return self.state / "super-admin.kubeconfig"

    @property
    def kubeconfigs(self) -> Path:
        """The names of every kubeconfig that the cluster's context was written to."""
        return self.state / "kubeconfigs.json"

    @property
    def images(self) -> Path:
        """The images that the cluster brings with it."""
        return self.state / "images"

    @property
    def mount_namespace(self) -> Path:
        """The file to which the node's mount namespace is bound."""
        return self.run / "namespaces" / "mnt"

    @property
    def containerd(self) -> ContainerdPaths:
        """The paths of the cluster's containerd."""
        return ContainerdPaths(self.state / "containerd", self.run / "containerd")

    def pid(self, process: str) -> Path:
        """The pid file of a process."""
        return self.run / f"{process}.pid"

    def waiting(self, process: str) -> Path:
        """There while a process has not been told to go."""
        return self.run / f"{process}.waiting"

    @property
    def wanted(self) -> Path:
        """There while the cluster is to run: what ends without `down` is started again."""
        return self.run / "wanted"

    @property
    def supervisor_lock(self) -> Path:
        """The file that a running supervisor has locked."""
        return self.run / "supervisor.lock"

    def log(self, process: str) -> Path:
        """The log file of a process."""
        return self.logs / f"{process}.log"


def own_root(environment: Mapping[str, str]) -> Path:
    """Directory of an ordinary user's clusters: XDG_STATE_HOME, or ~/.local/state; `/` for a user without a home."""
    if state := environment.get("XDG_STATE_HOME", ""):
        return Path(state) / "pilothouse"
    home = environment.get("HOME", "")
    return Path(home) / ".local/state/pilothouse" if home and os.access(home, os.W_OK | os.X_OK) else Path("/")


def load(places: Places) -> ClusterState | None:
    """Read the state file; None when there is no such cluster. Raises ClusterFailure when it is invalid."""
    try:
        return msgspec.json.decode(places.record.read_bytes(), type=ClusterState)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as failure:
        raise ClusterFailure(
            f"{places.record} is damaged: {failure}", f"mend it, or give the cluster up: pilothouse down --purge --name {places.name}"
        ) from failure


def save(places: Places, state: ClusterState) -> None:
    """Write the record so that a crash leaves the old one or the new one."""
    places.state.mkdir(parents=True, exist_ok=True)
    temporary = places.record.with_suffix(".new")
    with temporary.open("wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(state), indent=2) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(places.record)


def all_clusters(root: Path) -> list[ClusterState]:
    """Every cluster with a record below `root`, running or not."""
    folder = Places("", root).clusters
    names = sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []
    states = []
    for name in names:
        with contextlib.suppress(ClusterFailure):  # a damaged record hinders its own cluster alone
            states.append(load(Places(name, root)))
    return [state for state in states if state is not None]


def locked(places: Places, say: Callable[[str], None]) -> contextlib.AbstractContextManager[None]:
    """Lock of a cluster, so that one command at a time changes it; a waiting command says so."""
    waiting = "another command is changing this cluster: waiting for it"
    return file_lock(places.run.parent / f".{places.name}.lock", lambda: say(waiting))


def choosing(places: Places) -> contextlib.AbstractContextManager[None]:
    """Lock for choosing ranges and ports, so that no two clusters get the same."""
    return file_lock(places.run.parent / ".lock", lambda: None)


@contextlib.contextmanager
def file_lock(path: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """The lock at a path; file and folder are gone when nobody has it or waits for it."""
    file = opened(path)
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(file, fcntl.LOCK_EX)
        if is_at(path, file):
            break
        file.close()  # its last holder has removed it meanwhile
        file = opened(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        file.close()
        with contextlib.suppress(OSError):  # not empty: another's
            path.parent.rmdir()


def opened(path: Path) -> IO[str]:
    """Open the lock file, creating it and its directory where they are missing."""
    path.parent.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    while True:  # who held another lock in that folder may remove it at any moment
        with contextlib.suppress(FileExistsError):
            path.parent.mkdir(mode=0o755)
        with contextlib.suppress(FileNotFoundError):
            return path.open("w")


def is_at(path: Path, file: IO[str]) -> bool:
    """Whether the open file is still the one at this path."""
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


def addresses(block: ipaddress.IPv4Network) -> tuple[str, str]:
    """The host's and the node's end of the link."""
    last = list(block.subnets(new_prefix=24))[-1]
    return str(last[1]), str(last[2])


def _part(block: str, prefix: int, index: int) -> str:
    network = ipaddress.IPv4Network(block)
    first = int(network.network_address) + index * (1 << (32 - prefix))
    return str(ipaddress.IPv4Network((first, prefix)))
