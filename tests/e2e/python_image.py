"""An image with this machine's Python and one program, made locally: the interpreter, its standard library and the libraries they load."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from pilothouse.node import images

LEFT_OUT = {"__pycache__", "test", "tests", "idlelib", "tkinter", "ensurepip", "lib2to3", "dist-packages", "site-packages", "turtledemo"}
PASSWD = b"root:x:0:0:root:/root:/bin/sh\n"


def python_image(name: str, program: Path) -> images.Image:
    """An image that runs `program` with the arguments of its container."""
    interpreter, library = Path(sys.executable).resolve(), Path(sysconfig.get_paths()["stdlib"])
    files = {path: path for path in _standard_library(library)}
    files[interpreter] = interpreter
    dynamic = [interpreter, *(path for path in files if path.suffix == ".so")]
    files |= {path: path.resolve() for path in _loaded_by(dynamic)}
    layer = images.Layer()
    for folder in sorted({str(parent).lstrip("/") for path in files for parent in path.parents} - {""} | {"tmp", "etc", "proc", "dev"}):
        layer.directory(folder, 0o1777 if folder == "tmp" else 0o755)
    layer.file("etc/passwd", PASSWD)
    for path, source in sorted(files.items()):
        layer.file(str(path).lstrip("/"), source.read_bytes(), 0o755 if os.access(source, os.X_OK) else 0o644)
    layer.file("program.py", program.read_bytes())
    settings: dict[str, object] = {
        "Entrypoint": [str(interpreter), "-u", "/program.py"],
        "Cmd": ["run"],
        "Env": [f"PYTHONHOME={sys.base_prefix}"],
    }
    return images.Image(name, layer.finish(), settings)


def _standard_library(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders[:] = [each for each in folders if each not in LEFT_OUT and not each.startswith("config-")]
        yield from (Path(place, each) for each in names if each.endswith((".py", ".so")))


def _loaded_by(programs: list[Path]) -> set[Path]:
    """The shared libraries, and the loader, under the names by which they are loaded."""
    said = subprocess.run(["ldd", *map(str, programs)], capture_output=True, text=True, check=False).stdout
    return {Path(found) for found in re.findall(r"(?:=> |^\s)(/\S+)", said, re.MULTILINE)}
