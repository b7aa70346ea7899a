"""Private containerd of a cluster: configuration and readiness.

- Nothing is shared with a containerd of the machine's: other socket, state, root, and plugins.
- It lives in the node's mount namespace, so its mounts end with that, and in the node's network namespace.
- Containers outlive it (their shims keep them); who starts it again: cmd/nodeagent.py.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

PAUSE_IMAGE = "pilothouse.local/pause:1"
OWN_FOLDERS = ("/run/containerd", "/var/lib/cni")
"""Where containerd and CNI's library leave sockets and results, whatever their configuration says: in the node's mount namespace
these are its own, so that nothing stays behind and no other containerd is disturbed."""
NAMESPACE = "k8s.io"
"""The containerd namespace in which CRI keeps everything."""

UNUSED_PLUGINS = (
    "io.containerd.grpc.v1.healthcheck",
    "io.containerd.internal.v1.opt",
    "io.containerd.internal.v1.restart",
    "io.containerd.internal.v1.tracing",
    "io.containerd.snapshotter.v1.aufs",
    "io.containerd.snapshotter.v1.btrfs",
    "io.containerd.snapshotter.v1.devmapper",
    "io.containerd.snapshotter.v1.native",
    "io.containerd.snapshotter.v1.zfs",
    "io.containerd.tracing.processor.v1.otlp",
)


@dataclass(frozen=True, slots=True)
class ContainerdPaths:
    """Directories and files of a private containerd."""

    root: Path
    """Images, snapshots, metadata: kept over `down`."""
    run: Path
    """Sockets and what describes running tasks: gone with the machine."""

    @property
    def socket(self) -> Path:
        """Unix socket on which containerd serves CRI."""
        return self.run / "containerd.sock"

    @property
    def images(self) -> Path:
        """containerd's own root."""
        return self.root / "root"

    @property
    def configuration(self) -> Path:
        """containerd's `config.toml`."""
        return self.root / "config.toml"

    @property
    def cni_configuration(self) -> Path:
        """Network configuration that containerd's CRI plugin reads."""
        return self.root / "cni" / "10-pilothouse.conflist"

    @property
    def cni_leases(self) -> Path:
        """Directory of CNI's IP leases; removed with the node, so that addresses become free."""
        return self.run / "cni-leases"


def configuration(paths: ContainerdPaths, *, runtime: str, cni_binaries: str, restrict_oom_score: bool) -> str:
    """The text of config.toml. `runtime` is the path of crun or runc."""
    unused = ", ".join(f'"{name}"' for name in UNUSED_PLUGINS)
    return f"""version = 2
root = "{paths.images}"
state = "{paths.run}/state"
disabled_plugins = [{unused}]

[grpc]
  address = "{paths.socket}"

[ttrpc]
  address = "{paths.socket}.ttrpc"

[debug]
  level = "warn"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE_IMAGE}"
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
  disable_tcp_service = true
  disable_apparmor = false
  restrict_oom_score_adj = {str(restrict_oom_score).lower()}
  tolerate_missing_hugetlb_controller = true
  netns_mounts_under_state_dir = true
  stats_collect_period = 60
  enable_unprivileged_ports = true
  enable_unprivileged_icmp = true

  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{cni_binaries}"
    conf_dir = "{paths.cni_configuration.parent}"

  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "default"

    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.default]
      runtime_type = "io.containerd.runc.v2"

      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.default.options]
        BinaryName = "{runtime}"
        Root = "{paths.run}/oci"

[plugins."io.containerd.monitor.v1.cgroups"]
  no_prometheus = true
"""


def find_runtime() -> str:
    """The path of crun (twice as fast) or runc; empty when there is neither."""
    return shutil.which("crun") or shutil.which("runc") or ""
