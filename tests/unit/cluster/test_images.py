from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import pytest

from pilothouse.cluster import images
from pilothouse.cluster.failure import ClusterFailure
from pilothouse.cluster.state import Places
from pilothouse.kubelet.runtime.images import Image


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        pytest.param("web", "docker.io/library/web:latest", id="bare"),
        pytest.param("web:1", "docker.io/library/web:1", id="with a tag"),
        pytest.param("team/web:1", "docker.io/team/web:1", id="with a folder"),
        pytest.param("localhost/web:1", "localhost/web:1", id="podman's own"),
        pytest.param("registry.example:5000/web:1", "registry.example:5000/web:1", id="a registry with a port"),
    ],
)
def test_full_names(image: str, expected: str) -> None:
    assert images.full_name(image) == expected


def index(*annotations: dict[str, str]) -> dict[str, Any]:
    return {"manifests": [{"annotations": one} for one in annotations]}


@pytest.mark.parametrize(
    ("described", "expected"),
    [
        pytest.param({"manifest.json": [{"RepoTags": ["a:1", "b/a:2"]}]}, ["docker.io/library/a:1", "docker.io/b/a:2"], id="docker"),
        pytest.param({"manifest.json": [{"RepoTags": None}]}, [], id="docker, by an id"),
        pytest.param({"index.json": index({images.NAME: "docker.io/library/a:1"})}, ["docker.io/library/a:1"], id="containerd"),
        pytest.param({"index.json": index({images.REF_NAME: "localhost/a:1"})}, ["localhost/a:1"], id="podman"),
        pytest.param({"index.json": index({images.REF_NAME: "1"})}, ["docker.io/library/stem:1"], id="a tag alone"),
        pytest.param({"index.json": index({})}, [], id="no name"),
        pytest.param(
            {"index.json": index({images.REF_NAME: "1"}), "manifest.json": [{"RepoTags": ["a:1"]}]},
            ["docker.io/library/stem:1"],
            id="docker's two descriptions",
        ),
        pytest.param(
            {"index.json": index({}), "manifest.json": [{"RepoTags": ["a:1"]}]}, ["docker.io/library/a:1"], id="the name in one of the two"
        ),
    ],
)
def test_which_images_an_archive_names(described: dict[str, Any], expected: list[str]) -> None:
    names, changed = images.named(described, "stem")
    assert names == expected
    if changed is not None:
        assert [one["annotations"].get(images.NAME) for one in changed["manifests"]] == (expected or [None])


def archive(path: Path, **files: bytes) -> Path:
    with tarfile.open(path, "w") as made:
        for name, content in files.items():
            entry = tarfile.TarInfo(name.replace("_", "."))
            entry.size = len(content)
            made.addfile(entry, io.BytesIO(content))
    return path


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        pytest.param(None, "is no archive of images", id="no tar"),
        pytest.param({"other_json": b"{}"}, "has neither manifest.json nor index.json", id="another tar"),
        pytest.param({"manifest_json": b"{"}, "is no JSON", id="damaged"),
        pytest.param({"manifest_json": b'[{"RepoTags": null}]'}, "names no image", id="without a name"),
    ],
)
def test_what_is_no_archive_is_told(tmp_path: Path, files: dict[str, bytes] | None, expected: str) -> None:
    path = tmp_path / "x.tar"
    if files is None:
        path.write_text("text")
    else:
        archive(path, **files)
    with pytest.raises(ClusterFailure, match=expected) as caught:
        images.import_archive(Places("dev", tmp_path), path, "x")
    assert caught.value.remedy


def test_the_list_has_a_line_for_each_name() -> None:
    found = [
        Image("sha256:" + "b" * 64, ("docker.io/library/web:2", "docker.io/library/web:1"), size=1_500_000),
        Image("sha256:" + "a" * 64, (), ("docker.io/library/old@sha256:" + "c" * 64,), size=10),
    ]
    assert images.text(found).splitlines() == [
        "IMAGE                   TAG      IMAGE ID        SIZE",
        "docker.io/library/old   <none>   aaaaaaaaaaaaa   0.0MB",
        "docker.io/library/web   1        bbbbbbbbbbbbb   1.5MB",
        "docker.io/library/web   2        bbbbbbbbbbbbb   1.5MB",
    ]
