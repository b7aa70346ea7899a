"""What kubectl does with running containers beyond exec and logs: run once and away, debug, drain; with the oldest and the newest."""

from __future__ import annotations

import pytest

from tests.e2e.tools import Kubectl, oldest_and_newest, until

IMAGE = "pilothouse.local/busybox:1"
DEBIAN_MINOR = 20
"""Of Debian's own kubectl. What it asks of beta versions (to add a debug container, to describe slices) no server knows any more."""


@pytest.fixture(params=["oldest", "newest"])
def client(request: pytest.FixtureRequest, kubectl: Kubectl) -> Kubectl:
    found = list(oldest_and_newest().values())
    return Kubectl(found[0 if request.param == "oldest" else -1], kubectl.kubeconfig, kubectl.namespace)


def test_a_container_that_runs_once_takes_input_and_gives_its_exit_code(client: Kubectl) -> None:
    once = ("run", "once", f"--image={IMAGE}", "--rm", "-i", "--restart=Never", "--", "sh")
    done = client.run(*once, stdin="echo hello from $0; exit 3\n")
    assert done.returncode == 3, done.stderr
    assert "hello from sh" in done.stdout
    assert client("get", "pods", "-o", "name") == ""


def test_debug_adds_a_container_and_copies_a_pod(client: Kubectl) -> None:
    client("run", "app", f"--image={IMAGE}", "--restart=Never", "--", "sleep", "1000")
    client("wait", "--for=condition=Ready", "pod/app", "--timeout=180s")
    look = ("debug", "app", f"--image={IMAGE}", "--target=app", "-c", "look", "--attach=false", "--", "sh", "-c", "ps; sleep 1000")
    if client.minor == DEBIAN_MINOR:
        assert "EphemeralContainers" in client.fails(*look)
    else:
        client(*look)
        seen = until("the debug container has spoken", lambda: client.run("logs", "app", "-c", "look").stdout)
        assert "sleep 1000" in seen
        ready = client("get", "pod", "app", "-o", "jsonpath={.status.ephemeralContainerStatuses[0].ready}")
        assert ready == "false"
        assert "Ephemeral Containers:" in client("describe", "pod", "app")
    client("debug", "app", "--copy-to=copy", f"--set-image=app={IMAGE}", "--attach=false")
    client("wait", "--for=condition=Ready", "pod/copy", "--timeout=180s")
    client("delete", "pods", "--all", "--now")


def test_drain_evicts_what_has_a_controller_and_asks_for_the_rest(client: Kubectl) -> None:
    node = client("get", "nodes", "-o", "jsonpath={.items[0].metadata.name}")
    client("create", "deployment", "web", f"--image={IMAGE}", "--", "sleep", "1000")
    client("run", "alone", f"--image={IMAGE}", "--labels=app=alone", "--", "sleep", "1000")
    client("rollout", "status", "deployment/web", "--timeout=180s")
    before = client("get", "pods", "-l", "app=web", "-o", "name")
    try:
        refused = client.fails("drain", node, "--pod-selector=app=alone", "--timeout=20s")
        assert "use --force to override" in refused
        drained = client("drain", node, "--pod-selector=app=web", "--grace-period=0", "--timeout=180s")
        assert f"node/{node} {'evicted' if client.minor == DEBIAN_MINOR else 'drained'}" in drained
        assert "SchedulingDisabled" in client("get", "node", node)
        assert client("get", "pods", "-l", "app=web", "-o", "name") != before
    finally:
        client("uncordon", node)
    client("rollout", "status", "deployment/web", "--timeout=180s")


def test_a_service_is_described_with_its_endpoints(client: Kubectl) -> None:
    client("create", "deployment", "web", f"--image={IMAGE}", "--", "sleep", "1000")
    client("expose", "deployment", "web", "--port=80", "--target-port=8080")
    client("rollout", "status", "deployment/web", "--timeout=180s")
    address = client("get", "pods", "-l", "app=web", "-o", "jsonpath={.items[0].status.podIP}")
    assert f"{address}:8080" in until("the endpoint is there", lambda: client("describe", "service", "web"))
    if client.minor > DEBIAN_MINOR:
        assert address in client("describe", "endpointslices")
    else:
        assert "could not find the requested resource" in client.fails("describe", "endpointslices")
