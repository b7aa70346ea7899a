"""Atomic writer: a directory whose files change all at once, in upstream's `..data` layout.

    name -> ..data/name        what containers read
    ..data -> ..<version>      swapped by one rename
    ..<version>/name           the files of one version

The version is the content's hash: equal content is recognized without reading it, and after a restart as well.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping

from pilothouse.kubelet.host.port import PayloadFile

DATA, FRESH = "..data", "..data_tmp"


def version(files: Mapping[str, PayloadFile]) -> str:
    """The name of the directory of one version."""
    digest = hashlib.sha256()
    for name in sorted(files):
        file = files[name]
        digest.update(f"{name}\0{file.mode:o}\0{file.owner}\0{len(file.data)}\0".encode())
        digest.update(file.data)
    return f"..{digest.hexdigest()[:24]}"


def write(directory: str, files: Mapping[str, PayloadFile]) -> bool:
    """Write the files. Returns whether the content changed."""
    os.makedirs(directory, exist_ok=True)
    wanted = version(files)
    link = os.path.join(directory, DATA)
    if not os.path.lexists(link):
        os.chmod(directory, 0o777)  # as upstream's; that nobody writes here is the mount's affair
    old = os.readlink(link) if os.path.islink(link) else ""
    if old == wanted and os.path.isdir(os.path.join(directory, wanted)):
        return False
    _write_version(os.path.join(directory, wanted), files)
    fresh = os.path.join(directory, FRESH)
    if os.path.lexists(fresh):
        os.unlink(fresh)
    os.symlink(wanted, fresh)
    os.rename(fresh, link)
    _link_names(directory, {name.split("/")[0] for name in files})
    for name in os.listdir(directory):
        if name.startswith("..") and name not in {DATA, wanted}:
            shutil.rmtree(os.path.join(directory, name))
    return True


def _write_version(path: str, files: Mapping[str, PayloadFile]) -> None:
    shutil.rmtree(path, ignore_errors=True)
    os.mkdir(path, 0o755)
    os.chmod(path, 0o755)
    for name, payload_file in files.items():
        target = os.path.join(path, name)
        if "/" in name:
            os.makedirs(os.path.dirname(target), 0o755, exist_ok=True)
        with open(target, "wb") as file:
            file.write(payload_file.data)
            os.fchmod(file.fileno(), payload_file.mode)
            if payload_file.owner is not None:
                os.fchown(file.fileno(), payload_file.owner, -1)


def _link_names(directory: str, wanted: set[str]) -> None:
    """One visible link for each top-level name; links of names that are gone go too."""
    for name in os.listdir(directory):
        if not name.startswith("..") and name not in wanted:
            os.unlink(os.path.join(directory, name))
    for name in wanted:
        link = os.path.join(directory, name)
        if not os.path.lexists(link):
            os.symlink(os.path.join(DATA, name), link)
