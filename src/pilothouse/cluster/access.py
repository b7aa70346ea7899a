"""Kubeconfig of a cluster's administrator, and its context in the user's kubeconfig.

- The certificates are embedded, so the file works wherever it is copied to on this machine.
- The user is who called sudo, if anybody did: the file is theirs, not root's.
- Nobody's other contexts are harmed: see client/kubeconfig.py.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import pwd
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from pilothouse.client import kubeconfig
from pilothouse.client.kubeconfig import Access, Owner
from pilothouse.cluster.failure import ClusterFailure
from pilothouse.cluster.state import ClusterState, Places
from pilothouse.machinery import strconv


def access(state: ClusterState, places: Places, user: str = "admin") -> Access:
    """Entries that this cluster adds to a kubeconfig, with one of its certificates."""

    def embedded(name: str) -> str:
        return base64.b64encode((places.pki / name).read_bytes()).decode()

    name = state.context
    return Access(
        name,
        cluster={"server": server_of(state), "certificate-authority-data": embedded("ca.crt")},
        user={"client-certificate-data": embedded(f"{user}.crt"), "client-key-data": embedded(f"{user}.key")},
        context={"cluster": name, "user": name},
    )


def server_of(state: ClusterState) -> str:
    """The URL of the cluster's API server on loopback."""
    return f"https://127.0.0.1:{state.port}"


def user_files() -> tuple[list[Path], Owner]:
    """The kubeconfigs that kubectl of the calling user reads, and whose they are."""
    owner = Owner(sudo_id("SUDO_UID", os.getuid()), sudo_id("SUDO_GID", os.getgid()))
    named = os.environ.get("KUBECONFIG", "").strip(os.pathsep)  # then a user of no known home, in a container say, is served too
    return kubeconfig.files(os.environ, Path() if named else home(owner.user)), owner


def sudo_id(variable: str, own: int) -> int:
    """The user or group id that sudo put into the variable; `own` when there is none."""
    named = strconv.unsigned(os.environ.get(variable, ""), range(1 << 32))
    return own if named is None else named


def home(user: int) -> Path:
    """HOME, as kubectl has it, but for who called sudo: there it is root's."""
    if user == os.getuid() and os.environ.get("HOME"):
        return Path(os.environ["HOME"])
    try:
        return Path(pwd.getpwuid(user).pw_dir)
    except KeyError as failure:
        raise ClusterFailure(f"the user {user} is not known on this machine", "name the kubeconfig to write in KUBECONFIG") from failure


def prepare(state: ClusterState, places: Places) -> None:
    """Write the cluster's own kubeconfigs; ClusterFailure too when the user's cannot be read."""
    paths, _ = user_files()
    with explained():
        kubeconfig.load(paths)
        kubeconfig.write(places.kubeconfig, access(state, places).config())
        kubeconfig.write(places.super_kubeconfig, access(state, places, "super-admin").config())


def merge(state: ClusterState, places: Places, *, make_current: bool | None = None) -> Path:
    """Bring the cluster's context into the user's kubeconfig; `make_current` as in client/kubeconfig.py. The file is remembered."""
    paths, owner = user_files()
    there = [path for path in paths if path.exists()]
    with explained():
        written = kubeconfig.merge(access(state, places), paths, owner=owner, make_current=make_current)
    remember(places, written, created=written not in there)
    return written


def remember(places: Places, written: Path, *, created: bool = False) -> None:
    """Note that a kubeconfig was written to (or created), so that `down --purge` finds it."""
    known = _remembered(places)
    if str(written.absolute()) not in known or created:
        places.kubeconfigs.parent.mkdir(parents=True, exist_ok=True)
        places.kubeconfigs.write_text(json.dumps(known | {str(written.absolute()): created}))


def remembered(places: Places) -> list[Path]:
    """Every kubeconfig that the context was written to."""
    return [*map(Path, _remembered(places))]


def _remembered(places: Places) -> dict[str, bool]:
    """By path, whether the file was created for the context. Clusters of before that was noted have a list of paths."""
    try:
        noted = json.loads(places.kubeconfigs.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    if isinstance(noted, list):
        return {name: False for name in noted if isinstance(name, str)}
    return {name: created is True for name, created in noted.items()} if isinstance(noted, dict) else {}


def remove(places: Places, say: Callable[[str], None] = lambda _: None) -> None:
    """Take the cluster's context out of every kubeconfig it was written to, unless that name leads to another server there.

    A file that was created for the context goes when nothing else is in it. Where the context leads to is what the cluster's own
    kubeconfig says: its record may be damaged. A file that cannot be changed is told of.
    """
    with contextlib.suppress(kubeconfig.KubeconfigError):
        own = servers([places.kubeconfig])
        paths, owner = user_files()
        groups = [paths, *([path] for path in remembered(places) if path not in [known.absolute() for known in paths])]
        for group in groups:
            for name, server in own.items():
                take_out(name, server, group, owner, say)
    for path, created in _remembered(places).items():
        if created:
            remove_if_empty(Path(path))


def remove_if_empty(path: Path) -> None:
    """Remove a kubeconfig in which nothing is left; one that cannot be read stays."""
    with contextlib.suppress(kubeconfig.KubeconfigError, OSError):
        if not any(kubeconfig.read(path).get(section) for section in kubeconfig.SECTIONS):
            path.unlink(missing_ok=True)


def take_out(name: str, server: str, paths: Sequence[Path], owner: Owner, say: Callable[[str], None]) -> None:
    """Remove the cluster's context from these kubeconfigs, when it still leads to `server`; failures are said, not raised."""
    try:
        if servers(paths).get(name) == server:
            kubeconfig.remove(name, paths, owner=owner)
    except kubeconfig.KubeconfigError as error:
        say(f"the context {name} stays in a kubeconfig: {error}")


def servers(paths: Sequence[Path]) -> dict[str, str]:
    """Servers of the clusters in kubeconfigs, by cluster name."""
    return {str(entry.get("name")): (entry.get("cluster") or {}).get("server", "") for entry in kubeconfig.load(paths)["clusters"]}


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """Turn KubeconfigError into ClusterFailure with its remedy."""
    try:
        yield
    except kubeconfig.KubeconfigError as error:
        raise ClusterFailure(str(error), error.remedy) from error
