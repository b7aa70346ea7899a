"""The operator beside this file, run as `kopf run` runs it, against a cluster in this process."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pilothouse.api.types.admissionregistration_v1 import MutatingWebhookConfiguration, ValidatingWebhookConfiguration
from pilothouse.api.types.core_v1 import ConfigMap, Event
from pilothouse.machinery.errors import StatusError
from pilothouse.testing import Cluster

HERE = Path(__file__).parent
PATIENCE_SECONDS = 60
GARDEN = """
apiVersion: example.com/v1
kind: Garden
metadata: {name: front, namespace: default}
spec: {plants: 3}
"""


def until(holds: Callable[[], Any]) -> Any:
    """What `holds` gives as soon as that is true: an operator works in its own time."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if seen := holds():
            return seen
        time.sleep(0.1)
    raise AssertionError("it did not come true")


@pytest.fixture
def operator(cluster: Cluster, tmp_path: Path) -> Iterator[None]:
    """The operator in a process of its own, with a webhook server on 127.0.0.1."""
    cluster.install(HERE / "crd.yaml")
    made = cluster.certificate("127.0.0.1")
    environment = {
        **os.environ,
        "KUBECONFIG": str(cluster.kubeconfig),
        "WEBHOOK_CERTIFICATE": str(made.certificate),
        "WEBHOOK_KEY": str(made.key),
        "WEBHOOK_AUTHORITY": str(made.authority),
    }
    command = [sys.executable, "-m", "kopf", "run", str(HERE / "gardener.py"), "--namespace=default", "--standalone"]
    log = tmp_path / "operator.log"
    with log.open("w") as written, subprocess.Popen(command, env=environment, stdout=written, stderr=written) as process:
        try:
            until(lambda: process.poll() is None and is_judged(cluster))
            yield
        except AssertionError:
            print(log.read_text())
            raise
        finally:
            process.terminate()


def is_judged(cluster: Cluster) -> bool:
    """Whether the operator's webhooks are registered."""
    kinds = (MutatingWebhookConfiguration, ValidatingWebhookConfiguration)
    return all(any(configuration.webhooks for configuration in cluster.list(kind)) for kind in kinds)


def garden(cluster: Cluster) -> Any:
    """The Garden as it stands."""
    kind = cluster.client.catalogue.by_kind("example.com", "v1", "Garden")
    assert kind is not None
    return cluster.get(kind.type, "front")


def test_a_garden_lives_and_goes(cluster: Cluster, operator: None) -> None:
    (made,) = cluster.apply(GARDEN)
    assert made.content["spec"] == {"plants": 3, "soil": "sand"}
    status = until(lambda: (said := garden(cluster).content.get("status", {})).get("waterings", 0) > 1 and said)
    assert status["plants"] == 3
    until(lambda: was_told(cluster, "somebody guards it"))
    assert garden(cluster).metadata.finalizers == ["example.com/gardener"]
    assert len(cluster.get(ConfigMap, "front-plants").data) == 3

    cluster.apply(GARDEN.replace("plants: 3", "plants: 5"))
    until(lambda: len(cluster.get(ConfigMap, "front-plants").data) == 5)

    cluster.delete(type(made), "front")
    until(lambda: not cluster.list(type(made)))
    until(lambda: not any(found.metadata.name == "front-plants" for found in cluster.list(ConfigMap)))
    until(lambda: was_told(cluster, "front is left to itself") and was_told(cluster, "nobody guards it any more"))


def was_told(cluster: Cluster, text: str) -> bool:
    """Whether the operator has posted an event with this text."""
    return any(text in event.message for event in cluster.list(Event))


def test_what_its_webhooks_refuse(cluster: Cluster, operator: None) -> None:
    with pytest.raises(StatusError, match="denied the request: a garden has at most 100 plants"):
        cluster.apply(GARDEN.replace("plants: 3", "plants: 300"))
    with pytest.raises(StatusError, match="should be greater than or equal to 1"):
        cluster.apply(GARDEN.replace("plants: 3", "plants: 0"))
