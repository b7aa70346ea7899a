"""Access of external clients to a test cluster: TLS on loopback, and an administrator's kubeconfig.

Certificates are valid in the machine's own time, not in the cluster's: it is real clients that check them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from pilothouse.apiserver.server import ApiServer, ServerTLS
from pilothouse.cluster import certificates
from pilothouse.cmd.api import Api
from pilothouse.kit.clock import Clock, SystemClock
from pilothouse.kit.entropy import Entropy

NAME = "pilothouse-test"


@dataclass(frozen=True, slots=True)
class Access:
    """The files of one cluster's certificates."""

    folder: Path

    def write_kubeconfig(self, port: int) -> Path:
        """Write a kubeconfig for the API server at this port and return its path."""
        path = self.folder / "kubeconfig"
        cluster = {"server": f"https://127.0.0.1:{port}", "certificate-authority": str(self.folder / "ca.crt")}
        user = {"client-certificate": str(self.folder / "admin.crt"), "client-key": str(self.folder / "admin.key")}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": NAME, "cluster": cluster}],
            "users": [{"name": NAME, "user": user}],
            "contexts": [{"name": NAME, "context": {"cluster": NAME, "user": NAME}}],
            "current-context": NAME,
        }
        path.write_bytes(msgspec.json.encode(config))
        return path


def make_access(folder: Path) -> Access:
    """Make an authority, the API server's certificate and an administrator's below `folder`."""
    leaves = [
        certificates.Subject("apiserver", "kube-apiserver", names=["localhost", "127.0.0.1"], client=False),
        certificates.Subject("admin", "kubernetes-admin", [certificates.CLUSTER_ADMINS]),
    ]
    certificates.make(folder, leaves, SystemClock(), Entropy())
    return Access(folder)


def server_of(api: Api, access: Access, clock: Clock, entropy: Entropy, kubelet_urls: Mapping[str, str]) -> ApiServer:
    """The API server, on any free port of loopback; `kubelet_urls` may change while it runs."""
    files = [str(access.folder / name) for name in ("ca.crt", "apiserver.crt", "apiserver.key")]
    return ApiServer(
        api.registry,
        clock=clock,
        entropy=entropy,
        tls=ServerTLS(*files),
        authenticators=api.authenticators,
        authorizer=api.authorizer,
        tokens=api.tokens,
        kubelet_urls=kubelet_urls,
    )
