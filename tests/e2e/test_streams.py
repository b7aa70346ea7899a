"""logs, exec, cp, attach and port-forward, with the oldest kubectl (SPDY) and the newest (WebSocket)."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.test_workloads import IMAGE
from tests.e2e.tools import Kubectl, oldest_and_newest, until

POD = """
apiVersion: v1
kind: Pod
metadata: {name: talker}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: web
    image: IMAGE
    command: [sh, -c, 'mkdir -p /www && echo served > /www/index.html && trap "exit 1" TERM; httpd -f -p 8080 -h /www & wait']
  - name: echo
    image: IMAGE
    stdin: true
    command: [sh, -c, 'i=0; while [ $i -lt 5 ]; do i=$((i+1)); echo "line $i"; done; echo oops >&2; exec cat']
""".replace("IMAGE", IMAGE)


@pytest.fixture(params=oldest_and_newest())
def talker(request: pytest.FixtureRequest, kubeconfig: Path, namespace: str) -> Kubectl:
    kubectl = Kubectl(oldest_and_newest()[request.param], kubeconfig, namespace)
    kubectl.apply(POD)
    kubectl("wait", "--for=condition=Ready", "pod/talker", "--timeout=180s")
    return kubectl


@contextlib.contextmanager
def running(kubectl: Kubectl, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A kubectl that goes on; ended by its own handle."""
    process = subprocess.Popen(
        kubectl.command(*arguments), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


LINES = [f"line {number}" for number in range(1, 6)]


def test_logs(talker: Kubectl) -> None:
    """Standard output and error come through a pipe each: each is in order, but either may come first."""
    until("the lines are there", lambda: set(talker("logs", "talker", "-c", "echo").splitlines()) >= {LINES[-1], "oops"})
    whole = talker("logs", "talker", "-c", "echo")
    written = whole.splitlines()
    assert sorted(written) == [*LINES, "oops"]
    assert [line for line in written if line != "oops"] == LINES
    assert talker("logs", "talker", "-c", "echo", "--tail=2").splitlines() == written[-2:]
    assert talker("logs", "talker", "-c", "echo", "--since=1h") == whole
    assert talker("logs", "talker", "-c", "echo", "--limit-bytes=4") == whole[:4]
    stamped = talker("logs", "talker", "-c", "echo", "--timestamps").splitlines()
    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+(Z|[+-]\d\d:\d\d) ", line) for line in stamped)
    assert "[pod/talker/echo] line 1" in talker("logs", "talker", "--all-containers", "--prefix")
    assert "container none is not valid for pod talker" in talker.fails("logs", "talker", "-c", "none")


def test_logs_are_followed_and_what_is_typed_is_attached(talker: Kubectl) -> None:
    with running(talker, "logs", "-f", "talker", "-c", "echo", "--tail=0") as follower:
        assert follower.stdout
        time.sleep(1)
        with running(talker, "attach", "-i", "talker", "-c", "echo") as attached:
            assert attached.stdin
            assert attached.stdout
            time.sleep(1)
            attached.stdin.write("typed\n")
            attached.stdin.flush()
            assert "typed" in attached.stdout.readline()
        assert "typed" in follower.stdout.readline()


def test_logs_of_the_previous_container(talker: Kubectl) -> None:
    # The end of the first process takes this one with it, at times before it could tell that it succeeded.
    talker.run("exec", "talker", "-c", "web", "--", "sh", "-c", "echo before > /proc/1/fd/1; kill 1")
    until("it was restarted", lambda: talker.get("pod", "talker")["status"]["containerStatuses"][1]["restartCount"] == 1)
    assert "before" in talker("logs", "talker", "-c", "web", "--previous")


def test_exec(talker: Kubectl) -> None:
    assert talker("exec", "talker", "-c", "web", "--", "echo", "hello") == "hello\n"
    failed = talker.run("exec", "talker", "-c", "web", "--", "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (failed.returncode, failed.stdout) == (7, "out\n")
    assert failed.stderr == "err\ncommand terminated with exit code 7\n"
    assert talker("exec", "-i", "talker", "-c", "web", "--", "cat", stdin="through\n") == "through\n"
    long = "x" * 200_000 + "\n"
    assert talker("exec", "-i", "talker", "-c", "web", "--", "cat", stdin=long) == long
    missing = talker.run("exec", "talker", "-c", "web", "--", "none")
    assert missing.returncode != 0
    assert "executable file not found" in missing.stderr or "no such file" in missing.stderr.lower()


def test_exec_with_a_terminal(talker: Kubectl) -> None:
    """The size of the terminal reaches the process, and so do the keys."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        talker.command("exec", "-it", "talker", "-c", "web", "--", "sh"), stdin=follower, stdout=follower, stderr=follower, close_fds=True
    )
    os.close(follower)
    try:
        os.write(leader, b"test -t 0 && echo is-a-$((40+2))-terminal; exit\n")
        seen = b""
        deadline = time.monotonic() + 20
        while b"is-a-42-terminal" not in seen and time.monotonic() < deadline:
            if select.select([leader], [], [], 0.5)[0]:
                seen += os.read(leader, 4096)
        assert b"is-a-42-terminal" in seen, seen
        assert process.wait(timeout=120) == 0
    finally:
        process.kill()
        process.wait()
        os.close(leader)


def test_cp_there_and_back(talker: Kubectl, tmp_path: Path) -> None:
    there, back = tmp_path / "there", tmp_path / "back"
    there.write_bytes(bytes(range(256)) * 4096)
    talker("cp", str(there), "talker:/tmp/file", "-c", "web")
    talker("cp", "talker:/tmp/file", str(back), "-c", "web")
    assert back.read_bytes() == there.read_bytes()


def test_port_forward(talker: Kubectl) -> None:
    with running(talker, "port-forward", "talker", ":8080") as forward:
        assert forward.stdout
        match = re.search(r"127\.0\.0\.1:(\d+) -> 8080", forward.stdout.readline())
        assert match
        for _ in range(3):
            with socket.create_connection(("127.0.0.1", int(match[1])), timeout=60) as connection:
                connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
                answer = b"".join(iter(lambda: connection.recv(4096), b""))
            assert answer.endswith(b"served\n")


def test_proxy_to_a_pod_through_the_api(talker: Kubectl) -> None:
    path = f"/api/v1/namespaces/{talker.namespace}/pods/talker:8080/proxy/"
    assert Kubectl(talker.binary, talker.kubeconfig)("get", "--raw", path) == "served\n"
