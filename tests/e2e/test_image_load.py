"""Images of this machine are brought into a cluster, from archives and from a program that has them, and its pods run them."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from pilothouse.node import images
from tests.e2e.conftest import NAME
from tests.e2e.tools import Kubectl, pilothouse


def oci_archive(path: Path, name: str) -> Path:
    path.write_bytes(images.archive([images.Image(name, images.pause_image().layer, images.pause_image().settings)]))
    return path


def run(kubectl: Kubectl, pod: str, image: str) -> None:
    kubectl("run", pod, f"--image={image}", "--image-pull-policy=Never")
    kubectl("wait", "--for=condition=Ready", f"pod/{pod}", "--timeout=180s")


@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "compressed"])
def test_an_archive_is_loaded_listed_and_run(kubectl: Kubectl, tmp_path: Path, compressed: bool) -> None:
    name = f"team/loaded-{'packed' if compressed else 'plain'}:3"
    path = oci_archive(tmp_path / "image.tar", f"docker.io/{name}")
    if compressed:
        plain, path = path, tmp_path / "image.tgz"
        with tarfile.open(plain) as source, tarfile.open(path, "w:gz") as target:
            for member in source:
                target.addfile(member, source.extractfile(member))
    loaded = pilothouse("image", "load", str(path), "--name", NAME)
    assert loaded.returncode == 0, loaded.stderr
    assert f"pilothouse: docker.io/{name} is in {NAME}\n" in loaded.stdout
    listed = pilothouse("image", "list", "--name", NAME).stdout.splitlines()
    assert ["docker.io/" + name.rpartition(":")[0], "3"] in [line.split()[:2] for line in listed]
    run(kubectl, "loaded", name)


def test_standard_input_and_a_program_that_has_the_image(kubectl: Kubectl, tmp_path: Path) -> None:
    path = oci_archive(tmp_path / "image.tar", "localhost/given:1")
    command = [sys.executable, "-m", "pilothouse", "image", "load", "-", "--name", NAME]
    with path.open("rb") as given:
        done = subprocess.run(command, stdin=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    run(kubectl, "given", "localhost/given:1")
    oci_archive(tmp_path / "saved.tar", "docker.io/library/saved:2")
    docker = tmp_path / "bin" / "docker"
    docker.parent.mkdir()
    docker.write_text(f'#!/bin/sh\n[ "$1 $2" = "save saved:2" ] && exec cat {tmp_path}/saved.tar\necho "No such image: $2" >&2; exit 1\n')
    docker.chmod(0o755)
    environment = {"PATH": f"{docker.parent}:/usr/sbin:/usr/bin:/sbin:/bin"}
    loaded = pilothouse("image", "load", "saved:2", "--name", NAME, environment=environment)
    assert loaded.returncode == 0, loaded.stderr
    run(kubectl, "saved", "saved:2")
    refused = pilothouse("image", "load", "nowhere:1", "--name", NAME, environment=environment)
    assert (refused.returncode, "No such image: nowhere:1" in refused.stderr, "what to do" in refused.stderr) == (1, True, True)


def test_the_demo_images_wget_keeps_a_time_limit(kubectl: Kubectl) -> None:
    kubectl("run", "asker", f"--image={images.BUSYBOX}", "--command", "--", "sleep", "3600")
    kubectl("wait", "--for=condition=Ready", "pod/asker", "--timeout=180s")
    silent = "nc -l -p 8080 -e sleep 600 > /dev/null 2>&1 & sleep 1; wget -T 2 -q -O - http://127.0.0.1:8080/"
    done = kubectl.run("exec", "asker", "--", "sh", "-c", silent)
    assert (done.returncode, "wget: download timed out" in done.stderr) == (1, True), done.stderr
    served = "mkdir -p /tmp/w; echo hello > /tmp/w/index.html; httpd -p 8081 -h /tmp/w; wget -T 5 -q -O - http://127.0.0.1:8081/"
    assert kubectl("exec", "asker", "--", "sh", "-c", served) == "hello\n"
