from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest

from pilothouse.node import images
from pilothouse.node.images import Image, Layer


@pytest.fixture
def archive() -> dict[str, bytes]:
    """The files of an OCI layout with two images in it."""
    layer = Layer()
    layer.directory("bin")
    layer.file("bin/tool", b"#!", 0o755)
    layer.link("bin/alias", "bin/tool")
    whole = images.archive([Image("a.local/one:1", layer.finish(), {"Cmd": ["tool"]}), Image("a.local/two:2", b"\0" * 1024, {})])
    with tarfile.open(fileobj=io.BytesIO(whole)) as opened:
        return {member.name: file.read() for member in opened.getmembers() if (file := opened.extractfile(member))}


def manifest_of(archive: dict[str, bytes], entry: dict[str, str]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = json.loads(archive["blobs/sha256/" + entry["digest"].removeprefix("sha256:")])
    return found


def test_every_blob_lies_under_its_digest(archive: dict[str, bytes]) -> None:
    blobs = {path: content for path, content in archive.items() if path.startswith("blobs/")}
    assert blobs
    for path, content in blobs.items():
        assert path == f"blobs/sha256/{hashlib.sha256(content).hexdigest()}"


def test_images_bear_their_names_and_what_a_registry_would_call_them(archive: dict[str, bytes]) -> None:
    index = json.loads(archive["index.json"])
    named = [(one["annotations"]["io.containerd.image.name"], one["digest"]) for one in index["manifests"]]
    (_, first), _, (_, second), _ = named
    assert named == [
        *(("a.local/one:1", first), (f"a.local/one@{first}", first)),
        *(("a.local/two:2", second), (f"a.local/two@{second}", second)),
    ]


def test_the_layer_is_what_the_configuration_says(archive: dict[str, bytes]) -> None:
    manifest = manifest_of(archive, json.loads(archive["index.json"])["manifests"][0])
    config = manifest_of(archive, manifest["config"])
    assert config["rootfs"]["diff_ids"] == [manifest["layers"][0]["digest"]]  # type: ignore[index]
    assert config["config"] == {"Cmd": ["tool"]}


def test_equal_input_gives_equal_bytes() -> None:
    assert images.archive([images.pause_image()]) == images.archive([images.pause_image()])


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(b"\x7fELF" + bytes(900), True, id="names no loader"),
        pytest.param(b"\x7fELF" + bytes(900) + b"/lib64/ld-linux-x86-64.so.2\0", False, id="names glibc's loader"),
        pytest.param(b"\x7fELF" + bytes(900) + b"/lib/ld-musl-x86_64.so.1\0", False, id="names musl's loader"),
        pytest.param(b"#!/bin/sh\n", False, id="is a script"),
        pytest.param(None, False, id="is not there"),
    ],
)
def test_only_a_static_busybox_goes_into_an_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None, expected: bool
) -> None:
    program = tmp_path / "busybox"
    if content is not None:
        program.write_bytes(content)
    assert images.is_static(program) == expected
    monkeypatch.setattr(images, "BUSYBOX_PATHS", (tmp_path / "nothing", program))
    if expected:
        assert images.busybox_path() == program
    else:
        with pytest.raises(FileNotFoundError, match="busybox-static is not installed"):
            images.busybox_path()
