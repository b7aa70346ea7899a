"""The cluster of testers, reached by real clients while its time stands still: no root, no containers."""

from __future__ import annotations

import os
import pty
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager

import pytest
from kubernetes import client, config

from pilothouse.kit.clock import SystemClock
from pilothouse.kubelet.runtime.containers import ExecResult
from pilothouse.kubelet.runtime.simulated_containers import Behaviour
from pilothouse.kubelet.runtime.simulated_logs import Line
from pilothouse.testing.cluster import Cluster
from tests.e2e.tools import PATIENCE_SECONDS, Kubectl, kubectls, oldest_and_newest, until

pytestmark = pytest.mark.cluster(clock="still")

POD = """
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers: [{name: app, image: "web:1", stdin: true}]
"""


@pytest.fixture(params=oldest_and_newest())
def kubectl(request: pytest.FixtureRequest, cluster: Cluster) -> Kubectl:
    """The oldest speaks SPDY to the server, the newest WebSocket."""
    return Kubectl(oldest_and_newest()[request.param], cluster.kubeconfig)


def test_kubectl_reaches_a_cluster_that_stands_still(cluster: Cluster) -> None:
    kubectl = Kubectl(kubectls()["path"], cluster.kubeconfig)
    kubectl("create", "deployment", "web", "--image=web:1", "--replicas=2")
    cluster.advance("1m")
    assert "2/2" in kubectl("get", "deployment", "web")
    kubectl("delete", "deployment", "web")
    cluster.advance("1m")
    assert kubectl("get", "pods") == ""


def test_the_python_client_reaches_it(cluster: Cluster) -> None:
    api = client.CoreV1Api(config.new_client_from_config(str(cluster.kubeconfig)))
    assert [node.metadata.name for node in api.list_node().items] == ["node-0"]


def test_logs_are_what_the_script_says(cluster: Cluster, kubectl: Kubectl) -> None:
    cluster.behave("web:1", Behaviour(prints=["listening", Line("warned", 5, stream="stderr"), Line("tick", 60, every_seconds=60)]))
    cluster.apply(POD)
    cluster.advance("10s")
    assert kubectl("logs", "web") == "listening\nwarned\n"
    cluster.advance("2m")
    assert kubectl("logs", "web", "--tail=2") == "tick\ntick\n"
    assert kubectl("logs", "web", "--since=30s", "--timestamps").startswith("2025-01-01T00:0")
    cluster.exit("web", "app", 3)
    cluster.advance("5s")
    assert kubectl("logs", "web", "--previous", "--limit-bytes=9") == "listening"


@contextmanager
def running(kubectl: Kubectl, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        kubectl.command(*arguments), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_log_is_followed_while_time_is_moved(cluster: Cluster, kubectl: Kubectl) -> None:
    cluster.behave("web:1", Behaviour(prints=["begun", Line("done", 50)], run_seconds=60))
    cluster.apply(POD)
    cluster.advance("5s")
    with running(kubectl, "logs", "--follow", "web") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        cluster.write("web", "app", "by hand")
        assert process.stdout.readline() == "by hand\n"
        cluster.advance("1m")
        assert process.communicate(timeout=PATIENCE_SECONDS)[0] == "done\n"
        assert process.returncode == 0


def shell(command: Sequence[str], given: bytes) -> ExecResult:
    match command:
        case ["cat"]:
            return ExecResult(given.upper(), b"", 0)
        case ["false"]:
            return ExecResult(b"", b"no\n", 7)
    return ExecResult(" ".join(command).encode() + b"\n", b"", 0)


def test_commands_are_answered_by_the_script(cluster: Cluster, kubectl: Kubectl) -> None:
    cluster.behave("web:1", Behaviour(exec_input=shell))
    cluster.apply(POD)
    cluster.advance("5s")
    assert kubectl("exec", "web", "--", "echo", "a b", "c") == "echo a b c\n"
    assert kubectl("exec", "-i", "web", "--", "cat", stdin="hello") == "HELLO"
    failed = kubectl.run("exec", "web", "--", "false")
    assert (failed.returncode, failed.stderr) == (7, "no\ncommand terminated with exit code 7\n")


def test_a_command_on_a_terminal(cluster: Cluster, kubectl: Kubectl) -> None:
    cluster.behave("web:1", Behaviour(exec=lambda command: ExecResult(b"out\n", b"err\n", 5)))
    cluster.apply(POD)
    cluster.advance("5s")
    leader, follower = pty.openpty()
    command = kubectl.command("exec", "-it", "web", "--", "ls")
    with subprocess.Popen(command, stdin=follower, stdout=follower, stderr=subprocess.PIPE, start_new_session=True) as process:
        os.close(follower)
        said = process.communicate(timeout=PATIENCE_SECONDS)[1]
        assert process.returncode == 5
        assert said.endswith(b"command terminated with exit code 5\n")
    assert os.read(leader, 1024) == b"out\r\nerr\r\n"
    os.close(leader)


def test_a_command_that_takes_its_time_waits_for_it(cluster: Cluster, kubectl: Kubectl) -> None:
    cluster.behave("web:1", Behaviour(exec=lambda command: ExecResult(b"late\n", b"", 0), exec_seconds=30))
    cluster.apply(POD)
    cluster.advance("5s")
    with running(kubectl, "exec", "web", "--", "date") as process:
        while process.poll() is None:
            cluster.advance("10s")
        assert process.stdout is not None
        assert (process.stdout.read(), process.returncode) == ("late\n", 0)


def test_who_attaches_sees_what_is_written_until_the_end(cluster: Cluster, kubectl: Kubectl) -> None:
    cluster.behave("web:1", Behaviour(prints=["before"]))
    cluster.apply(POD)
    cluster.advance("5s")
    with running(kubectl, "attach", "web") as process, ThreadPoolExecutor(1) as reader:
        assert process.stdout is not None
        first = reader.submit(process.stdout.readline)
        while not wait([first], timeout=0.1).done:  # kubectl attaches when it is ready
            cluster.write("web", "app", "hello")
        assert first.result() == "hello\n"
        cluster.exit("web", "app", 0)
        process.communicate(timeout=PATIENCE_SECONDS)
        assert process.returncode == 0


def test_what_a_simulated_node_cannot_do_says_so(cluster: Cluster, kubectl: Kubectl) -> None:
    cluster.apply(POD)
    cluster.advance("5s")
    with running(kubectl, "port-forward", "web", ":80") as process:
        assert process.stderr is not None
        assert "simulated pods have no ports" in process.stderr.readline()
    assert kubectl("get", "--raw", "/api/v1/nodes/node-0/proxy/healthz") == "ok"
    assert "node node-0 has no network" in kubectl.fails("get", "--raw", "/api/v1/nodes/node-0:22/proxy/")


def test_a_silent_node_has_no_logs_until_it_is_back(cluster: Cluster, kubectl: Kubectl) -> None:
    cluster.behave("web:1", Behaviour(prints=["hello"]))
    cluster.apply(POD)
    cluster.advance("5s")
    cluster.stop_node("node-0")
    assert "connect: connection refused" in kubectl.fails("logs", "web")
    cluster.start_node("node-0")
    cluster.advance("5s")
    assert kubectl("logs", "web") == "hello\n"


def test_two_clusters_live_side_by_side_one_of_them_in_real_time(cluster: Cluster) -> None:
    with Cluster(nodes=2, clock=SystemClock()) as live:
        still, moving = (Kubectl(kubectls()["path"], one.kubeconfig) for one in (cluster, live))
        for kubectl in (still, moving):
            kubectl("create", "deployment", "web", "--image=web:1", "--replicas=2")
        assert "successfully rolled out" in moving("rollout", "status", "deployment/web", "--timeout=30s")
        assert "0/2" in still("get", "deployment", "web")
        with running(still, "rollout", "status", "deployment/web") as process:
            while process.poll() is None:
                cluster.advance("1s")
            assert process.returncode == 0
        moving("delete", "deployment", "web")
        until("its pods are gone", lambda: not moving("get", "pods", "-l", "app=web", "-o", "name"))
        assert "2/2" in still("get", "deployment", "web")


def test_who_watches_sees_everything_that_time_brings(cluster: Cluster) -> None:
    kubectl = Kubectl(kubectls()["path"], cluster.kubeconfig)
    cluster.behave("job:1", Behaviour(run_seconds=20))
    cluster.apply("""
apiVersion: batch/v1
kind: CronJob
metadata: {name: tick}
spec:
  schedule: "*/2 * * * *"
  successfulJobsHistoryLimit: 1
  jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: "job:1"}]}}}}
""")
    with running(kubectl, "get", "jobs", "--watch-only", "-o", "jsonpath={.metadata.name} {.status.succeeded}{'\\n'}") as process:
        assert process.stdout is not None
        with ThreadPoolExecutor(1) as reader:
            first = reader.submit(process.stdout.readline)
            while not wait([first], timeout=0.1).done:  # kubectl watches when it is ready
                cluster.advance("10m")
            jobs = {first.result().split()[0]}
            cluster.advance("10m")  # the server ends every watch after half an hour at the earliest
            while len(jobs) < 6:
                jobs.add(process.stdout.readline().split()[0])
