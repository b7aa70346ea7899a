"""Run the example in a cluster that is up, with the real kubectl, and show from the host that it is served."""

from __future__ import annotations

import http.client
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from pilothouse.cluster.failure import ClusterFailure
from pilothouse.cluster.launch import Say
from pilothouse.cluster.state import ClusterState, Places
from pilothouse.node.linux import SYSTEM_PATH

MANIFESTS = (Path(__file__).parent / "hello.yaml", Path(__file__).parents[3] / "examples" / "hello.yaml")
"""In an installed package, in a clone."""
REQUESTS = 12
ANSWER_SECONDS = 5.0
ROLLOUT_SECONDS = 60


def run(state: ClusterState, places: Places, say: Say) -> None:
    """Apply the example, wait until it is available and fetch its page. ClusterFailure when a step fails."""
    manifest = next((path for path in MANIFESTS if path.exists()), None)
    if manifest is None:
        raise ClusterFailure("the example is not part of this installation", "take examples/hello.yaml from the repository")
    service = (with_kubectl if find_kubectl() else without_kubectl)(state, places, manifest, say)["spec"]
    say("")
    if state.simulated:
        say("its containers are simulated: the API is a whole cluster's, and nothing answers behind the Service")
        return
    show("127.0.0.1", service["ports"][0]["nodePort"], "NodePort", say)
    show(state.node_address, service["ports"][0]["nodePort"], "NodePort of the node", say)
    show(service["clusterIP"], service["ports"][0]["port"], "ClusterIP", say)


def with_kubectl(state: ClusterState, places: Places, manifest: Path, say: Say) -> Any:
    """The Service of the example, once its pods are available."""
    del state
    kubectl = Kubectl(places)
    say(f"kubectl apply -f {manifest.name}")
    kubectl("apply", "-f", str(manifest))
    kubectl("rollout", "status", "deployment/hello", f"--timeout={ROLLOUT_SECONDS}s")
    say("")
    for line in kubectl("get", "pods", "-o", "wide").splitlines():
        say(line)
    return json.loads(kubectl("get", "service", "hello", "-o", "json"))


def without_kubectl(state: ClusterState, places: Places, manifest: Path, say: Say) -> Any:
    """The same by the API itself: server-side apply, then wait for the Deployment."""
    from pilothouse.api import catalogue
    from pilothouse.cluster.readiness import Api
    from pilothouse.machinery import yaml

    api = Api(state, places)
    say(f"no kubectl here: {manifest.name} is applied by the API itself")
    for document in yaml.parse_all(manifest.read_bytes()):
        group, _, version = document["apiVersion"].rpartition("/")
        resource = catalogue.known().by_kind(group, version, document["kind"])
        assert resource is not None
        base = f"/apis/{group}/{version}" if group else f"/api/{version}"
        path = f"{base}/namespaces/default/{resource.plural}/{document['metadata']['name']}?fieldManager=pilothouse&force=true"
        api.send("PATCH", path, json.dumps(document).encode(), "application/apply-patch+yaml")
    deployments = "/apis/apps/v1/namespaces/default/deployments"
    if api.await_object(deployments, is_available, ROLLOUT_SECONDS) is None:
        raise ClusterFailure(f"the example is not available after {ROLLOUT_SECONDS} seconds", f"its logs: {places.logs}")
    for pod in api.get("/api/v1/namespaces/default/pods")["items"]:
        say(f"{pod['metadata']['name']}   {pod['status']['phase']}   {pod['status'].get('podIP', '')}   {pod['spec']['nodeName']}")
    return api.get("/api/v1/namespaces/default/services/hello")


def is_available(deployment: dict[str, Any]) -> bool:
    """Whether as many replicas are available as the Deployment asks for."""
    return bool(deployment["status"].get("availableReplicas", 0) == deployment["spec"]["replicas"])


def find_kubectl() -> str | None:
    """The path of kubectl, or None."""
    return shutil.which("kubectl") or shutil.which("kubectl", path=SYSTEM_PATH)


class Kubectl:
    """The kubectl of this machine, with the cluster's own kubeconfig."""

    def __init__(self, places: Places) -> None:
        path = find_kubectl()
        if not path:
            raise ClusterFailure("there is no kubectl on this machine", "apt-get install kubernetes-client, or any kubectl from 1.27 on")
        self._remedy = f"pilothouse status --name {places.name} shows how the cluster is; its logs: {places.logs}"
        self._command = [path, "--kubeconfig", str(places.kubeconfig), "--namespace", "default"]

    def __call__(self, *arguments: str) -> str:
        done = subprocess.run([*self._command, *arguments], capture_output=True, text=True, check=False)
        if done.returncode:
            raise ClusterFailure(f"kubectl {' '.join(arguments)}: {done.stderr.strip() or done.stdout.strip()}", self._remedy)
        return done.stdout


def show(address: str, port: int, what: str, say: Say) -> None:
    """Ask some times; who answered how often."""
    answers: dict[str, int] = {}
    for _ in range(REQUESTS):
        who = ask(address, port)
        answers[who] = answers.get(who, 0) + 1
    told = ", ".join(f"{who} {count} times" for who, count in sorted(answers.items()))
    say(f"http://{address}:{port} ({what}) was answered by {told}")


def ask(address: str, port: int) -> str:
    """The body that an HTTP GET of `/` returns."""
    connection: Any = http.client.HTTPConnection(address, port, timeout=ANSWER_SECONDS)
    try:
        connection.request("GET", "/")
        text: str = connection.getresponse().read().decode().strip()
    except OSError as failure:
        remedy = f"`ip route get {address}` shows whether the way there is the cluster's: a firewall or VPN may have taken it"
        raise ClusterFailure(f"http://{address}:{port} does not answer: {failure}", remedy) from failure
    finally:
        connection.close()
    return text
