"""kubectl as a demanding user has it, against a simulated cluster in real time: what each command prints or refuses.

- The life of an application with every kubectl of this machine (1.27 to 1.33 beside the one on PATH, Debian's 1.20 where apt gives it).
- A table of commands and outcomes with the oldest and the newest: generators, changes, refusals.

What needs containers (exec, logs, cp, attach, debug) is in test_streams.py, test_workloads.py and test_clients_containers.py.
"""

from __future__ import annotations

import base64
import itertools
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pilothouse.kit.clock import SystemClock
from pilothouse.testing.cluster import Cluster
from tests.e2e.tools import NOT_KNOWN, Kubectl, kubectls, minor, oldest_and_newest, until

DEBIAN = "debian"
"""The kubectl of Debian 12 (1.20): what a machine gets that has none; it need not be fetched where it is the one on PATH."""
DEBIAN_MINOR = 20
NAMESPACES = itertools.count()
WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{name: web, image: "registry.local/web:1"}]
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Cluster(clock=SystemClock()) as one:
        yield one


@pytest.fixture(scope="module")
def debian(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Debian's kubectl, unpacked beside everything else: nothing is installed."""
    folder = tmp_path_factory.mktemp("debian")
    subprocess.run(["apt-get", "download", "kubernetes-client"], cwd=folder, capture_output=True, timeout=120, check=False)
    found = list(folder.glob("kubernetes-client*.deb"))
    if not found:
        pytest.fail("apt does not give kubernetes-client here: run `apt-get update`")
    subprocess.run(["dpkg", "-x", found[0], folder], check=True)
    return folder / "usr/bin/kubectl"


def in_namespace(binary: Path, cluster: Cluster) -> Kubectl:
    kubectl = Kubectl(binary, cluster.kubeconfig, f"kubectl-{next(NAMESPACES)}")
    kubectl("create", "namespace", kubectl.namespace)
    return kubectl


@pytest.fixture(params=[*kubectls(), *([] if minor(kubectls()["path"]) == DEBIAN_MINOR else [DEBIAN])])
def every(request: pytest.FixtureRequest, cluster: Cluster) -> Kubectl:
    """Each kubectl in turn, in a namespace of its own."""
    found = request.getfixturevalue("debian") if request.param == DEBIAN else kubectls()[request.param]
    return in_namespace(found, cluster)


@pytest.fixture(params=oldest_and_newest(), scope="module")
def kubectl(request: pytest.FixtureRequest, cluster: Cluster) -> Kubectl:
    """One namespace for the whole table, with the objects that its rows speak of."""
    kubectl = in_namespace(oldest_and_newest()[request.param], cluster)
    kubectl.apply(WEB)
    kubectl("expose", "deployment", "web", "--port=80")
    kubectl("create", "configmap", "settings", "--from-literal=a=b")
    kubectl("create", "serviceaccount", "robot")
    kubectl("create", "role", "reader", "--verb=get,list", "--resource=pods,deployments.apps")
    kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    return kubectl


def test_the_life_of_an_application(every: Kubectl) -> None:
    kubectl = every
    assert kubectl.apply(WEB) == "deployment.apps/web created\n"
    assert kubectl.apply(WEB) == "deployment.apps/web unchanged\n"
    assert "successfully rolled out" in kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    assert kubectl("get", "deployment", "web", "--no-headers").split()[:4] == ["web", "2/2", "2", "2"]
    assert kubectl("expose", "deployment", "web", "--port=80") == "service/web exposed\n"
    described = kubectl("describe", "service", "web")
    assert "Endpoints:" in described
    assert "<unset>  80/TCP" in described
    assert "Scaled up replica set" in kubectl("describe", "deployment", "web")
    assert "Successfully assigned" in kubectl("describe", "pods", "-l", "app=web")
    assert "Non-terminated Pods:" in kubectl("describe", "nodes")

    kubectl("scale", "deployment", "web", "--replicas=1", "--current-replicas=2")
    kubectl("set", "image", "deployment/web", "web=registry.local/web:2")
    kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    assert len(kubectl("rollout", "history", "deployment/web").split("CHANGE-CAUSE")[1].strip().splitlines()) == 2
    kubectl("rollout", "undo", "deployment/web")
    assert kubectl("get", "deployment", "web", "-o", "jsonpath={..image}").split()[0] == "registry.local/web:1"
    kubectl("wait", "--for=condition=Available", "deployment/web", "--timeout=30s")
    kubectl("label", "deployment", "web", "tier=front")
    assert kubectl("get", "all", "-l", "tier=front", "-o", "name") == "deployment.apps/web\n"
    kubectl("delete", "deployment,service", "web")
    until("the pods are gone", lambda: not kubectl("get", "pods", "-l", "app=web", "-o", "name"))


GENERATORS = [
    ("deployment one --image=a:1 --replicas=0", "deployment.apps/one created"),
    ("job one --image=a:1 -- true", "job.batch/one created"),
    ("cronjob one --image=a:1 --schedule=@hourly", "cronjob.batch/one created"),
    ("job two --from=cronjob/one", "job.batch/two created"),
    ("configmap one --from-literal=a=b", "configmap/one created"),
    ("secret generic one --from-literal=a=b", "secret/one created"),
    ("secret docker-registry two --docker-username=a --docker-password=b", "secret/two created"),
    ("service clusterip one --tcp=80:8080", "service/one created"),
    ("service clusterip headless --clusterip=None", "service/headless created"),
    ("service nodeport two --tcp=80:8080", "service/two created"),
    ("service loadbalancer three --tcp=80:8080", "service/three created"),
    ("service externalname four --external-name=a.example", "service/four created"),
    ("role one --verb=get --resource=pods", "role.rbac.authorization.k8s.io/one created"),
    ("rolebinding one --role=one --user=jane", "rolebinding.rbac.authorization.k8s.io/one created"),
    ("quota one --hard=pods=100", "resourcequota/one created"),
    ("ingress one --rule=a.example/b*=web:80", "ingress.networking.k8s.io/one created"),
    ("poddisruptionbudget one --selector=app=web --min-available=1", "poddisruptionbudget.policy/one created"),
    ("serviceaccount one", "serviceaccount/one created"),
]


YOUNGER = {"cronjob": 21, "job two": 21, "poddisruptionbudget": 22}
"""Generators whose kind was of a beta version, which no server has any more, in a kubectl before this minor version."""


def test_every_generator(kubectl: Kubectl) -> None:
    made = [one for one in GENERATORS if kubectl.minor >= next((since for name, since in YOUNGER.items() if one[0].startswith(name)), 0)]
    for command, expected in made:
        assert kubectl("create", "--dry-run=server", *command.split()) == f"{expected} (server dry run)\n"
        assert kubectl("create", *command.split()) == f"{expected}\n"
    for command, _ in (one for one in GENERATORS if one not in made):
        said = kubectl.fails("create", *command.split())
        assert any(words in said for words in ("could not find the requested resource", "not found", "no matches for kind")), said
    kinds = "deployments,jobs,services,ingresses,quota,roles,rolebindings,secrets"
    assert "Annotations:" in kubectl("describe", kinds)
    if kubectl.minor >= max(YOUNGER.values()):
        assert "Allowed disruptions:" in kubectl("describe", "cronjobs,poddisruptionbudgets")
        kubectl("delete", "cronjobs,poddisruptionbudgets", "one", "--wait=false")
    kubectl("delete", kinds, "one", "--ignore-not-found", "--wait=false")


since = pytest.mark.since
"""The minor version of kubectl that has the command or flag of a row first: those before must say that they know none such."""

OUTCOMES = [
    pytest.param(
        "scale deployment web --replicas=3 --current-replicas=7", "Expected replicas to be 7, was 2", 1, id="scale: other replicas"
    ),
    pytest.param(
        "scale deployment web --replicas=3 --resource-version=1", "Expected resource version to be 1", 1, id="scale: other revision"
    ),
    pytest.param(
        "rollout undo deployment/web --to-revision=9", "unable to find specified revision 9 in history", 1, id="undo: no such revision"
    ),
    pytest.param("rollout undo deployment/web", "no rollout history found for deployment", 1, id="undo: nothing before"),
    pytest.param("label deployment web tier=front", "deployment.apps/web labeled", 0, id="label"),
    pytest.param("label deployment web tier=back", "already has a value (front), and --overwrite is false", 1, id="label: another value"),
    pytest.param("label deployment web a=b --overwrite --resource-version=1", "the object has been modified", 1, id="label: conflict"),
    pytest.param("label deployment web tier-", "labeled", 0, id="label: away"),
    pytest.param("label configmap settings a/b/c=d", "a valid label key must consist of", 1, id="label: bad key"),
    pytest.param("annotate configmap settings note=one", "configmap/settings annotate", 0, id="annotate"),
    pytest.param("annotate configmap settings note=two", "already has a value (one)", 1, id="annotate: another value"),
    pytest.param("annotate configmap settings note-", "configmap/settings annotate", 0, id="annotate: away"),
    pytest.param(
        """patch deployment web --subresource=scale --type=merge -p {"spec":{"replicas":2}}""",
        "scale.autoscaling/web patched",
        0,
        id="patch: scale",
        marks=since(24),
    ),
    pytest.param(
        """patch deployment web -p {"spec":{"replicas":2}}""", "deployment.apps/web patched (no change)", 0, id="patch: no change"
    ),
    pytest.param(
        """patch deployment web --type=json -p [{"op":"remove","path":"/spec/no"}]""", "The request is invalid", 1, id="patch: nowhere"
    ),
    pytest.param(
        """patch deployment web -p {"spec":{"selector":{"matchLabels":{"a":"b"}}}}""", "field is immutable", 1, id="patch: immutable"
    ),
    pytest.param("get pods --field-selector=spec.no=1", "field label not supported: spec.no", 1, id="get: unknown field"),
    pytest.param("get pods --field-selector=status.phase=Failed", "No resources found", 0, id="get: none of them"),
    pytest.param("get pod nothing", 'pods "nothing" not found', 1, id="get: not found"),
    pytest.param("get pod nothing --ignore-not-found", "", 0, id="get: not found ignored"),
    pytest.param("get nothings", """the server doesn't have a resource type "nothings\"""", 1, id="get: unknown kind"),
    pytest.param("get deployments.v1.apps -o name", "deployment.apps/web", 0, id="get: group and version"),
    pytest.param(
        "get pods --chunk-size=1 -l app=web --no-headers -o custom-columns=A:.metadata.labels.app", "web\nweb\n", 0, id="get: chunks"
    ),
    pytest.param("get deployment web -o go-template={{.spec.replicas}}", "2", 0, id="get: go-template"),
    pytest.param("get deployment web --subresource=scale -o jsonpath={.status.selector}", "app=web", 0, id="get: scale", marks=since(24)),
    pytest.param("get --raw /apis/apps/v1/namespaces/nowhere/deployments", '"items":[]', 0, id="get: raw"),
    pytest.param("get endpoints web", "v1 Endpoints is deprecated in v1.33+", 0, id="get: deprecated"),
    pytest.param("wait --for=condition=Available deployment/web --timeout=9s", "condition met", 0, id="wait: condition"),
    pytest.param(
        "wait --for=jsonpath={.spec.replicas}=2 deployment/web --timeout=9s", "condition met", 0, id="wait: jsonpath", marks=since(23)
    ),
    pytest.param("wait --for=condition=No deployment/web --timeout=1s", "timed out waiting for the condition", 1, id="wait: in vain"),
    pytest.param("wait --for=condition=Ready pod/nothing --timeout=1s", 'pods "nothing" not found', 1, id="wait: not found"),
    pytest.param("top pods", "Metrics API not available", 1, id="top"),
    pytest.param("auth can-i * *", "yes", 0, id="can-i"),
    pytest.param("auth can-i get pods --as=jane", "no", 1, id="can-i: another"),
    pytest.param("explain pods.spec.containers.resources", "ResourceRequirements", 0, id="explain"),
    pytest.param("explain pods.spec.nothing", 'field "nothing" does not exist', 1, id="explain: no such field"),
    pytest.param("create deployment Web --image=a", "a lowercase RFC 1123 subdomain must consist of", 1, id="create: bad name"),
    pytest.param("create configmap settings", 'configmaps "settings" already exists', 1, id="create: twice"),
    pytest.param("create service nodeport x --tcp=80 --node-port=99", "The range of valid ports is 30000-32767", 1, id="create: bad port"),
    pytest.param("create service clusterip x --clusterip=192.0.2.1 --tcp=1", "is not in the valid range", 1, id="create: bad address"),
    pytest.param("create token nothing", 'serviceaccounts "nothing" not found', 1, id="token: nobody's", marks=since(24)),
    pytest.param("run x --image=a --port=99999", "must be between 1 and 65535, inclusive", 1, id="run: bad port"),
    pytest.param("run x --image=a --dry-run=server -o jsonpath={.spec.schedulerName}", "default-scheduler", 0, id="run: dry run"),
    pytest.param("cordon nothing", 'nodes "nothing" not found', 1, id="cordon: nothing"),
    pytest.param("delete namespace kube-system", "this namespace may not be deleted", 1, id="delete: kube-system"),
    pytest.param("delete configmap nothing", 'configmaps "nothing" not found', 1, id="delete: nothing"),
    pytest.param("delete configmaps --all --dry-run=server", 'configmap "settings" deleted', 0, id="delete: dry run"),
    pytest.param("set env deployment/web A=1 --dry-run=server -o jsonpath={..env[0].name}", "A", 0, id="set env"),
    pytest.param("set resources deployment web --limits=cpu=1 --dry-run=server", "resource requirements updated", 0, id="set resources"),
    pytest.param("set serviceaccount deployment web robot --dry-run=server", "serviceaccount updated", 0, id="set serviceaccount"),
    pytest.param("autoscale deployment web --max=3", "horizontalpodautoscaler.autoscaling/web autoscaled", 0, id="autoscale"),
    pytest.param("describe horizontalpodautoscaler web", "Max replicas:", 0, id="describe hpa"),
    pytest.param("events --for=deployment/web", "ScalingReplicaSet", 0, id="events", marks=since(26)),
    pytest.param("api-resources --categories=all -o name", "cronjobs.batch", 0, id="api-resources", marks=since(27)),
    pytest.param("api-versions", "discovery.k8s.io/v1", 0, id="api-versions"),
    pytest.param("cluster-info", "Kubernetes control plane", 0, id="cluster-info"),
    pytest.param("version", "v1.37.0+pilothouse", 0, id="version"),
]


@pytest.mark.parametrize(("command", "expected", "code"), OUTCOMES)
def test_what_it_prints(request: pytest.FixtureRequest, kubectl: Kubectl, command: str, expected: str, code: int) -> None:
    done = kubectl.run(*command.split(" "))
    first = request.node.get_closest_marker("since")
    if first is not None and kubectl.minor < first.args[0]:
        assert (done.returncode, any(words in done.stderr for words in NOT_KNOWN)) == (1, True), done.stderr
        return
    assert expected in done.stdout + done.stderr, done.stdout + done.stderr
    assert done.returncode == code, done.stderr
    assert "panic" not in done.stderr


SPARSE = """
apiVersion: v1
kind: Pod
metadata: {name: sparse}
spec:
  nodeSelector: {nowhere: "true"}
  containers:
  - name: app
    image: app
    ports: [{containerPort: 80, name: http}]
    env: [{name: A}, {name: B, valueFrom: {secretKeyRef: {name: s, key: k}}}]
    livenessProbe: {grpc: {port: 1}}
    readinessProbe: {tcpSocket: {port: http}}
    startupProbe: {httpGet: {port: 80}}
  volumes:
  - {name: azure, azureDisk: {diskName: d, diskURI: "https://a.blob.core.windows.net/c/d.vhd"}}
  - {name: csi, csi: {driver: d.example.com}}
  - {name: ephemeral, ephemeral: {volumeClaimTemplate: {spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}}}
  - {name: fibre, fc: {targetWWNs: [a], lun: 0}}
  - {name: folder, hostPath: {path: /x}}
  - {name: iscsi, iscsi: {targetPortal: t, iqn: "iqn.2001-04.com.example:x", lun: 0}}
  - {name: projected, projected: {sources: [{secret: {name: s}}, {downwardAPI: {}}, {serviceAccountToken: {path: t}}]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: sparse}
addressType: IPv4
endpoints: [{addresses: [192.0.2.1]}]
ports: [{port: 80}, {name: any}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: sparse}
spec: {podSelector: {}, ingress: [{from: [{podSelector: {}}], ports: [{protocol: UDP}, {port: http}]}], egress: [{}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: sparse}
spec: {defaultBackend: {resource: {kind: Bucket, name: b}}, rules: [{host: example.com}]}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: sparse}
spec: {maxReplicas: 3, scaleTargetRef: {kind: ReplicationController, name: web}, behavior: {scaleUp: {selectPolicy: Disabled}}}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: sparse}
spec: {}
---
apiVersion: v1
kind: Service
metadata: {name: sparse}
spec: {ports: [{port: 80}]}
---
apiVersion: coordination.k8s.io/v1
kind: Lease
metadata: {name: sparse}
"""
"""Objects that leave out what can be left out: describers follow what upstream's defaults always set without asking."""


def test_what_leaves_things_out_is_described(kubectl: Kubectl) -> None:
    young = kubectl.minor >= 24  # older ones know no gRPC probe, and describe other kinds by versions that are gone
    manifest = SPARSE if young else SPARSE.partition("---")[0]
    kubectl.apply(manifest)
    said = kubectl("describe", "-f", "-", stdin=manifest)
    assert sum(line.split() == ["Name:", "sparse"] for line in said.splitlines()) == manifest.count("\nkind: ")
    assert ("grpc <pod>:1" in said) is young
    assert kubectl("get", "-f", "-", "-o", "wide", stdin=manifest)
    kubectl("delete", "--now", "-f", "-", stdin=manifest)


def test_edit_diff_and_replace(kubectl: Kubectl) -> None:
    manifest = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: edited}\ndata: {a: one}\n"
    kubectl.apply(manifest)
    assert edit(kubectl, "s/a: one/a: two/") == (0, "configmap/edited edited\n")
    assert edit(kubectl, "s/nothing/to do/") == (0, "Edit cancelled, no changes made.\n")
    diff = kubectl.run("diff", "-f", "-", stdin=manifest)
    assert (diff.returncode, "-  a: two\n+  a: one\n" in diff.stdout) == (1, True)
    assert kubectl("replace", "-f", "-", stdin=manifest) == "configmap/edited replaced\n"
    assert kubectl("replace", "--force", "-f", "-", stdin=manifest).endswith("configmap/edited replaced\n")


def edit(kubectl: Kubectl, change: str) -> tuple[int, str]:
    environment: dict[str, Any] = {**os.environ, "KUBE_EDITOR": f"sed -i '{change}'"}
    command = kubectl.command("edit", "configmap", "edited")
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=180, check=False)
    return done.returncode, done.stdout + done.stderr


def test_server_side_apply_tells_who_owns_what(kubectl: Kubectl) -> None:
    manifest = WEB.replace("name: web}\nspec", "name: owned}\nspec").replace("app: web", "app: owned")
    apply = ("apply", "--server-side", "-f", "-")
    assert kubectl(*apply, stdin=manifest) == "deployment.apps/owned serverside-applied\n"
    kubectl("scale", "deployment", "owned", "--replicas=1")
    refused = kubectl.fails(*apply, stdin=manifest)
    manager = kubectl.binary.name  # of what scales: it names no manager, so its User-Agent counts
    assert f'Apply failed with 1 conflict: conflict with "{manager}" with subresource "scale" using apps/v1' in refused
    assert ": .spec.replicas" in refused
    assert "serverside-applied" in kubectl(*apply, "--force-conflicts", "--field-manager=other", stdin=manifest)
    assert "manager: other" in kubectl(
        "get", "deployment", "owned", "-o", "yaml", *(["--show-managed-fields"] if kubectl.minor >= 21 else [])
    )
    kubectl("delete", "deployment", "owned", "--cascade=foreground")


def test_what_was_applied_from_the_clients_side_can_be_applied_from_the_servers(kubectl: Kubectl) -> None:
    manifest = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: moved}\ndata: {kept: one, dropped: one}\n"
    kubectl.apply(manifest)
    kubectl("apply", "--server-side", "-f", "-", stdin=manifest.replace("{kept: one, dropped: one}", "{kept: two}"))
    moves = kubectl.minor >= 26  # since then kubectl moves to the new manager what it owned as the old one
    data = kubectl("get", "configmap", "moved", "-o", "jsonpath={.data}")
    assert json.loads(data) == {"kept": "two", **({} if moves else {"dropped": "one"})}
    managers = kubectl("get", "configmap", "moved", "-o", "jsonpath={.metadata.managedFields[*].manager}").split()
    assert ("kubectl-client-side-apply" in managers) is not moves
    kubectl("delete", "configmap", "moved")


def test_prune_and_kustomize(kubectl: Kubectl, tmp_path: Path) -> None:
    one, two = ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s, labels: {set: pruned}}\n---\n" % name for name in ("p1", "p2"))  # noqa: UP031
    kubectl.apply(one + two)
    only = "--prune-allowlist" if kubectl.minor >= 26 else "--prune-whitelist"
    pruned = kubectl("apply", "-f", "-", "--prune", "-l", "set=pruned", f"{only}=core/v1/ConfigMap", stdin=one)
    assert pruned == "configmap/p1 unchanged\nconfigmap/p2 pruned\n"
    (tmp_path / "kustomization.yaml").write_text("namePrefix: k-\nresources: [one.yaml]\n")
    (tmp_path / "one.yaml").write_text(one)
    assert kubectl("apply", "-k", str(tmp_path)) == "configmap/k-p1 created\n"
    assert kubectl("delete", "-k", str(tmp_path)).startswith('configmap "k-p1" deleted')


@pytest.mark.parametrize(
    ("cascade", "left"),
    [
        pytest.param("orphan", ["replicaset.apps"], id="orphan leaves what it owns"),
        pytest.param("background", [], id="background takes it later"),
        pytest.param("foreground", [], id="foreground takes it first"),
    ],
)
def test_deletion_cascades(kubectl: Kubectl, cascade: str, left: list[str]) -> None:
    kubectl.apply(WEB.replace("name: web}\nspec", "name: gone}\nspec").replace("app: web", f"app: {cascade}"))
    kubectl("rollout", "status", "deployment/gone", "--timeout=30s")
    kubectl("delete", "deployment", "gone", f"--cascade={cascade}")
    if cascade == "background":
        until("the ReplicaSet is gone", lambda: not kubectl("get", "replicasets", "-l", f"app={cascade}", "-o", "name"))
    found = kubectl("get", "replicasets", "-l", f"app={cascade}", "-o", "name").split()
    assert [one.partition("/")[0] for one in found] == left
    kubectl("delete", "replicasets", "-l", f"app={cascade}")


def test_pause_resume_restart(kubectl: Kubectl) -> None:
    kubectl("rollout", "pause", "deployment/web")
    assert "is already paused" in kubectl.fails("rollout", "pause", "deployment/web")
    assert "can't restart paused deployment" in kubectl.fails("rollout", "restart", "deployment/web")
    kubectl("rollout", "resume", "deployment/web")
    kubectl("rollout", "restart", "deployment/web")
    assert "successfully rolled out" in kubectl("rollout", "status", "deployment/web", "--timeout=180s")


def test_roles_grant_what_they_say(kubectl: Kubectl) -> None:
    robot = f"system:serviceaccount:{kubectl.namespace}:robot"
    asks = ("auth", "can-i", f"--as={robot}")
    assert kubectl.run(*asks, "list", "pods").stdout == "no\n"
    kubectl("create", "rolebinding", "robots", "--role=reader", f"--serviceaccount={kubectl.namespace}:robot")
    assert kubectl(*asks, "list", "pods") == "yes\n"
    assert kubectl.run(*asks, "delete", "pods").stdout == "no\n"
    assert kubectl("get", "pods", f"--as={robot}", "-o", "name").startswith("pod/web-")
    assert 'cannot list resource "secrets" in API group ""' in kubectl.fails("get", "secrets", f"--as={robot}")
    kubectl("create", "clusterrolebinding", robot, "--clusterrole=cluster-admin", f"--serviceaccount={kubectl.namespace}:robot")
    assert kubectl(*asks, "delete", "nodes") == "yes\n"
    kubectl("delete", "clusterrolebinding", robot)
    assert kubectl.run(*asks, "delete", "nodes").stdout == "no\n"


def test_a_request_for_a_certificate_is_approved(kubectl: Kubectl) -> None:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "jane")])
    made = x509.CertificateSigningRequestBuilder().subject_name(name).sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    spec = {
        "request": base64.b64encode(made.public_bytes(serialization.Encoding.PEM)).decode(),
        "signerName": "a.example/b",
        "usages": ["client auth"],
    }
    meta = {"name": kubectl.namespace}
    kubectl.apply({"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": meta, "spec": spec})
    assert "approved" in kubectl("certificate", "approve", kubectl.namespace)
    line = kubectl("get", "csr", kubectl.namespace, "--no-headers").split()
    assert line[2:] == ["a.example/b", "kubernetes-admin", "<none>", "Approved"]
