"""What the containers of a testing cluster are told to do."""

from __future__ import annotations

import asyncio

import pytest

from pilothouse.api.types.core_v1 import Pod
from pilothouse.kit.clock import Clock, SystemClock
from pilothouse.kit.virtual_clock import EPOCH, VirtualClock
from pilothouse.kubelet.runtime.containers import ExecResult
from pilothouse.kubelet.runtime.simulated_containers import Behaviour
from pilothouse.kubelet.runtime.simulated_logs import LINES_LIMIT, Line, SimulatedLog
from pilothouse.kubelet.server.logs import LogOptions
from pilothouse.testing.cluster import Cluster
from pilothouse.testing.loop_thread import LoopThread
from pilothouse.testing.node_server import read

pytestmark = pytest.mark.cluster(clock="still")

POD = """
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: NAMESPACE}
spec:
  restartPolicy: Never
  containers: [{name: app, image: "web:1", terminationMessagePolicy: FallbackToLogsOnError, SPEC}]
"""


def pod(spec: str = "stdin: false", namespace: str = "default") -> str:
    return POD.replace("SPEC", spec).replace("NAMESPACE", namespace)


def test_lines_are_written_at_their_time(cluster: Cluster) -> None:
    cluster.behave("web:1", Behaviour(prints=["begun", Line("tick", 10, every_seconds=10), Line("once", 25)], run_seconds=45))
    cluster.apply(pod())
    cluster.advance("5s")
    assert cluster.logs("web", "app") == "begun\n"
    cluster.advance("1m")
    assert cluster.logs("web", "app").split() == ["begun", "tick", "tick", "once", "tick", "tick"]


def test_the_last_words_of_a_container_that_fails_are_its_termination_message(cluster: Cluster) -> None:
    cluster.behave("web:1", Behaviour(prints=["out of luck"], run_seconds=3, exit_code=2))
    cluster.apply(pod())
    cluster.advance("10s")
    ended = cluster.get(Pod, "web").status.containerStatuses[0].state.terminated
    assert (ended.exitCode, ended.message) == (2, "out of luck\n")


def test_a_command_is_given_its_input(cluster: Cluster) -> None:
    cluster.behave("web:1", Behaviour(exec_input=lambda command, given: ExecResult(command[0].encode() + given, b"", 4)))
    cluster.apply(pod())
    cluster.advance("5s")
    assert cluster.exec("web", "app", "cat", given=b"!") == ExecResult(b"cat!", b"", 4)


def test_a_probe_whose_command_takes_too_long_fails(cluster: Cluster) -> None:
    cluster.behave("web:1", Behaviour(exec_seconds=3))
    cluster.apply(pod("readinessProbe: {exec: {command: [check]}, timeoutSeconds: 2, periodSeconds: 5}"))
    cluster.advance("30s")
    assert not cluster.get(Pod, "web").status.containerStatuses[0].ready


def test_a_node_that_joins_later_knows_the_scripts(cluster: Cluster) -> None:
    cluster.behave("web:1", Behaviour(prints=["hello"]))
    cluster.images_fail("bad:1", message="no such host")
    cluster.start_node("late")
    cluster.advance("10s")
    placed = pod().replace("spec:", "spec:\n  nodeName: late")
    cluster.apply(placed)
    cluster.apply(placed.replace("web:1", "bad:1").replace("name: web", "name: bad"))
    cluster.advance("5s")
    assert cluster.logs("web", "app") == "hello\n"
    waiting = cluster.get(Pod, "bad").status.containerStatuses[0].state.waiting
    assert waiting.reason in ("ErrImagePull", "ImagePullBackOff")
    assert "no such host" in waiting.message


def test_pods_of_one_name_in_two_namespaces_are_two(cluster: Cluster) -> None:
    cluster.apply("apiVersion: v1\nkind: Namespace\nmetadata: {name: other}")
    cluster.apply(pod())
    cluster.apply(pod(namespace="other"))
    cluster.advance("5s")
    cluster.exit("web", "app", 9, namespace="other")
    cluster.advance("5s")
    assert [cluster.get(Pod, "web", space).status.phase for space in ("default", "other")] == ["Running", "Failed"]
    with pytest.raises(KeyError, match="no pod gone of namespace default is on a node"):
        cluster.exit("gone", "app")


@pytest.mark.parametrize("clock", [VirtualClock, SystemClock])
def test_nothing_runs_on_when_the_cluster_has_ended(clock: type[Clock], monkeypatch: pytest.MonkeyPatch) -> None:
    left: list[object] = []
    close = LoopThread.close

    def look_and_close(thread: LoopThread) -> None:
        left.extend(asyncio.all_tasks(thread._loop))
        close(thread)

    monkeypatch.setattr(LoopThread, "close", look_and_close)
    with Cluster(clock=clock()) as cluster:
        assert cluster.kubeconfig.exists()
        cluster.behave("web:1", Behaviour(prints=[Line("tick", every_seconds=1)], run_seconds=3600))
        cluster.apply(pod())
        cluster.advance("2s")
        assert cluster.logs("web", "app").startswith("tick\n")
    assert not left


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param(LogOptions(), b"a\nb\n\nc\n", id="all"),
        pytest.param(LogOptions(tail_lines=1), b"c\n", id="the last line"),
        pytest.param(LogOptions(tail_lines=0), b"", id="none"),
        pytest.param(LogOptions(limit_bytes=3), b"a\nb", id="so many bytes"),
        pytest.param(LogOptions(tail_lines=1, timestamps=True), b"2025-01-01T00:00:00.000000000Z c\n", id="with their times"),
    ],
)
async def test_a_log_is_read_as_asked(options: LogOptions, expected: bytes) -> None:
    log = SimulatedLog()
    log.write("a\nb\n", EPOCH)
    log.write("", EPOCH)
    log.write("c", EPOCH, "stderr")
    assert b"".join([piece async for piece in read(log, options)]) == expected


async def test_a_log_keeps_its_last_lines_only() -> None:
    log = SimulatedLog()
    for number in range(LINES_LIMIT + 5):
        log.write(str(number), EPOCH)
    assert next(log.since(0)).text == b"5"
    assert [one.text for one in log.since(log.count - 1)] == [str(LINES_LIMIT + 4).encode()]
