"""Real kubectl, the oldest and the newest at hand, against the API server alone: registry on a memory store, no nodes, no root."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.e2e.tools import minor, oldest_and_newest
from tests.unit.apiserver.serving import Served, serving_in_thread

NAMESPACES = itertools.count()
POD = """
apiVersion: v1
kind: Pod
metadata:
  name: {name}
  labels: {{app: web}}
spec:
  containers:
  - name: web
    image: registry.local/web:1
    ports: [{{containerPort: 80}}]
"""
DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: web, image: "registry.local/web:1"}
"""


@dataclass(frozen=True)
class Run:
    """One kubectl with one kubeconfig: call it with arguments, get what it printed; `code` is the exit code that is expected."""

    binary: Path
    kubeconfig: Path
    namespace: str

    def command(self, *arguments: str) -> list[str]:
        return [str(self.binary), f"--kubeconfig={self.kubeconfig}", f"--namespace={self.namespace}", *arguments]

    def __call__(self, *arguments: str, text: str = "", code: int | None = 0) -> subprocess.CompletedProcess[str]:
        home = self.kubeconfig.parent / f"home-{self.binary.name}"
        environment = {**os.environ, "HOME": str(home), "EDITOR": "sed -i s/web:1/web:2/"}
        command = self.command(*arguments)
        done = subprocess.run(command, input=text, env=environment, capture_output=True, text=True, timeout=180, check=False)
        assert code is None or done.returncode == code, f"{arguments}: {done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stdout + done.stderr
        return done


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with tempfile.TemporaryDirectory() as folder, serving_in_thread(Path(folder)) as one:
        yield one


@pytest.fixture(params=oldest_and_newest())
def kubectl(request: pytest.FixtureRequest, served: Served) -> Run:
    run = Run(oldest_and_newest()[request.param], served.kubeconfig(), f"test-{next(NAMESPACES)}")
    run("create", "namespace", run.namespace)
    run("create", "serviceaccount", "default")  # no controller runs here that would make it
    return run


def test_apply_creates_then_configures_then_leaves_alone(kubectl: Run) -> None:
    assert kubectl("apply", "-f", "-", text=POD.format(name="web")).stdout == "pod/web created\n"
    assert kubectl("apply", "-f", "-", text=POD.format(name="web")).stdout == "pod/web unchanged\n"
    changed = POD.format(name="web").replace("app: web", "app: other")
    assert kubectl("apply", "-f", "-", text=changed).stdout == "pod/web configured\n"


def test_get_in_every_form(kubectl: Run) -> None:
    kubectl("apply", "-f", "-", text=POD.format(name="web"))
    wide = kubectl("get", "pods", "-o", "wide").stdout.splitlines()
    assert wide[0].split() == ["NAME", "READY", "STATUS", "RESTARTS", "AGE", "IP", "NODE", "NOMINATED", "NODE", "READINESS", "GATES"]
    assert wide[1].split()[:3] == ["web", "0/1", "Pending"]
    assert "image: registry.local/web:1" in kubectl("get", "pod", "web", "-o", "yaml").stdout
    assert json.loads(kubectl("get", "pod", "web", "-o", "json").stdout)["metadata"]["name"] == "web"
    assert json.loads(kubectl("get", "pods", "-o", "json").stdout)["items"][0]["kind"] == "Pod"
    assert kubectl("get", "pod", "web", "-o", "jsonpath={.spec.containers[*].image}").stdout == "registry.local/web:1"
    columns = kubectl("get", "pods", "-o", "custom-columns=N:.metadata.name,I:.spec.containers[0].image").stdout
    assert columns.split() == ["N", "I", "web", "registry.local/web:1"]
    assert kubectl("get", "pods", "-o", "name").stdout == "pod/web\n"


def test_selectors_and_labels(kubectl: Run) -> None:
    for name in ("one", "two"):
        kubectl("apply", "-f", "-", text=POD.format(name=name))
    kubectl("label", "pod", "two", "tier=back")
    assert kubectl("get", "pods", "-l", "tier=back", "-o", "name").stdout == "pod/two\n"
    assert kubectl("get", "pods", "-l", "tier!=back,app in (web)", "-o", "name").stdout == "pod/one\n"
    assert kubectl("get", "pods", "--field-selector", "metadata.name=one", "-o", "name").stdout == "pod/one\n"
    assert "app=web,tier=back" in kubectl("get", "pod", "two", "--show-labels").stdout
    assert "already has a value" in kubectl("label", "pod", "two", "tier=front", code=1).stderr
    kubectl("label", "pod", "two", "tier-")
    kubectl("annotate", "pod", "two", "note=hello")
    assert kubectl("get", "pod", "two", "-o", "jsonpath={.metadata.annotations.note}").stdout == "hello"


def test_watch_shows_changes_as_they_come(kubectl: Run) -> None:
    kubectl("apply", "-f", "-", text=POD.format(name="seen"))
    watching = subprocess.Popen(kubectl.command("get", "pods", "-w", "--show-labels"), stdout=subprocess.PIPE, text=True)
    try:
        assert watching.stdout is not None
        assert watching.stdout.readline().split()[0] == "NAME"
        assert watching.stdout.readline().split()[0] == "seen"
        kubectl("label", "pod", "seen", "now=here")
        assert "now=here" in watching.stdout.readline()
        kubectl("delete", "pod", "seen", "--force", "--grace-period=0", "--wait=false")
        assert "seen" in watching.stdout.readline()
    finally:
        watching.kill()
        watching.wait()


def test_three_kinds_of_patch_and_edit(kubectl: Run) -> None:
    kubectl("apply", "-f", "-", text=DEPLOYMENT)
    strategic = '{"spec":{"template":{"spec":{"containers":[{"name":"side","image":"registry.local/side:1"}]}}}}'
    kubectl("patch", "deployment", "web", "-p", strategic)
    names = kubectl("get", "deployment", "web", "-o", "jsonpath={.spec.template.spec.containers[*].name}").stdout
    assert sorted(names.split()) == ["side", "web"]
    kubectl("patch", "deployment", "web", "--type=merge", "-p", '{"spec":{"replicas":5}}')
    kubectl("patch", "deployment", "web", "--type=json", "-p", '[{"op":"replace","path":"/spec/replicas","value":6}]')
    assert kubectl("get", "deployment", "web", "-o", "jsonpath={.spec.replicas}").stdout == "6"
    kubectl("edit", "deployment", "web")
    assert "registry.local/web:2" in kubectl("get", "deployment", "web", "-o", "yaml").stdout
    kubectl("scale", "deployment", "web", "--replicas=2")
    assert kubectl("get", "deployment", "web", "-o", "jsonpath={.spec.replicas}").stdout == "2"


def test_explain_shows_the_prose(kubectl: Run) -> None:
    assert "Pod is a collection of containers" in kubectl("explain", "pod").stdout
    names_types = minor(kubectl.binary) >= 27  # before: [] of Object, and what is required only without --recursive
    containers = "containers\t<[]Container> -required-" if names_types else "containers\t<[]Object>"
    assert containers in kubectl("explain", "pod.spec", "--recursive").stdout
    assert "Number of desired pods" in kubectl("explain", "deployment.spec.replicas").stdout
    if names_types:  # those before know that form alone
        assert "Pod is a collection" in kubectl("explain", "pod", "--output=plaintext-openapiv2").stdout


def test_discovery(kubectl: Run) -> None:
    lines = [line.split() for line in kubectl("api-resources").stdout.splitlines()]
    assert ["deployments", "deploy", "apps/v1", "true", "Deployment"] in lines
    assert ["nodes", "no", "v1", "false", "Node"] in lines
    assert "apps/v1" in kubectl("api-versions").stdout.splitlines()
    assert '"gitVersion": "v1.37' in kubectl("version", "-o", "json", code=None).stdout
    assert kubectl("get", "--raw", "/readyz").stdout == "ok"
    assert "[+]ping ok" in kubectl("get", "--raw", "/livez?verbose").stdout
    assert "apiserver_request_total" in kubectl("get", "--raw", "/metrics").stdout


def test_delete(kubectl: Run) -> None:
    kubectl("create", "configmap", "settings", "--from-literal=a=b")
    assert kubectl("delete", "configmap", "settings").stdout.startswith('configmap "settings" deleted')
    assert 'configmaps "settings" not found' in kubectl("get", "configmap", "settings", code=1).stderr
    kubectl("create", "configmap", "one")
    kubectl("create", "configmap", "two")
    kubectl("delete", "configmaps", "--all")
    assert kubectl("get", "configmaps", "-o", "name").stdout == ""


def test_tokens_and_who_may_what(kubectl: Run, served: Served) -> None:
    kubectl("create", "serviceaccount", "robot")
    token = token_of(kubectl, "robot")
    assert token.count(".") == 2
    assert kubectl("auth", "can-i", "delete", "nodes").stdout == "yes\n"
    assert "*.*" in kubectl("auth", "can-i", "--list").stdout
    robot = replace(kubectl, kubeconfig=served.kubeconfig(token=token), namespace="default")
    assert robot("auth", "can-i", "delete", "nodes", code=1).stdout == "no\n"
    review = '{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}'
    assert ":robot" in robot("create", "--validate=false", "-f", "-", "-o", "jsonpath={.status.userInfo.username}", text=review).stdout
    denied = robot("get", "secrets", code=1).stderr
    assert 'cannot list resource "secrets" in API group "" in the namespace "default"' in denied
    assert kubectl("auth", "can-i", "create", "pods", "--as=jane", code=1).stdout == "no\n"


def token_of(kubectl: Run, account: str) -> str:
    """`create token` is there since 1.24; the request behind it can be made without."""
    if minor(kubectl.binary) >= 24:
        return kubectl("create", "token", account).stdout.strip()
    path = f"/api/v1/namespaces/{kubectl.namespace}/serviceaccounts/{account}/token"
    request = '{"apiVersion":"authentication.k8s.io/v1","kind":"TokenRequest","spec":{}}'
    answer: dict[str, dict[str, str]] = json.loads(kubectl("create", "--raw", path, "-f", "-", text=request).stdout)
    return answer["status"]["token"]


OLD_WORDS = {
    'unknown field "spec.containers[0].imagine"': 'ValidationError(Pod.spec.containers[0]): unknown field "imagine"',
    "cannot unmarshal string into": 'got "string", expected "integer"',
}
"""kubectl before 1.25 judges fields itself, by the schemas that the API server gives it."""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("a: b: c\n", "mapping values are not allowed", id="broken YAML"),
        pytest.param(POD.format(name="x").replace("image:", "imagine:"), 'unknown field "spec.containers[0].imagine"', id="unknown field"),
        pytest.param(POD.format(name="x").replace(": 80", ": eighty"), "cannot unmarshal string into", id="wrong type"),
        pytest.param(POD.format(name="x" * 254), "must be no more than 253 characters", id="over-long name"),
        pytest.param(POD.format(name="Not_A_Name"), "a lowercase RFC 1123 subdomain must consist of", id="bad name"),
        pytest.param(POD.format(name="x").replace("kind: Pod", "kind: Pot"), 'no matches for kind "Pot"', id="unknown kind"),
    ],
)
def test_bad_input_is_told_in_upstreams_words(kubectl: Run, text: str, expected: str) -> None:
    words = OLD_WORDS.get(expected, expected) if minor(kubectl.binary) < 25 else expected
    assert words in kubectl("create", "-f", "-", text=text, code=1).stderr
    assert kubectl("get", "pods", "-o", "name").stdout == ""


def test_duplicates_and_conflicts(kubectl: Run) -> None:
    kubectl("create", "-f", "-", text=POD.format(name="web"))
    assert 'pods "web" already exists' in kubectl("create", "-f", "-", text=POD.format(name="web"), code=1).stderr
    stale = kubectl("get", "pod", "web", "-o", "json").stdout
    kubectl("label", "pod", "web", "a=b")
    refused = kubectl("replace", "-f", "-", text=stale, code=1).stderr
    assert "the object has been modified; please apply your changes to the latest version and try again" in refused


def test_an_object_of_4_megabytes_is_refused(kubectl: Run) -> None:
    large = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "large"}, "data": {"a": "x" * (4 << 20)}}
    assert "Request entity too large: limit is 3145728" in kubectl("create", "-f", "-", text=json.dumps(large), code=1).stderr
    assert "configmap" not in kubectl("get", "configmaps", "-o", "name").stdout


def test_dry_run_writes_nothing(kubectl: Run) -> None:
    kubectl("create", "-f", "-", "--dry-run=server", text=POD.format(name="web"))
    assert kubectl("get", "pods", "-o", "name").stdout == ""


def test_deletion_waits_for_what_it_deletes(kubectl: Run) -> None:
    kubectl("create", "-f", "-", text=POD.format(name="web"))
    kubectl("delete", "pod", "web", "--timeout=20s")
    assert kubectl("get", "pods", "-o", "name").stdout == ""
