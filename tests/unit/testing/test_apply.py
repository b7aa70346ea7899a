"""`cluster.apply` is `kubectl apply`; `from pilothouse.testing import Cluster` is all that is needed; the clock runs, or stands still."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

import pytest

from pilothouse.api.types.apps_v1 import Deployment
from pilothouse.api.types.core_v1 import ConfigMap, Pod, ServiceAccount
from pilothouse.machinery.errors import StatusError
from pilothouse.machinery.yaml import YamlError
from pilothouse.testing import Cluster

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
SEVERAL = """
# what comes first
---   # a comment behind the line
apiVersion: v1
kind: ConfigMap
metadata: {name: one}
data:
  script: |
    echo
    ---
    # no document begins here
--- # another
# only a comment
---
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: ServiceAccount
  metadata: {name: two, namespace: default}
...
"""


@pytest.fixture(scope="module")
def cluster() -> Any:
    with Cluster(nodes=0, clock="still") as made:
        yield made


def test_a_cluster_that_is_not_running_says_what_to_do() -> None:
    idle = Cluster()
    for call in (lambda: idle.get(ConfigMap, "any"), lambda: idle.advance("1s"), lambda: idle.client, lambda: idle.kubeconfig):
        with pytest.raises(RuntimeError, match="with Cluster"):
            call()


def test_documents_comments_and_lists(cluster: Cluster) -> None:
    made = cluster.apply(SEVERAL)
    assert [type(obj) for obj in made] == [ConfigMap, ServiceAccount]
    assert made[0].data["script"] == "echo\n---\n# no document begins here\n"


def test_what_is_applied_again_keeps_what_others_wrote(cluster: Cluster) -> None:
    cluster.apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: merged, labels: {a: '1', b: '1'}}, data: {x: '1', y: '1'}}")

    async def by_another() -> None:
        await cluster.client.patch(ConfigMap, "merged", "default", b'{"data":{"z":"1"},"metadata":{"labels":{"c":"1"}}}')

    cluster.run(by_another())
    (made,) = cluster.apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: merged, labels: {a: '2'}}, data: {x: '2'}}")
    assert (made.data, made.metadata.labels) == ({"x": "2", "z": "1"}, {"a": "2", "c": "1"})
    (same,) = cluster.apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: merged, labels: {a: '2'}}, data: {x: '2'}}")
    assert same.metadata.resourceVersion == made.metadata.resourceVersion, "nothing to change, nothing written"


def test_the_annotation_is_kubectls(cluster: Cluster) -> None:
    (made,) = cluster.apply("{kind: ConfigMap, apiVersion: v1, metadata: {name: noted}, data: {k: v}}")
    assert made.metadata.annotations[LAST_APPLIED] == (
        '{"apiVersion":"v1","data":{"k":"v"},"kind":"ConfigMap","metadata":{"annotations":{},"name":"noted","namespace":"default"}}\n'
    )
    assert {entry.manager for entry in made.metadata.managedFields} == {"kubectl-client-side-apply"}


def test_scaling_by_another_survives_an_apply_without_replicas(cluster: Cluster) -> None:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}}
    spec: dict[str, Any] = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
    manifest: dict[str, Any] = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}
    cluster.apply(json.dumps(manifest))

    async def scale() -> None:
        await cluster.client.patch(Deployment, "web", "default", b'{"spec":{"replicas":4}}')

    cluster.run(scale())
    template["spec"]["containers"][0]["image"] = "i:2"  # type: ignore[index]
    (made,) = cluster.apply(json.dumps(manifest))
    assert (made.spec.replicas, made.spec.template.spec.containers[0].image) == (4, "i:2")


@pytest.mark.parametrize(
    ("manifest", "error", "message"),
    [
        pytest.param(
            "{apiVersion: v1, kind: ConfigMap, metadata: {name: bad}, datas: {a: b}}",
            StatusError,
            r'strict decoding error: unknown field "datas"',
            id="a field that the kind does not have",
        ),
        pytest.param(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: bad}\ndata: {a: b, a: c}",
            StatusError,
            'key "a" already set in map',
            id="a key that is there twice",
        ),
        pytest.param("{apiVersion: v1, kind: ConfigMap, metadata: {}}", ValueError, "name may not be empty", id="no name"),
        pytest.param(
            "{apiVersion: v1, kind: ConfigMap, metadata: {generateName: a-}}", ValueError, "cannot use generate name", id="generated"
        ),
        pytest.param("{apiVersion: v1, metadata: {name: bad}}", ValueError, "has no kind", id="no kind"),
        pytest.param(
            "{apiVersion: v9, kind: Nothing, metadata: {name: bad}}",
            ValueError,
            'no matches for kind "Nothing" in version "v9"',
            id="an unknown kind",
        ),
        pytest.param("{apiVersion: v1", YamlError, "yaml", id="no YAML"),
        pytest.param("- a list", ValueError, "is no object", id="no object"),
    ],
)
def test_what_kubectl_refuses_is_refused_and_nothing_is_written(
    cluster: Cluster, manifest: str, error: type[Exception], message: str
) -> None:
    good = "{apiVersion: v1, kind: ConfigMap, metadata: {name: before}}"
    with pytest.raises(error, match=message):
        cluster.apply(f"{good}\n---\n{manifest}")
    with pytest.raises(StatusError, match="not found"):
        cluster.get(ConfigMap, "before")


POD = "{apiVersion: v1, kind: Pod, metadata: {name: web}, spec: {containers: [{name: app, image: 'web:1'}]}}"


def test_time_runs_by_itself_and_can_be_jumped() -> None:
    with Cluster() as cluster:
        cluster.apply(POD)
        deadline = time.monotonic() + 60
        while cluster.get(Pod, "web").status.phase != "Running":
            assert time.monotonic() < deadline, "nobody moved the time"
            time.sleep(0.05)
        before = cluster.clock.now()
        cluster.advance("1h")
        assert (cluster.clock.now() - before).total_seconds() >= 3600


def test_time_stands_still_where_a_test_asks() -> None:
    with Cluster(clock="still") as cluster:
        cluster.apply(POD)
        before = cluster.clock.now()
        time.sleep(0.1)
        assert cluster.clock.now() == before
        assert cluster.get(Pod, "web").status.phase == "Pending"


def test_another_clock_is_refused() -> None:
    with pytest.raises(ValueError, match="use one of 'running', 'still', 'real'"):
        Cluster(clock="fast")


def test_a_plain_install_is_enough() -> None:
    """Neither pytest nor anything of what this project is made with."""
    code = f"""
import sys
for name in ("pytest", "_pytest", "hypothesis", "kubernetes", "kubernetes_validate", "mypy", "tests"):
    sys.modules[name] = None
from pilothouse.testing import Cluster
with Cluster(clock="still") as cluster:
    cluster.apply({POD!r})
    cluster.advance("10s")
    from pilothouse.api.types.core_v1 import Pod
    print(cluster.get(Pod, "web").status.phase)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("Running\n", 0), done.stderr
