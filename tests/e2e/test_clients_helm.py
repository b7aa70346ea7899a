"""Helm, unchanged, on a real cluster: install, upgrade, a failed upgrade, rollback, test, uninstall, of a chart written here."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from pilothouse import API_LEVEL
from tests.e2e.tools import Kubectl

HELM = Path(sys.executable).parent / "helm"
PATIENCE_SECONDS = 180
FILES = {
    "Chart.yaml": "{apiVersion: v2, name: demo, version: 0.1.0}",
    "values.yaml": "{replicas: 1, message: one, image: 'pilothouse.local/busybox:1'}",
    "templates/web.yaml": """
apiVersion: apps/v1
kind: Deployment
metadata: {name: "{{ .Release.Name }}"}
spec:
  replicas: {{ .Values.replicas }}
  selector: {matchLabels: {app: "{{ .Release.Name }}"}}
  template:
    metadata: {labels: {app: "{{ .Release.Name }}"}, annotations: {message: "{{ .Values.message }}"}}
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{name: web, image: "{{ .Values.image }}", command: [sleep, "1000"]}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: "{{ .Release.Name }}"}
data:
  message: "{{ .Values.message }}"
  found: "{{ (lookup "v1" "Namespace" "" "default").metadata.name }}"
  minor: "{{ .Capabilities.KubeVersion.Minor }}"
  jobs: "{{ .Capabilities.APIVersions.Has "batch/v1/Job" }}"
---
apiVersion: v1
kind: Service
metadata: {name: "{{ .Release.Name }}"}
spec: {selector: {app: "{{ .Release.Name }}"}, ports: [{port: 80}]}
""",
    "templates/hook.yaml": """
apiVersion: batch/v1
kind: Job
metadata:
  name: "{{ .Release.Name }}-hook"
  annotations: {helm.sh/hook: "pre-install,pre-upgrade", helm.sh/hook-delete-policy: before-hook-creation}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      containers: [{name: hook, image: "pilothouse.local/busybox:1", command: [echo, "{{ .Values.message }}"]}]
""",
    "templates/test.yaml": """
apiVersion: v1
kind: Pod
metadata: {name: "{{ .Release.Name }}-test", annotations: {helm.sh/hook: test}}
spec:
  restartPolicy: Never
  containers: [{name: test, image: "pilothouse.local/busybox:1", command: [echo, tested]}]
""",
}


@dataclass(frozen=True)
class Helm:
    """Helm with one chart, in one namespace of one cluster."""

    kubectl: Kubectl
    folder: Path

    def __call__(self, *arguments: str, code: int = 0) -> str:
        """What it prints and says."""
        kubectl = self.kubectl
        command = [str(HELM), "--kubeconfig", str(kubectl.kubeconfig), "--namespace", kubectl.namespace, *arguments]
        environment = {**os.environ, "HOME": str(self.folder)}
        done = subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
        )
        assert done.returncode == code, f"{arguments}: {done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def message(self) -> str:
        return self.kubectl("get", "configmap", "demo", "-o", "jsonpath={.data.message}")


@pytest.fixture
def helm(kubectl: Kubectl, tmp_path: Path) -> Helm:
    assert HELM.exists(), "no helm beside python: install the dev dependencies (helm-binary)"
    for name, text in FILES.items():
        path = tmp_path / "chart" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Helm(kubectl, tmp_path)


def test_a_release_from_its_first_day_to_its_last(helm: Helm) -> None:
    assert "STATUS: deployed" in helm("install", "demo", "chart", "--wait", "--timeout", "60s")
    said = helm.kubectl("get", "configmap", "demo", "-o", "jsonpath={.data.found} {.data.minor} {.data.jobs}")
    assert said == f"default {API_LEVEL.removeprefix('1.')} true"
    assert helm.kubectl("logs", "job/demo-hook") == "one\n"
    assert "tested" in helm("test", "demo", "--logs", "--timeout", "60s")

    helm("upgrade", "demo", "chart", "--set", "message=two,replicas=2", "--wait", "--timeout", "60s")
    assert helm.message() == "two"
    assert helm.kubectl("get", "deployment", "demo", "-o", "jsonpath={.status.readyReplicas}") == "2"
    assert helm.kubectl("logs", "job/demo-hook") == "two\n"

    bad = ("--set", "image=pilothouse.local/missing:1", "--wait", "--timeout", "5s", "--atomic")
    assert "has been rolled back due to atomic being set" in helm("upgrade", "demo", "chart", "--reuse-values", *bad, code=1)
    assert helm.message() == "two"
    helm("rollback", "demo", "1", "--wait", "--timeout", "60s")
    assert helm.message() == "one"
    assert [line.split("\t")[0].strip() for line in helm("history", "demo").splitlines()[1:]] == ["1", "2", "3", "4", "5"]

    helm("uninstall", "demo", "--wait", "--timeout", "60s")
    assert helm.kubectl("get", "all,configmaps,secrets", "-l", "app.kubernetes.io/managed-by=Helm", "-o", "name") == ""
    assert helm.kubectl("get", "secrets", "-o", "name") == ""


def test_what_the_server_refuses_is_told(helm: Helm) -> None:
    refused = helm("install", "demo", "chart", "--set", "replicas=-1", "--no-hooks", code=1)
    assert "spec.replicas: Invalid value: -1: must be greater than or equal to 0" in refused
    refused = helm("install", "other", "chart", "--set", "replicas=many", "--no-hooks", code=1)
    assert "cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32" in refused
