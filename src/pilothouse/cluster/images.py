"""Images brought into a cluster from this machine, and what images a cluster has: `pilothouse image load`, `pilothouse image list`.

- A source is a tar (of `docker save`, `podman save`, or in OCI layout, compressed or not), `-` for one on standard input, or the name of an
  image that docker or podman has here.
- Images keep their names in full, as the kubelet looks for them: `web:1` becomes `docker.io/library/web:1`, `localhost/web:1` stays.
- An OCI archive that only says a tag is named after its file.
"""

from __future__ import annotations

import asyncio
import io
import json
import os
import pwd
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pilothouse.cluster import launch
from pilothouse.cluster.access import sudo_id
from pilothouse.cluster.failure import ClusterFailure
from pilothouse.cluster.state import ClusterState, Places
from pilothouse.kit.clock import SystemClock
from pilothouse.kubelet.images.references import InvalidReference, parse, with_default_tag
from pilothouse.kubelet.runtime.images import Image
from pilothouse.node import linux
from pilothouse.node.containerd import NAMESPACE

NAME, REF_NAME = "io.containerd.image.name", "org.opencontainers.image.ref.name"
INDEX, MANIFEST = "index.json", "manifest.json"
DESCRIPTION_LIMIT = 16 << 20
"""Bytes of an archive's index or manifest."""


def load(state: ClusterState, places: Places, source: str) -> list[str]:
    """The full names of the images that were brought in; ClusterFailure says what hinders it."""
    check_runs(state, places)
    with archive_of(source) as (path, stem):
        return import_archive(places, path, stem)


def check_runs(state: ClusterState, places: Places) -> None:
    """ClusterFailure unless the cluster has containers and its containerd runs."""
    if state.simulated:
        raise ClusterFailure(f"the containers of {state.name} are simulated: every image is there", "a cluster with containers needs root")
    if launch.running(places, launch.CONTAINERD) is None:
        raise ClusterFailure(f"the cluster {state.name} does not run", f"start it: pilothouse up --name {state.name}")


@contextmanager
def archive_of(source: str) -> Iterator[tuple[Path, str]]:
    """The archive as a file, and a name for an image in it that has none."""
    path = Path(source)
    if source != "-" and path.is_file():
        yield path, path.name.partition(".")[0]
        return
    with tempfile.NamedTemporaryFile(prefix="pilothouse-image-", suffix=".tar") as file:
        if source == "-":
            import sys

            shutil.copyfileobj(sys.stdin.buffer, file)
            file.flush()
        else:
            save(source, Path(file.name))
        yield Path(file.name), "image"


def save(name: str, path: Path) -> None:
    """Have docker or podman write the image to a file; ClusterFailure when neither has it."""
    try:
        full = with_default_tag(name)
    except InvalidReference as error:
        raise ClusterFailure(
            f"{name}: no such file, and no name of an image ({error})", "name a tar, or an image of docker or podman"
        ) from error
    tried: list[str] = []
    for command in savers():
        with path.open("wb") as output:
            done = subprocess.run([*command, "save", full], stdout=output, stderr=subprocess.PIPE, text=False, check=False)
        if done.returncode == 0:
            return
        tried.append(f"{' '.join(command)}: {done.stderr.decode(errors='replace').strip()}")
    told = "\n".join(f"  {line}" for line in tried) or "  neither docker nor podman is on this machine"
    raise ClusterFailure(
        f"there is no file {name}, and no image of that name was found here:\n{told}", "build or pull it, or name a tar of it"
    )


def savers() -> Iterator[list[str]]:
    """Commands that may save the image: docker, podman, and podman as the user who called sudo."""
    path = f"{os.environ.get('PATH', '')}:{linux.SYSTEM_PATH}"
    if docker := shutil.which("docker", path=path):
        yield [docker]
    if podman := shutil.which("podman", path=path):
        yield [podman]
        user, runuser = sudo_id("SUDO_UID", 0), shutil.which("runuser", path=path)
        with suppress(KeyError):
            if user and runuser:
                yield [runuser, "-u", pwd.getpwuid(user).pw_name, "--", podman]


def import_archive(places: Places, path: Path, stem: str) -> list[str]:
    """Bring the images of a tar into the cluster's containerd, with their full names."""
    try:
        with tarfile.open(path, "r:*") as archive:
            described = descriptions(archive)
            names, index = named(described, stem)
            if not names:
                raise ClusterFailure(f"{path} names no image", "write it with the image's name: docker save NAME, podman save NAME")
            run_import(places, archive, index)
    except (tarfile.TarError, EOFError) as error:
        told = str(error).partition(":")[0]  # tarfile tells of each compression that it tried
        raise ClusterFailure(f"{path} is no archive of images: {told}", "make one: docker save NAME -o FILE") from error
    return names


def descriptions(archive: tarfile.TarFile) -> Mapping[str, Any]:
    """The archive's index and manifest, as far as it has them."""
    by_name: dict[str, Any] = {}
    for member in archive:
        name = member.name.removeprefix("./")
        file = archive.extractfile(member) if name in (INDEX, MANIFEST) and member.size <= DESCRIPTION_LIMIT else None
        if file is not None:
            try:
                by_name[name] = json.loads(file.read())
            except ValueError as error:
                raise tarfile.TarError(f"{name} is no JSON") from error
    if not by_name:
        raise tarfile.TarError(f"it has neither {MANIFEST} nor {INDEX}")
    return by_name


def named(described: Mapping[str, Any], stem: str) -> tuple[list[str], Any]:
    """The images' full names, and the index with these names in it (None for an archive without one).

    containerd takes the index before the manifest that docker writes beside it.
    """
    index = described.get(INDEX)
    tags = [tag for entry in described.get(MANIFEST) or [] for tag in entry.get("RepoTags") or []]
    if index is None:
        return [full_name(tag) for tag in tags], None
    names: list[str] = []
    manifests = index.get("manifests") or []
    for number, entry in enumerate(manifests):
        annotations = entry.setdefault("annotations", {})
        own = annotations.get(NAME) or of_reference(annotations.get(REF_NAME, ""), stem)
        if not own and len(manifests) == len(tags):
            own = tags[number]
        if own:
            annotations[NAME] = full_name(own)
            names.append(annotations[NAME])
    return list(dict.fromkeys(names)), index


def of_reference(reference: str, stem: str) -> str:
    """The name in an OCI reference annotation, which may be a tag alone."""
    if not reference or "/" in reference or ":" in reference:
        return reference
    return f"{stem}:{reference}"


def full_name(image: str) -> str:
    """`docker.io/library/web:1` for `web:1`; ClusterFailure for what is no name."""
    try:
        reference = parse(with_default_tag(image))
    except InvalidReference as error:
        raise ClusterFailure(f"{image!r} is no name of an image: {error}", "give the image another name, then save it again") from error
    return f"{reference.name}:{reference.tag}" if reference.tag else f"{reference.name}@{reference.digest}"


def run_import(places: Places, archive: tarfile.TarFile, index: Any) -> None:
    """Hand the archive over to containerd, with `index` in the place of its own."""
    command = ["ctr", "--address", str(places.containerd.socket), "--namespace", NAMESPACE, "images", "import", "-"]
    environment = linux.environment()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=said, stderr=said, env=environment)
        assert process.stdin is not None
        with suppress(BrokenPipeError), tarfile.open(fileobj=process.stdin, mode="w|", format=tarfile.PAX_FORMAT) as output:
            copy(archive, output, index)
        with suppress(BrokenPipeError):
            process.stdin.close()
        process.wait()
        said.seek(0)
        told = said.read().decode(errors="replace").strip()
    if process.returncode:
        raise ClusterFailure(f"containerd does not take the archive: {told}", "is it for this machine's architecture, and whole?")


def copy(archive: tarfile.TarFile, output: tarfile.TarFile, index: Any) -> None:
    """Copy an image archive; a given `index` replaces its index."""
    for member in archive:
        name = member.name.removeprefix("./")
        if name == INDEX and index is not None:
            data = json.dumps(index).encode()
            entry = tarfile.TarInfo(INDEX)
            entry.size = len(data)
            output.addfile(entry, io.BytesIO(data))
        elif member.isfile():
            output.addfile(member, archive.extractfile(member))
        else:
            output.addfile(member)


def list_images(state: ClusterState, places: Places) -> Sequence[Image]:
    """Images of the cluster's runtime."""
    from pilothouse.kubelet.runtime.cri import CriRuntime

    check_runs(state, places)

    async def asked() -> Sequence[Image]:
        runtime = CriRuntime(str(places.containerd.socket), SystemClock())
        try:
            return await runtime.list_images()
        finally:
            await runtime.close()

    return asyncio.run(asked())


def text(images: Sequence[Image]) -> str:
    """Images as text: one line for each name, or the digest without one."""
    rows = [("IMAGE", "TAG", "IMAGE ID", "SIZE")]
    for image in images:
        size = f"{image.size / 1_000_000:.1f}MB"
        identity = image.id.removeprefix("sha256:")[:13]
        names = [(name, tag) for name, _, tag in (tag.rpartition(":") for tag in image.tags)]
        names = names or [(digest.partition("@")[0], "<none>") for digest in image.digests[:1]] or [("<none>", "<none>")]
        rows += [(name, tag, identity, size) for name, tag in names]
    rows[1:] = sorted(rows[1:])
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "\n".join("   ".join([*(cell.ljust(width) for cell, width in zip(row[:3], widths, strict=True)), row[3]]) for row in rows)
