"""The administrator's way in: a kubeconfig of the cluster's own, and its context in the user's.

- The certificates are embedded, so the file works wherever it is copied to on this machine.
- The user is who called sudo, if anybody did: the file is theirs, not root's.
- Nobody's other contexts are harmed: see client/kubeconfig.py.
"""

from __future__ import annotations

import base64
import contextlib
import os
import pwd
from collections.abc import Iterator, Sequence
from pathlib import Path

from pilothouse.client import kubeconfig
from pilothouse.client.kubeconfig import Access, Owner
from pilothouse.cluster.failure import ClusterFailure
from pilothouse.cluster.state import ClusterState, Places


def access(state: ClusterState, places: Places) -> Access:
    """What this cluster adds to a kubeconfig."""

    def embedded(name: str) -> str:
        return base64.b64encode((places.pki / name).read_bytes()).decode()

    name = state.context
    return Access(
        name,
        cluster={"server": server_of(state), "certificate-authority-data": embedded("ca.crt")},
        user={"client-certificate-data": embedded("admin.crt"), "client-key-data": embedded("admin.key")},
        context={"cluster": name, "user": name},
    )


def server_of(state: ClusterState) -> str:
    return f"https://127.0.0.1:{state.port}"


def user_files() -> tuple[list[Path], Owner]:
    """The kubeconfigs that kubectl of the calling user reads, and whose they are."""
    owner = Owner(sudo_id("SUDO_UID", os.getuid()), sudo_id("SUDO_GID", os.getgid()))
    named = os.environ.get("KUBECONFIG", "").strip(os.pathsep)  # then a user of no known home, in a container say, is served too
    return kubeconfig.files(os.environ, Path() if named else home(owner.user)), owner


def sudo_id(variable: str, own: int) -> int:
    named = os.environ.get(variable, "")
    return int(named) if named.isdecimal() else own


def home(user: int) -> Path:
    """HOME, as kubectl has it, but for who called sudo: there it is root's."""
    if user == os.getuid() and os.environ.get("HOME"):
        return Path(os.environ["HOME"])
    try:
        return Path(pwd.getpwuid(user).pw_dir)
    except KeyError as failure:
        raise ClusterFailure(f"the user {user} is not known on this machine", "name the kubeconfig to write in KUBECONFIG") from failure


def prepare(state: ClusterState, places: Places) -> None:
    """Write the cluster's own kubeconfig; ClusterFailure too when the user's cannot be read."""
    paths, _ = user_files()
    with explained():
        kubeconfig.load(paths)
        kubeconfig.write(places.kubeconfig, access(state, places).config())


def merge(state: ClusterState, places: Places) -> Path:
    """Bring the cluster's context into the user's kubeconfig, as the current one."""
    paths, owner = user_files()
    with explained():
        return kubeconfig.merge(access(state, places), paths, owner=owner)


def remove(places: Places) -> None:
    """Take the cluster's context out of the user's kubeconfig, unless that name leads to another server there.

    Where it leads to is what the cluster's own kubeconfig says: its record may be damaged.
    """
    with contextlib.suppress(kubeconfig.KubeconfigError):
        for name, server in servers([places.kubeconfig]).items():
            take_out(name, server)


def take_out(name: str, server: str) -> None:
    paths, owner = user_files()
    with explained():
        if servers(paths).get(name) == server:
            kubeconfig.remove(name, paths, owner=owner)


def servers(paths: Sequence[Path]) -> dict[str, str]:
    """Of the clusters in kubeconfigs, by name."""
    return {str(one.get("name")): (one.get("cluster") or {}).get("server", "") for one in kubeconfig.load(paths)["clusters"]}


@contextlib.contextmanager
def explained() -> Iterator[None]:
    try:
        yield
    except kubeconfig.KubeconfigError as error:
        raise ClusterFailure(str(error), error.remedy) from error
