"""Kubeconfig files: reading and merging them, adding and removing the context of a cluster.

- Nobody's other contexts are harmed: what is not ours is kept as it was, unknown fields too; a file that cannot be read is not touched.
- A list in KUBECONFIG is read as kubectl reads it (the first file that has a name wins); an entry is changed in the file where it
  stands, a new one goes where kubectl would put it.
- Every write is atomic (a new file takes the old one's place, mode and owner), under the lock that kubectl heeds. kubectl holds it
  for milliseconds; one that stands unchanged for STALE_LOCK_SECONDS was left by a process that died, and is removed.
- A link is followed: the file it leads to is replaced, not the link.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pilothouse.machinery import yaml

Config = dict[str, Any]

SECTIONS = {"clusters": "cluster", "users": "user", "contexts": "context"}
FILE_LIMIT = 16 << 20
"""Bytes of a file; a longer one is no kubeconfig, and is left alone."""


STALE_LOCK_SECONDS = 3.0
LOCK_LOOK_SECONDS = 0.1
"""Between two looks at a lock of somebody else's."""


class KubeconfigError(Exception):
    """A kubeconfig that cannot be read or written: the message says which and why, `remedy` what to do."""

    def __init__(self, problem: str, remedy: str = "name another file in KUBECONFIG, or mend this one") -> None:
        super().__init__(problem)
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Owner:
    """Owner of new files and directories, such as the user who called sudo."""

    user: int
    group: int


@dataclass(frozen=True, slots=True)
class Access:
    """Entries that one cluster adds to each section, all called `name`."""

    name: str
    cluster: Mapping[str, Any]
    user: Mapping[str, Any]
    context: Mapping[str, Any]

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Access:
        """The access of a kubeconfig that has a single context."""
        name = config["current-context"]
        return cls(name, *(_entry(config, section, name) or {} for section in ("clusters", "users", "contexts")))

    def config(self) -> Config:
        """A kubeconfig of this access alone."""
        result = _empty()
        self.put(result)
        result["current-context"] = self.name
        return result

    def put(self, config: Config) -> None:
        """Add or replace the entries of this cluster in `config`."""
        for section, value in (("clusters", self.cluster), ("users", self.user), ("contexts", self.context)):
            _put(config, section, self.name, dict(value))


def files(environment: Mapping[str, str], home: Path) -> list[Path]:
    """The files that kubectl would read: those of KUBECONFIG, or the one in the home folder."""
    named = [Path(part) for part in environment.get("KUBECONFIG", "").split(os.pathsep) if part]
    return [*dict.fromkeys(named)] or [home / ".kube" / "config"]


def default_file(paths: Sequence[Path]) -> Path:
    """File for new entries: the first existing one, else the last."""
    return next((path for path in paths if path.exists()), paths[-1])


def load(paths: Sequence[Path]) -> Config:
    """All files as one, with certificate paths made absolute."""
    result = _empty()
    for path in paths:
        config = read(path)
        for section in SECTIONS:
            known = {item.get("name") for item in result[section]}
            result[section] += [_absolute(item, path.parent) for item in config.get(section) or [] if item.get("name") not in known]
        result["current-context"] = result["current-context"] or config.get("current-context") or ""
    return result


def merge(access: Access, paths: Sequence[Path], *, owner: Owner | None = None, make_current: bool | None = None) -> Path:
    """Add or renew the access; gives the file where its context stands.

    `make_current`: whether it becomes the current context; None: only where there is none.
    """
    holder = next((path for path in paths if any(_has(read(path), section, access.name) for section in SECTIONS)), None)
    target = holder or default_file(paths)
    current = next((path for path in paths if read(path).get("current-context")), None)
    becomes_current = current is None if make_current is None else make_current
    holds_current = current or default_file(paths)
    with _changing(target, owner) as config:
        access.put(config)
        if becomes_current and holds_current == target:
            config["current-context"] = access.name
    if becomes_current and holds_current != target:
        with _changing(holds_current, owner) as config:
            config["current-context"] = access.name
    return target


def remove(name: str, paths: Sequence[Path], *, owner: Owner | None = None) -> list[Path]:
    """Take out the context of this name with its cluster and user (unless another context uses them); gives the files that changed."""
    changed = []
    for path in paths:
        before = read(path)
        if not any(_has(before, section, name) for section in SECTIONS) and before.get("current-context") != name:
            continue
        with _changing(path, owner) as config:
            _take_out(config, name)
        changed.append(path)
    return changed


def read(path: Path) -> Config:
    """Read a file; empty when it does not exist."""
    try:
        with path.open("rb") as file:
            data = file.read(FILE_LIMIT + 1)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise KubeconfigError(f"cannot read the kubeconfig {path}: {error.strerror}") from error
    if len(data) > FILE_LIMIT:
        raise KubeconfigError(f"the kubeconfig {path} is longer than {FILE_LIMIT >> 20} MiB")
    try:
        config = yaml.parse(data) if data.strip() else {}
    except yaml.YamlError as error:
        raise KubeconfigError(f"the kubeconfig {path} is not valid YAML ({error})") from error
    return _checked({} if config is None else config, path)


def write(path: Path, config: Config, owner: Owner | None = None) -> None:
    """Put `config` in the place of the file, or leave the file as it is."""
    target = path.resolve()
    made = _make_folder(target.parent, owner)
    temporary = target.with_name(f".{target.name}.pilothouse-{os.getpid()}")
    try:
        mode, whose = 0o600, owner
        with suppress(FileNotFoundError):
            known = target.stat()
            mode, whose = known.st_mode & 0o777, Owner(known.st_uid, known.st_gid)
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(_text(config))
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, mode)
        if whose is not None and os.geteuid() == 0:
            os.chown(temporary, whose.user, whose.group)
        os.replace(temporary, target)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        for folder in reversed(made):
            with suppress(OSError):
                folder.rmdir()
        raise KubeconfigError(f"cannot write the kubeconfig {path}: {error.strerror}; nothing was changed") from error


@contextmanager
def _changing(path: Path, owner: Owner | None) -> Iterator[Config]:
    """Read, let the caller change, write; under kubectl's lock."""
    _make_folder(path.resolve().parent, owner)
    lock = path.with_name(path.name + ".lock")
    _take(lock, path)
    try:
        config = _empty() | read(path)
        for section in SECTIONS:
            config[section] = [*(config[section] or [])]
        yield config
        write(path, config, owner)
    finally:
        lock.unlink(missing_ok=True)


def _take(lock: Path, path: Path) -> None:
    """Make the lock file, as soon as nobody else has it."""
    seen, looks = None, 0
    while True:
        try:
            os.close(os.open(lock, os.O_CREAT | os.O_EXCL, 0o600))
            return
        except FileExistsError:
            pass
        except OSError as error:
            raise KubeconfigError(f"cannot write the kubeconfig {path}: {error.strerror}") from error
        now = _identity(lock)
        looks = looks + 1 if now == seen else 0
        seen = now
        if now is not None and looks * LOCK_LOOK_SECONDS >= STALE_LOCK_SECONDS:
            with suppress(FileNotFoundError):
                lock.unlink()
        else:
            threading.Event().wait(LOCK_LOOK_SECONDS)


def _identity(path: Path) -> tuple[int, int] | None:
    with suppress(OSError):
        known = path.lstat()
        return known.st_ino, known.st_mtime_ns
    return None


def _make_folder(folder: Path, owner: Owner | None) -> list[Path]:
    """Make what is missing of a path; gives what was made."""
    missing = [directory for directory in (folder, *folder.parents) if not directory.exists()]
    try:
        for directory in reversed(missing):
            directory.mkdir(mode=0o755, exist_ok=True)
            if owner is not None and os.geteuid() == 0:
                os.chown(directory, owner.user, owner.group)
    except OSError as error:
        raise KubeconfigError(f"cannot make the folder {folder}: {error.strerror}") from error
    return [*reversed(missing)]


def _empty() -> Config:
    return {"apiVersion": "v1", "kind": "Config", "preferences": {}, "clusters": [], "contexts": [], "users": [], "current-context": ""}


def _checked(config: Any, path: Path) -> Config:
    """A shape that may be changed without harm; anything else is left alone."""
    sections = [config.get(section) or [] for section in SECTIONS] if isinstance(config, dict) else [None]
    if any(not isinstance(entries, list) or any(not isinstance(entry, dict) for entry in entries) for entries in sections):
        raise KubeconfigError(f"{path} does not look like a kubeconfig")
    checked: Config = config
    return checked


def _has(config: Mapping[str, Any], section: str, name: str) -> bool:
    return _entry(config, section, name) is not None


def _entry(config: Mapping[str, Any], section: str, name: str) -> dict[str, Any] | None:
    for item in config.get(section) or []:
        if item.get("name") == name:
            return item.get(SECTIONS[section]) or {}
    return None


def _put(config: Config, section: str, name: str, value: dict[str, Any]) -> None:
    """Replace the entry of that name where it stands, or append it."""
    entry = {"name": name, SECTIONS[section]: value}
    entries: list[Any] = config[section]
    for index, item in enumerate(entries):
        if item.get("name") == name:
            entries[index] = entry
            return
    entries.append(entry)


def _take_out(config: Config, name: str) -> None:
    config["contexts"] = [item for item in config["contexts"] if item.get("name") != name]
    used = [item.get("context") or {} for item in config["contexts"]]
    if not any(item.get("cluster") == name for item in used):
        config["clusters"] = [item for item in config["clusters"] if item.get("name") != name]
    if not any(item.get("user") == name for item in used):
        config["users"] = [item for item in config["users"] if item.get("name") != name]
    if config.get("current-context") == name:
        config["current-context"] = ""


def _absolute(entry: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Paths in a kubeconfig are relative to its folder."""
    result = dict(entry)
    for inner in ("cluster", "user"):
        if isinstance(entry.get(inner), dict):
            result[inner] = {name: str(folder / value) if name in _PATHS and value else value for name, value in entry[inner].items()}
    return result


_PATHS = ("certificate-authority", "client-certificate", "client-key", "tokenFile")


def _text(config: Config) -> bytes:
    import yaml as library

    dumper = getattr(library, "CSafeDumper", library.SafeDumper)
    text: str = library.dump(config, Dumper=dumper, sort_keys=False, default_flow_style=False, width=10**6, allow_unicode=True)
    return text.encode()
