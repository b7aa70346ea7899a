"""The folder that KUBEBUILDER_ASSETS names: kube-apiserver, etcd and kubectl as executables. Made anew each time: it costs nothing."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from pilothouse import API_LEVEL
from pilothouse.cluster.failure import ClusterFailure

PROGRAM = """#!{python} -P
# Made by `pilothouse envtest`.
import gc
import sys

gc.disable()
sys.path[:0] = {paths!r}
{prepare}from pilothouse.cmd.envtest.{module} import main

main()
"""
WITHOUT_AUTHORITIES = "from pilothouse.cmd.start import import_aiohttp\n\nimport_aiohttp()\n"
KUBECTL = """#!/bin/sh
# Made by `pilothouse envtest`.
exec {kubectl} "$@"
"""
NO_KUBECTL = """#!/bin/sh
echo "pilothouse: there was no kubectl on this machine when this folder was made; install one and run: pilothouse envtest" >&2
exit 127
"""
LONGEST_INTERPRETER = 120
"""Bytes of a path that the kernel takes after `#!`."""


def default_folder(environment: Mapping[str, str]) -> Path:
    """Default directory for assets, beside that of setup-envtest."""
    data = environment.get("XDG_DATA_HOME") or os.path.join(environment.get("HOME") or os.path.expanduser("~"), ".local", "share")
    return Path(data) / "pilothouse" / "envtest" / f"{API_LEVEL}-{sys.platform}"


def make(folder: Path) -> Path:
    """Write the executables; the folder. ClusterFailure when that cannot be done."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder / "kube-apiserver", program("apiserver", WITHOUT_AUTHORITIES))
        _write(folder / "etcd", program("etcd", ""))
        _write(folder / "kubectl", kubectl(folder))
    except OSError as error:
        raise ClusterFailure(f"{error.filename or folder}: {error.strerror}", "name a folder of your own with --bin-dir") from error
    return folder.absolute()


def program(module: str, prepare: str) -> str:
    """The text of an executable that runs one of this package's programs with this interpreter."""
    paths = [str(Path(__file__).parents[3])]
    if len(sys.executable) <= LONGEST_INTERPRETER:
        return PROGRAM.format(python=sys.executable, paths=paths, prepare=prepare, module=module)
    python = shlex.quote(sys.executable)  # too long for `#!`: a shell is asked, for which the first lines are a string to Python
    body = PROGRAM.format(python="", paths=paths, prepare=prepare, module=module).partition("\n")[2]
    return f"#!/bin/sh\n''''exec {python} -P \"$0\" \"$@\" # '''\n{body}"


def kubectl(folder: Path) -> str:
    """A script that runs the machine's kubectl."""
    path = os.pathsep.join(part for part in os.environ.get("PATH", os.defpath).split(os.pathsep) if Path(part) != folder)
    there = shutil.which("kubectl", path=path)
    return KUBECTL.format(kubectl=shlex.quote(there)) if there else NO_KUBECTL


def _write(path: Path, text: str) -> None:
    """Whole or not at all: another test may be starting it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text)
    temporary.chmod(0o755)
    temporary.replace(path)
