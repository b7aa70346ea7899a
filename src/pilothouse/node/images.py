"""Images made locally, so that a cluster works with no registry and no network: the pause image and a demo image.

An image is a tar in OCI layout with one uncompressed layer; equal input gives equal bytes, so its digest is its version.
Bringing it into containerd: `ctr images import`, see node/containerd.py.
"""

from __future__ import annotations

import hashlib
import io
import json
import platform
import subprocess
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pilothouse.node import pause
from pilothouse.node.busybox import contents

PAUSE = "pilothouse.local/pause:1"
BUSYBOX = "pilothouse.local/busybox:1"

BUSYBOX_PATHS = (Path("/bin/busybox"), Path("/usr/bin/busybox"))
"""Where Debian's busybox-static lies."""

RECIPE = 3
"""Of this module: raised when it would make something else from the same ingredients."""

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}

LAYER = "application/vnd.oci.image.layer.v1.tar"
CONFIG = "application/vnd.oci.image.config.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"

BUSYBOX_FILES = {
    "etc/passwd": b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
    "etc/group": b"root:x:0:\nnogroup:x:65534:\n",
    "etc/nsswitch.conf": b"hosts: files dns\n",
}
BUSYBOX_DIRECTORIES = (
    *("bin", "sbin", "usr", "usr/bin", "usr/sbin", "etc", "dev", "proc", "sys"),
    *("root", "home", "var", "var/www", "run", "mnt"),
)


@dataclass(slots=True)
class Layer:
    """A file tree as tar, built in the order given; owner root, time zero."""

    buffer: io.BytesIO = field(default_factory=io.BytesIO)
    archive: tarfile.TarFile = field(init=False)

    def __post_init__(self) -> None:
        self.archive = tarfile.TarFile(fileobj=self.buffer, mode="w", format=tarfile.USTAR_FORMAT)

    def directory(self, path: str, mode: int = 0o755) -> None:
        """Add a directory at `path`."""
        self._add(path, tarfile.DIRTYPE, mode)

    def file(self, path: str, content: bytes, mode: int = 0o644) -> None:
        """Add a regular file with this content at `path`."""
        self._add(path, tarfile.REGTYPE, mode, content=content)

    def link(self, path: str, target: str) -> None:
        """A hard link to what is already in the layer."""
        self._add(path, tarfile.LNKTYPE, 0o755, target=target)

    def finish(self) -> bytes:
        """Close the layer and give its tar, uncompressed. Nothing can be added afterwards."""
        self.archive.close()
        return self.buffer.getvalue()

    def _add(self, path: str, kind: bytes, mode: int, *, content: bytes = b"", target: str = "") -> None:
        entry = tarfile.TarInfo(path)
        entry.type, entry.mode, entry.size, entry.linkname = kind, mode, len(content), target
        self.archive.addfile(entry, io.BytesIO(content))


@dataclass(frozen=True, slots=True)
class Image:
    """An image of one layer, with its full name and the settings that its containers start from."""

    name: str
    layer: bytes
    settings: dict[str, object]


def architecture() -> str:
    """This machine's architecture as images name it; ValueError when there is no pause program for it."""
    machine = platform.machine()
    if machine not in ARCHITECTURES:
        raise ValueError(f"no pause program for the architecture {machine}")
    return ARCHITECTURES[machine]


def local_images() -> bytes:
    """All local images as one tar in OCI layout: an import is quicker than two, and two at once get in each other's way."""
    return archive([pause_image(), busybox_image(busybox_path())])


def version() -> str:
    """Changes whenever `local_images` would give something else: cheap to ask."""
    facts = busybox_path().stat()
    return f"{RECIPE} {architecture()} {facts.st_size} {facts.st_mtime_ns}"


def busybox_path() -> Path:
    """The machine's statically linked busybox. Raises FileNotFoundError when none is installed."""
    for path in BUSYBOX_PATHS:
        if is_static(path):
            return path
    raise FileNotFoundError("busybox-static is not installed")


def is_static(program: Path) -> bool:
    """Whether the program runs where no library is: its ELF headers name no loader."""
    try:
        with program.open("rb") as file:
            head = file.read(4096)
    except OSError:
        return False
    return head.startswith(b"\x7fELF") and b"/ld-linux" not in head and b"/ld-musl" not in head


def pause_image() -> Image:
    """The image of pod sandboxes: one static program for this machine's architecture that waits for a signal."""
    layer = Layer()
    layer.file("pause", pause.program(architecture()), 0o755)
    return Image(PAUSE, layer.finish(), {"Entrypoint": ["/pause"], "User": "65535:65535"})


def busybox_image(busybox: Path) -> Image:
    """Debian's static busybox with a link for each of its applets."""
    layer = Layer()
    for directory in BUSYBOX_DIRECTORIES:
        layer.directory(directory)
    layer.directory("tmp", 0o1777)
    for path, content in BUSYBOX_FILES.items():
        layer.file(path, content)
    program, scripts = contents(busybox)
    layer.file("bin/busybox", program, 0o755)
    for applet in _applets(busybox):
        if applet not in scripts:
            layer.link(applet, "bin/busybox")
    for path, script in scripts.items():
        layer.file(path, script, 0o755)
    search = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return Image(BUSYBOX, layer.finish(), {"Cmd": ["sh"], "Env": [f"PATH={search}"]})


def archive(members: Sequence[Image]) -> bytes:
    """A tar in OCI layout of images of one layer each."""
    blobs: dict[str, bytes] = {}
    manifests = [entry for member in members for entry in _entries(member, blobs)]
    whole = Layer()
    whole.file("oci-layout", _json({"imageLayoutVersion": "1.0.0"}))
    whole.file("index.json", _json({"schemaVersion": 2, "manifests": manifests}))
    for path, content in blobs.items():
        whole.file(path, content)
    return whole.finish()


def _entries(member: Image, blobs: dict[str, bytes]) -> list[dict[str, object]]:
    """The index's entries for one image, by its tag and by its digest (as when a registry gave it: Pods show that as imageID).

    What it is made of is put into `blobs`.
    """

    def descriptor(kind: str, content: bytes) -> dict[str, object]:
        digest = hashlib.sha256(content).hexdigest()
        blobs[f"blobs/sha256/{digest}"] = content
        return {"mediaType": kind, "digest": f"sha256:{digest}", "size": len(content)}

    layer = descriptor(LAYER, member.layer)
    config = {
        "architecture": architecture(),
        "os": "linux",
        "created": "1970-01-01T00:00:00Z",
        "config": member.settings,
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]},
    }
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": descriptor(CONFIG, _json(config)), "layers": [layer]}
    described = descriptor(MANIFEST, _json(manifest))
    repository, _, tag = member.name.rpartition(":")
    named = {"io.containerd.image.name": member.name, "org.opencontainers.image.ref.name": tag}
    by_digest = {"io.containerd.image.name": f"{repository}@{described['digest']}"}
    return [{**described, "annotations": named}, {**described, "annotations": by_digest}]


def _applets(busybox: Path) -> list[str]:
    """`bin/ls`, `usr/bin/nc`, ... as busybox itself lists them."""
    listed = subprocess.run([str(busybox), "--list-full"], capture_output=True, text=True, check=True).stdout.split()
    return sorted(path for path in set(listed) if path != "bin/busybox" and path.split("/")[0] in ("bin", "sbin", "usr"))


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()
