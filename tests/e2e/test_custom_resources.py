"""Custom resources as their users meet them: real kubectl, the Python client, and an operator on kopf, against the API server alone."""

from __future__ import annotations

import importlib
import itertools
import json
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.test_kubectl_api import Run
from tests.e2e.tools import minor, oldest_and_newest
from tests.unit.apiserver.serving import Served, serving_in_thread

kubernetes: Any = importlib.import_module("kubernetes")
NUMBERS = itertools.count()
PATIENCE_SECONDS = 60
DEFINITION = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: ponds.GROUP}
spec:
  group: GROUP
  scope: Namespaced
  names: {plural: ponds, singular: pond, kind: Pond, shortNames: [pd], categories: [waters]}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        description: A pond with ducks.
        properties:
          spec:
            type: object
            properties:
              ducks: {type: integer, minimum: 0, default: 2, description: How many ducks.}
          status:
            type: object
            x-kubernetes-preserve-unknown-fields: true
            properties: {ducks: {type: integer}, selector: {type: string}}
    subresources:
      status: {}
      scale: {specReplicasPath: .spec.ducks, statusReplicasPath: .status.ducks, labelSelectorPath: .status.selector}
    additionalPrinterColumns:
    - {name: Ducks, type: integer, jsonPath: .spec.ducks}
    - {name: Seen, type: integer, jsonPath: .status.ducks, priority: 1}
    - {name: Age, type: date, jsonPath: .metadata.creationTimestamp}
"""
POND = "apiVersion: GROUP/v1\nkind: Pond\nmetadata: {name: NAME}\nspec: {ducks: 3}\n"


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with tempfile.TemporaryDirectory() as folder, serving_in_thread(Path(folder)) as running:
        yield running


@pytest.fixture(params=oldest_and_newest())
def kubectl(request: pytest.FixtureRequest, served: Served) -> Run:
    run = Run(oldest_and_newest()[request.param], served.kubeconfig(), f"ponds-{next(NUMBERS)}")
    run("create", "namespace", run.namespace)
    return run


def group_of(kubectl: Run) -> str:
    """A group of its own for each test."""
    return f"{kubectl.namespace}.example.com"


def defined(kubectl: Run) -> str:
    """The group, when its kind is served."""
    group = group_of(kubectl)
    kubectl("apply", "-f", "-", text=DEFINITION.replace("GROUP", group))
    kubectl("wait", "--for=condition=Established", f"crd/ponds.{group}", "--timeout=30s")
    return group


def pond(group: str, name: str = "a") -> str:
    return POND.replace("GROUP", group).replace("NAME", name)


def test_apply_get_scale_and_delete(kubectl: Run) -> None:
    group = defined(kubectl)
    kind = f"ponds.{group}"
    assert kubectl("apply", "-f", "-", text=pond(group)).stdout == f"pond.{group}/a created\n"
    assert kubectl("apply", "-f", "-", text=pond(group)).stdout == f"pond.{group}/a unchanged\n"
    assert kubectl("apply", "-f", "-", text=pond(group).replace("ducks: 3", "ducks: 4")).stdout == f"pond.{group}/a configured\n"
    rows = [line.split() for line in kubectl("get", kind).stdout.splitlines()]
    assert (rows[0], rows[1][:2]) == (["NAME", "DUCKS", "AGE"], ["a", "4"])
    assert kubectl("get", kind, "-o", "wide").stdout.splitlines()[0].split() == ["NAME", "DUCKS", "SEEN", "AGE"]
    kubectl("scale", f"{kind}/a", "--replicas=7")
    assert kubectl("get", f"{kind}/a", "-o", "jsonpath={.spec.ducks}").stdout == "7"
    kubectl("patch", f"{kind}/a", "--type=merge", "-p", '{"spec":{"ducks":null}}')
    assert kubectl("get", f"{kind}/a", "-o", "jsonpath={.spec.ducks}").stdout == "2"
    kubectl("label", f"{kind}/a", "depth=deep")
    assert kubectl("get", kind, "-l", "depth=deep", "-o", "name").stdout == f"pond.{group}/a\n"
    assert kubectl("delete", f"{kind}/a", code=0)


def test_what_does_not_fit_is_refused(kubectl: Run) -> None:
    group = defined(kubectl)
    refused = kubectl("create", "-f", "-", text=pond(group).replace("ducks: 3", "ducks: -1"), code=1)
    assert "spec.ducks: Invalid value: -1: spec.ducks in body should be greater than or equal to 0" in refused.stderr
    unknown = kubectl("create", "-f", "-", text=pond(group).replace("ducks: 3", "geese: 3"), code=1)
    assert 'unknown field "geese"' in unknown.stderr or 'unknown field "spec.geese"' in unknown.stderr


def test_explain_and_names(kubectl: Run) -> None:
    group = defined(kubectl)
    version = f"--api-version={group}/v1"
    assert "A pond with ducks." in kubectl("explain", "ponds", version).stdout
    assert "How many ducks." in kubectl("explain", "ponds.spec.ducks", version).stdout
    listed = kubectl("api-resources", f"--api-group={group}", "--no-headers").stdout.split()
    assert listed[:2] == ["ponds", "pd"]


def test_server_side_apply(kubectl: Run) -> None:
    if minor(kubectl.binary) < 22:
        pytest.skip("server-side apply of this kubectl is older")
    group = defined(kubectl)
    kubectl("apply", "--server-side", "-f", "-", text=pond(group))
    conflict = kubectl(
        "apply", "--server-side", "--field-manager=other", "-f", "-", text=pond(group).replace("ducks: 3", "ducks: 5"), code=1
    )
    assert 'conflict with "kubectl": .spec.ducks' in conflict.stderr


def test_instances_go_with_their_definition(kubectl: Run) -> None:
    group = defined(kubectl)
    kubectl("apply", "-f", "-", text=pond(group))
    kubectl("delete", f"crd/ponds.{group}", "--timeout=60s")
    assert kubectl("get", f"ponds.{group}", code=1).stderr
    defined(kubectl)
    assert kubectl("get", f"ponds.{group}", "-o", "name").stdout == ""


def test_the_python_client(served: Served) -> None:
    group = "python.example.com"
    with kubernetes.config.new_client_from_config(str(served.kubeconfig())) as api:
        definitions, objects = kubernetes.client.ApiextensionsV1Api(api), kubernetes.client.CustomObjectsApi(api)
        yaml = importlib.import_module("yaml")
        definitions.create_custom_resource_definition(yaml.safe_load(DEFINITION.replace("GROUP", group)))

        def is_established() -> bool:
            found = definitions.read_custom_resource_definition(f"ponds.{group}").status.conditions or ()
            return any(condition.type == "Established" for condition in found)

        until(is_established)
        made = objects.create_namespaced_custom_object(group, "v1", "default", "ponds", yaml.safe_load(pond(group)))
        assert made["spec"] == {"ducks": 3}
        events = kubernetes.watch.Watch().stream(objects.list_namespaced_custom_object, group, "v1", "default", "ponds", timeout_seconds=5)
        assert next(iter(events))["object"]["metadata"]["name"] == "a"
        objects.patch_namespaced_custom_object_status(group, "v1", "default", "ponds", "a", {"status": {"ducks": 1}})
        assert objects.get_namespaced_custom_object_scale(group, "v1", "default", "ponds", "a")["status"]["replicas"] == 1


OPERATOR = """
import kopf

@kopf.on.startup()
def configure(settings, **_):
    settings.posting.enabled = False
    settings.scanning.disabled = True

@kopf.on.create("GROUP", "v1", "ponds")
@kopf.on.update("GROUP", "v1", "ponds", field="spec.ducks")
def count(spec, patch, **_):
    patch.status["ducks"] = spec["ducks"]

@kopf.timer("GROUP", "v1", "ponds", interval=0.5)
def tick(status, patch, **_):
    patch.status["ticks"] = status.get("ticks", 0) + 1

@kopf.on.delete("GROUP", "v1", "ponds")
def leave(name, logger, **_):
    logger.info(f"{name} is left")
"""


def until(holds: Callable[[], Any]) -> Any:
    """What `holds` gives as soon as that is true."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if found := holds():
            return found
        time.sleep(0.2)
    raise AssertionError("it did not come true")


def test_an_operator_on_kopf(served: Served, tmp_path: Path) -> None:
    run = Run(oldest_and_newest()[list(oldest_and_newest())[-1]], served.kubeconfig(), "default")
    group = "kopf.example.com"
    run("apply", "-f", "-", text=DEFINITION.replace("GROUP", group))
    run("wait", "--for=condition=Established", f"crd/ponds.{group}", "--timeout=30s")
    file = tmp_path / "operator.py"
    file.write_text(textwrap.dedent(OPERATOR.replace("GROUP", group)))
    command = [sys.executable, "-m", "kopf", "run", str(file), "--namespace=default", "--standalone"]
    with (tmp_path / "log").open("w") as log:
        environment = {"KUBECONFIG": str(served.kubeconfig()), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
        operator = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            run("apply", "-f", "-", text=pond(group, "k"))

            def status() -> Any:
                return json.loads(run("get", f"ponds.{group}/k", "-o", "json").stdout).get("status", {})

            until(lambda: status().get("ducks") == 3 and status().get("ticks", 0) > 1)
            run("patch", f"ponds.{group}/k", "--type=merge", "-p", '{"spec":{"ducks":9}}')
            until(lambda: status().get("ducks") == 9)
            run("delete", f"ponds.{group}/k", "--timeout=60s")
            assert "k is left" in (tmp_path / "log").read_text()
        finally:
            operator.terminate()
            operator.wait(30)
