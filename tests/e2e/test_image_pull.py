"""Images that are not there yet: pulled, refused, pulled with credentials, pulled by a node agent that is killed meanwhile."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pilothouse.node import images
from tests.e2e.conftest import NAME
from tests.e2e.registry import PASSWORD, PORT, USER, Registry, basic, serving
from tests.e2e.tools import Kubectl, pilothouse, until

HOST = f"localhost:{PORT}"


def layer(number: int) -> bytes:
    """Busybox, and a file that makes its layer one that containerd does not have."""
    made = images.Layer()
    made.directory("bin")
    made.file("number", str(number).encode())
    made.file("bin/sleep", images.busybox_path().read_bytes(), 0o755)
    return made.finish()


@pytest.fixture(scope="module")
def registry(kubeconfig: Path) -> Iterator[Registry]:
    names = ("open", "other", "slow", "private/closed")
    with serving(f"pilothouse-{NAME}", {name: layer(number) for number, name in enumerate(names)}) as made:
        yield made


def pod(name: str, image: str, **spec: Any) -> dict[str, Any]:
    whole = {"terminationGracePeriodSeconds": 1, "containers": [{"name": "app", "image": image}], **spec}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": whole}


def events(kubectl: Kubectl, name: str) -> list[str]:
    found = kubectl.get("events", "--field-selector", f"involvedObject.name={name}")
    return [f"{one['reason']}: {one['message']}" for one in found["items"]]


def waiting(kubectl: Kubectl, name: str) -> dict[str, str]:
    statuses = kubectl.get("pod", name)["status"].get("containerStatuses", [])
    found: dict[str, str] = statuses[0]["state"].get("waiting", {}) if statuses else {}
    return found


def pulled(kubectl: Kubectl, name: str) -> bool:
    return any(one.startswith("Pulled: Successfully") for one in events(kubectl, name))


def runs(kubectl: Kubectl, name: str) -> None:
    kubectl("wait", "--for=condition=Ready", f"pod/{name}", "--timeout=45s")


def test_an_image_is_pulled(kubectl: Kubectl, registry: Registry) -> None:
    kubectl.apply(pod("puller", f"{HOST}/open:1"))
    runs(kubectl, "puller")
    told = until("both events", lambda: [one for one in events(kubectl, "puller") if "Pull" in one][1:] and events(kubectl, "puller"))
    image = re.escape(f'"{HOST}/open:1"')
    assert any(re.fullmatch(f"Pulling: Pulling image {image}", one) for one in told)
    words = rf"Pulled: Successfully pulled image {image} in \S+ \(\S+ including waiting\)\. Image size: \d+ bytes\."
    assert any(re.fullmatch(words, one) for one in told), told
    status = kubectl.get("pod", "puller")["status"]["containerStatuses"][0]
    assert status["image"] == f"{HOST}/open:1"
    assert status["imageID"].startswith(f"{HOST}/open@sha256:")


def test_the_policy_always_asks_the_registry_again(kubectl: Kubectl, registry: Registry) -> None:
    for name in ("first", "second"):
        wanted = pod(name, f"{HOST}/other:1")
        wanted["spec"]["containers"][0]["imagePullPolicy"] = "Always"
        kubectl.apply(wanted)
        runs(kubectl, name)
        until("it is told", partial(pulled, kubectl, name))


def test_what_the_registry_does_not_have_is_told(kubectl: Kubectl, registry: Registry) -> None:
    kubectl.apply(pod("absent", f"{HOST}/absent:1"))
    until("it backs off", lambda: waiting(kubectl, "absent").get("reason") == "ImagePullBackOff")
    message = waiting(kubectl, "absent")["message"]
    assert message.startswith(f'Back-off pulling image "{HOST}/absent:1": ErrImagePull: rpc error: code = NotFound desc = ')
    assert "not found" in message


def test_a_private_image_is_pulled_once_its_secret_is_there(kubectl: Kubectl, registry: Registry) -> None:
    image = f"{HOST}/private/closed:1"
    kubectl.apply(pod("member", image, imagePullSecrets=[{"name": "key"}]))
    until("it is refused", lambda: waiting(kubectl, "member").get("reason") in {"ErrImagePull", "ImagePullBackOff"})
    told = until("it is told", lambda: [one for one in events(kubectl, "member") if one.startswith("Failed: Failed to pull image")])
    assert "401 Unauthorized" in told[0] or "authorization failed" in told[0], told
    assert any("Unable to retrieve some image pull secrets (key)" in one for one in events(kubectl, "member"))
    auth = json.dumps({"auths": {HOST: {"auth": basic(USER, PASSWORD).split()[1]}}})
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "key"}, "type": "kubernetes.io/dockerconfigjson"}
    kubectl.apply({**secret, "stringData": {".dockerconfigjson": auth}})
    runs(kubectl, "member")


def test_a_node_agent_that_is_killed_in_a_pull_begins_it_again(kubectl: Kubectl, registry: Registry, kubeconfig: Path) -> None:
    with registry.slowly():
        kubectl.apply(pod("patient", f"{HOST}/slow:1"))
        assert registry.asked_for_layers.wait(30)
        os.kill(int(Path(f"/run/pilothouse/{NAME}/node-agent.pid").read_text().split()[0]), signal.SIGKILL)
    up = pilothouse("up", "--no-egress", "--name", NAME, environment={"KUBECONFIG": str(kubeconfig)})
    assert up.returncode == 0, up.stderr
    runs(kubectl, "patient")
    assert kubectl.get("pod", "patient")["status"]["containerStatuses"][0]["restartCount"] == 0
