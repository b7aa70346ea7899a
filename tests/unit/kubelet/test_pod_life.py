"""The life of pods on a simulated node, from the API's side."""

from __future__ import annotations

import msgspec
import pytest

from pilothouse.api.types.core_v1 import (
    ConfigMap,
    ConfigMapKeySelector,
    Container,
    EnvVar,
    EnvVarSource,
    ExecAction,
    HTTPGetAction,
    Lifecycle,
    LifecycleHandler,
    Pod,
    Probe,
    ResourceRequirements,
    SleepAction,
    TCPSocketAction,
)
from pilothouse.api.types.core_v1 import Node as NodeObject
from pilothouse.client.call import STRATEGIC_MERGE_PATCH, Options
from pilothouse.kubelet.runtime.containers import ExecResult
from pilothouse.kubelet.runtime.port import RuntimeFailure
from pilothouse.kubelet.runtime.simulated_containers import Behaviour
from pilothouse.machinery.meta_v1 import ObjectMeta
from tests.unit.kubelet.harness import Node, a_pod, node


def reason_of(pod: Pod, place: int = 0) -> str:
    waiting = pod.status.containerStatuses[place].state.waiting
    return waiting.reason if waiting is not None else ""


def restarts_of(pod: Pod) -> int:
    return pod.status.containerStatuses[0].restartCount


async def delete(one: Node, name: str = "web", grace: int | None = None) -> None:
    await one.client.delete(Pod, name, "default", options=Options(grace_period_seconds=grace))


async def test_a_pod_becomes_running_and_ready() -> None:
    async with node() as one:
        pod = await one.run(a_pod())
        assert pod.status.phase == "Running"
        assert {c.type: c.status for c in pod.status.conditions} == {
            "PodReadyToStartContainers": "True",
            "Initialized": "True",
            "Ready": "True",
            "ContainersReady": "True",
            "PodScheduled": "True",
        }
        (status,) = pod.status.containerStatuses
        assert status.ready
        assert status.started
        assert status.state.running is not None
        assert status.containerID.startswith("containerd://")
        assert pod.status.podIP == "10.244.0.2"
        assert pod.status.hostIP == "10.0.0.5"
        assert pod.status.startTime
        assert await one.events("Started") == ["Started container app"]
        assert await one.events("Created") == ["Created container: app"]


async def test_a_deleted_pod_leaves_nothing() -> None:
    async with node() as one:
        await one.run(a_pod())
        await delete(one)
        await one.advance(5)
        assert await one.pods() == []
        assert one.runtime.containers == {}
        assert one.runtime.sandboxes == {}
        assert one.host.mounts == set()
        assert not [path for path in one.host.kinds if "/pods/" in path]
        assert await one.events("Killing") == ["Stopping container app"]


async def test_a_pod_that_is_deleted_by_force_is_ended_all_the_same() -> None:
    async with node() as one:
        await one.run(a_pod())
        await delete(one, grace=0)
        await one.advance(35)
        assert await one.pods() == []
        assert one.runtime.sandboxes == {}


async def test_the_api_keeps_a_pod_until_its_containers_are_gone() -> None:
    async with node() as one:
        one.runtime.behave("app:1", Behaviour(stop_seconds=20))
        await one.run(a_pod())
        await delete(one)
        await one.advance(10)
        pod = await one.pod("web")
        assert pod.metadata.deletionTimestamp
        assert pod.status.phase == "Running"
        await one.advance(15)
        assert await one.pods() == []


async def test_a_container_that_ignores_the_signal_is_killed_when_the_grace_period_is_over() -> None:
    async with node() as one:
        one.runtime.behave("app:1", Behaviour(stop_seconds=3600))
        await one.run(a_pod(terminationGracePeriodSeconds=7))
        await delete(one)
        await one.advance(6)
        assert await one.pods() == ["web"]
        await one.advance(3)
        assert await one.pods() == []


async def test_a_shorter_grace_period_takes_effect_while_the_pod_ends() -> None:
    async with node() as one:
        one.runtime.behave("app:1", Behaviour(stop_seconds=3600))
        await one.run(a_pod(terminationGracePeriodSeconds=600))
        await delete(one)
        await one.advance(10)
        await delete(one, grace=1)
        await one.advance(5)
        assert await one.pods() == []
        assert await one.events("Killing") == ["Stopping container app"]


# Restarts


async def test_a_container_that_crashes_backs_off_from_10_s_doubling_to_300() -> None:
    async with node() as one:
        one.runtime.behave("app:1", Behaviour(run_seconds=1, exit_code=1))
        pod = await one.run(a_pod(), 4)
        assert (reason_of(pod), restarts_of(pod)) == ("CrashLoopBackOff", 1)
        waiting = pod.status.containerStatuses[0].state.waiting
        assert waiting is not None
        assert waiting.message == f"back-off 10s restarting failed container=app pod=web_default({pod.metadata.uid})"
        last = pod.status.containerStatuses[0].lastState.terminated
        assert last is not None
        assert (last.exitCode, last.reason) == (1, "Error")
        assert pod.status.phase == "Running"
        await one.advance(11)
        assert restarts_of(await one.pod("web")) == 2
        await one.advance(23)
        assert restarts_of(await one.pod("web")) == 3
        await one.advance(3600)
        pod = await one.pod("web")
        waiting = pod.status.containerStatuses[0].state.waiting
        assert waiting is not None
        assert "back-off 5m0s restarting" in waiting.message
        assert 14 <= restarts_of(pod) <= 17
        assert f"Back-off restarting failed container app in pod web_default({pod.metadata.uid})" in await one.events("BackOff")


async def test_a_container_that_ran_for_ten_minutes_restarts_at_once_again() -> None:
    async with node() as one:
        one.runtime.behave("app:1", Behaviour(run_seconds=700, exit_code=1))
        await one.run(a_pod())
        await one.advance(3600)
        assert restarts_of(await one.pod("web")) == 5


@pytest.mark.parametrize(
    ("policy", "exit_code", "phase", "restarts"),
    [
        pytest.param("Never", 0, "Succeeded", 0, id="never, success"),
        pytest.param("Never", 3, "Failed", 0, id="never, failure"),
        pytest.param("OnFailure", 0, "Succeeded", 0, id="on failure, success"),
        pytest.param("OnFailure", 3, "Running", 1, id="on failure, failure"),
        pytest.param("Always", 0, "Running", 1, id="always, success"),
    ],
)
async def test_the_restart_policy_says_what_follows_an_exit(policy: str, exit_code: int, phase: str, restarts: int) -> None:
    async with node() as one:
        one.runtime.behave("app:1", Behaviour(run_seconds=1, exit_code=exit_code))
        pod = await one.run(a_pod(restartPolicy=policy), 4)
        assert pod.status.phase == phase
        assert restarts_of(pod) == restarts
        if phase in {"Succeeded", "Failed"}:
            terminated = pod.status.containerStatuses[0].state.terminated
            assert terminated is not None
            assert terminated.exitCode == exit_code
            ready = next(c for c in pod.status.conditions if c.type == "Ready")
            assert (ready.status, ready.reason) == ("False", "PodCompleted" if phase == "Succeeded" else "PodFailed")
            assert all(box.status.sandbox.state.value == "SANDBOX_NOTREADY" for box in one.runtime.sandboxes.values())


async def test_a_container_out_of_memory_says_so() -> None:
    async with node() as one:
        one.runtime.behave("app:1", Behaviour(run_seconds=1, oom=True))
        pod = await one.run(a_pod(restartPolicy="Never"), 4)
        terminated = pod.status.containerStatuses[0].state.terminated
        assert terminated is not None
        assert (terminated.reason, terminated.exitCode) == ("OOMKilled", 137)


async def test_a_deadline_ends_the_pod() -> None:
    async with node() as one:
        await one.run(a_pod(activeDeadlineSeconds=60))
        await one.advance(50)
        assert (await one.pod("web")).status.phase == "Running"
        await one.advance(15)
        pod = await one.pod("web")
        assert (pod.status.phase, pod.status.reason) == ("Failed", "DeadlineExceeded")
        assert pod.status.message == "Pod was active on the node longer than the specified deadline"


async def test_a_new_image_restarts_the_container_in_place() -> None:
    async with node() as one:
        pod = await one.run(a_pod())
        container = msgspec.structs.replace(pod.spec.containers[0], image="app:2")
        changed = msgspec.structs.replace(pod, spec=msgspec.structs.replace(pod.spec, containers=[container]))
        await one.client.update(changed)
        await one.advance(5)
        pod = await one.pod("web")
        assert pod.status.containerStatuses[0].image.endswith("app:2")
        assert restarts_of(pod) == 1
        assert "Container app definition changed, will be restarted" in await one.events("Killing")


@pytest.mark.parametrize("image", ["app:1", "bad:1"])
async def test_another_image_waits_for_nothing_that_the_one_before_did_wrong(image: str) -> None:
    async with node() as one:
        one.runtime.images_fail("bad:1")
        one.runtime.behave("app:1", Behaviour(run_seconds=1, exit_code=1))
        pod = await one.run(a_pod("web", Container(name="app", image=image)), 200)
        assert reason_of(pod) in ("CrashLoopBackOff", "ImagePullBackOff")
        container = msgspec.structs.replace(pod.spec.containers[0], image="app:2")
        await one.client.update(msgspec.structs.replace(pod, spec=msgspec.structs.replace(pod.spec, containers=[container])))
        await one.advance(3)
        assert (await one.pod("web")).status.containerStatuses[0].state.running is not None


# Init containers and sidecars


async def test_init_containers_run_one_after_another() -> None:
    async with node() as one:
        one.runtime.behave("init:1", Behaviour(run_seconds=10))
        inits = [Container(name="first", image="init:1"), Container(name="second", image="init:1")]
        pod = await one.run(a_pod(initContainers=inits), 5)
        assert pod.status.phase == "Pending"
        assert [s.state.running is not None for s in pod.status.initContainerStatuses] == [True, False]
        assert reason_of(pod) == "PodInitializing"
        initialized = next(c for c in pod.status.conditions if c.type == "Initialized")
        assert initialized.message == "containers with incomplete status: [first second]"
        await one.advance(30)
        pod = await one.pod("web")
        assert pod.status.phase == "Running"
        assert [s.ready for s in pod.status.initContainerStatuses] == [True, True]


@pytest.mark.parametrize(("policy", "phase"), [("Never", "Failed"), ("OnFailure", "Pending"), ("Always", "Pending")])
async def test_an_init_container_that_fails(policy: str, phase: str) -> None:
    async with node() as one:
        one.runtime.behave("init:1", Behaviour(run_seconds=1, exit_code=2))
        pod = await one.run(a_pod(initContainers=[Container(name="first", image="init:1")], restartPolicy=policy), 5)
        assert pod.status.phase == phase
        assert pod.status.containerStatuses[0].state.running is None
        first = pod.status.initContainerStatuses[0]
        assert (first.state.waiting.reason if first.state.waiting else "") == ("" if policy == "Never" else "CrashLoopBackOff")


async def test_a_sidecar_starts_before_and_ends_after_the_containers() -> None:
    async with node() as one:
        one.runtime.behave("app:1", Behaviour(stop_seconds=3))
        sidecar = Container(name="side", image="side:1", restartPolicy="Always")
        pod = await one.run(a_pod(initContainers=[sidecar]))
        assert pod.status.phase == "Running"
        app, side = one.runtime.named("web", "app"), one.runtime.named("web", "side")
        assert side.status.started_at < app.status.started_at
        await delete(one)
        await one.advance(2)
        assert side.status.finished_at == 0.0
        await one.advance(10)
        assert side.status.finished_at >= app.status.finished_at > 0.0


async def test_a_sidecar_does_not_keep_a_pod_from_completing() -> None:
    async with node() as one:
        one.runtime.behave("app:1", Behaviour(run_seconds=5))
        sidecar = Container(name="side", image="side:1", restartPolicy="Always")
        pod = await one.run(a_pod(initContainers=[sidecar], restartPolicy="Never"), 20)
        assert pod.status.phase == "Succeeded"


# Images


async def test_an_image_that_cannot_be_pulled() -> None:
    async with node() as one:
        one.runtime.images_fail("bad:1")
        pod = await one.run(a_pod("web", Container(name="app", image="bad:1")), 2)
        assert reason_of(pod) == "ErrImagePull"
        await one.advance(5)
        pod = await one.pod("web")
        assert reason_of(pod) == "ImagePullBackOff"
        assert pod.status.phase == "Pending"
        assert 'Back-off pulling image "bad:1"' in await one.events("BackOff")
        assert "Error: ErrImagePull" in await one.events("Failed")
        assert any(
            text.startswith('Failed to pull image "bad:1": rpc error: code = NotFound desc = ') for text in await one.events("Failed")
        )
        one.runtime.images_work("bad:1")
        await one.advance(15)
        assert (await one.pod("web")).status.phase == "Running"


@pytest.mark.parametrize(
    ("image", "policy", "reason"),
    [
        pytest.param("absent:1", "Never", "ErrImageNeverPull", id="never pulled"),
        pytest.param("UPPER:1", "IfNotPresent", "InvalidImageName", id="no name of an image"),
    ],
)
async def test_an_image_that_is_not_even_tried(image: str, policy: str, reason: str) -> None:
    async with node() as one:
        pod = await one.run(a_pod("web", Container(name="app", image=image, imagePullPolicy=policy)))
        assert reason_of(pod) == reason


# Configuration


async def test_what_is_missing_is_waited_for() -> None:
    async with node() as one:
        source = EnvVarSource(configMapKeyRef=ConfigMapKeySelector(name="settings", key="a"))
        pod = await one.run(a_pod("web", Container(name="app", image="app:1", env=[EnvVar(name="A", valueFrom=source)])))
        assert reason_of(pod) == "CreateContainerConfigError"
        waiting = pod.status.containerStatuses[0].state.waiting
        assert waiting is not None
        assert waiting.message == 'configmap "settings" not found'
        await one.client.create(ConfigMap(metadata=ObjectMeta(name="settings", namespace="default"), data={"a": "1"}))
        await one.advance(1)
        assert (await one.pod("web")).status.phase == "Running"
        assert ("A", "1") in one.runtime.named("web", "app").config.env


# Probes


async def test_a_pod_is_not_ready_before_its_readiness_probe_succeeds() -> None:
    async with node() as one:
        one.probes_fail.add(("httpGet", 80))
        probe = Probe(httpGet=HTTPGetAction(port=80, path="/"), periodSeconds=5)
        pod = await one.run(a_pod("web", Container(name="app", image="app:1", readinessProbe=probe)))
        assert pod.status.phase == "Running"
        assert not pod.status.containerStatuses[0].ready
        ready = next(c for c in pod.status.conditions if c.type == "Ready")
        assert ready.message == "containers with unready status: [app]"
        assert "Readiness probe failed: HTTP probe failed with statuscode: 500" in await one.events("Unhealthy")
        one.probes_fail.clear()
        await one.advance(6)
        assert (await one.pod("web")).status.containerStatuses[0].ready
        one.probes_fail.add(("httpGet", 80))
        await one.advance(10)
        assert (await one.pod("web")).status.containerStatuses[0].ready  # two failures are not yet three
        await one.advance(6)
        assert not (await one.pod("web")).status.containerStatuses[0].ready


async def test_a_liveness_probe_restarts_the_container() -> None:
    async with node() as one:
        probe = Probe(tcpSocket=TCPSocketAction(port=80), periodSeconds=10, initialDelaySeconds=5)
        await one.run(a_pod("web", Container(name="app", image="app:1", livenessProbe=probe)), 20)
        one.probes_fail.add(("tcpSocket", 80))
        await one.advance(31)
        one.probes_fail.clear()
        pod = await one.pod("web")
        assert restarts_of(pod) == 1
        assert pod.status.phase == "Running"
        assert "Container app failed liveness probe, will be restarted" in await one.events("Killing")


async def test_a_probe_that_cannot_be_asked_is_told_and_counts_for_nothing() -> None:
    def refused(command: object) -> ExecResult:
        raise RuntimeFailure("failed to exec in container: no such file")

    async with node() as one:
        one.runtime.behave("app:1", Behaviour(exec=refused))
        probe = Probe(exec=ExecAction(command=["/none"]), periodSeconds=1, failureThreshold=1)
        pod = await one.run(a_pod("web", Container(name="app", image="app:1", livenessProbe=probe)), 20)
        assert restarts_of(pod) == 0
        said = "rpc error: code = Unknown desc = failed to exec in container: no such file"
        assert f"Liveness probe errored and resulted in unknown state: {said}" in await one.events("Unhealthy")


async def test_a_probe_that_fails_without_a_word_is_told_without_one() -> None:
    async with node() as one:
        one.runtime.behave("app:1", Behaviour(exec=lambda command: ExecResult(b"", b"", 1)))
        probe = Probe(exec=ExecAction(command=["false"]), periodSeconds=1, failureThreshold=1)
        pod = await one.run(a_pod("web", Container(name="app", image="app:1", livenessProbe=probe)), 5)
        assert restarts_of(pod) > 0
        assert await one.events("Unhealthy") == ["Liveness probe failed: "]


async def test_a_startup_probe_holds_the_others_back() -> None:
    async with node() as one:
        one.probes_fail |= {("tcpSocket", 80), ("httpGet", 80)}
        container = Container(
            name="app",
            image="app:1",
            startupProbe=Probe(tcpSocket=TCPSocketAction(port=80), periodSeconds=1, failureThreshold=60),
            livenessProbe=Probe(httpGet=HTTPGetAction(port=80, path="/"), periodSeconds=1, failureThreshold=1),
        )
        pod = await one.run(a_pod("web", container), 30)
        assert restarts_of(pod) == 0
        assert not pod.status.containerStatuses[0].started
        one.probes_fail.clear()
        await one.advance(3)
        assert (await one.pod("web")).status.containerStatuses[0].started


# Hooks


async def test_a_post_start_hook_that_fails_kills_the_container() -> None:
    async with node() as one:
        one.runtime.behave("app:1", Behaviour(exec=lambda command: ExecResult(b"", b"no", 7)))
        hook = Lifecycle(postStart=LifecycleHandler(exec=ExecAction(command=["false"])))
        pod = await one.run(a_pod("web", Container(name="app", image="app:1", lifecycle=hook)))
        assert "PostStartHook failed" in await one.events("FailedPostStartHook")
        assert "FailedPostStartHook" in await one.events("Killing")
        assert reason_of(pod) == "CrashLoopBackOff"


async def test_a_pre_stop_hook_runs_within_the_grace_period() -> None:
    async with node() as one:
        hook = Lifecycle(preStop=LifecycleHandler(sleep=SleepAction(seconds=10)))
        await one.run(a_pod("web", Container(name="app", image="app:1", lifecycle=hook)))
        await delete(one)
        await one.advance(9)
        assert await one.pods() == ["web"]
        await one.advance(3)
        assert await one.pods() == []


async def test_a_pre_stop_hook_does_not_outlast_the_grace_period() -> None:
    async with node() as one:
        one.runtime.behave("app:1", Behaviour(stop_seconds=3600))
        hook = Lifecycle(preStop=LifecycleHandler(sleep=SleepAction(seconds=4)))
        await one.run(a_pod("web", Container(name="app", image="app:1", lifecycle=hook), terminationGracePeriodSeconds=5))
        await delete(one)
        await one.advance(8)
        assert await one.pods() == []


# The node's own word


async def test_a_pod_that_does_not_fit_is_turned_away() -> None:
    async with node() as one:
        big = Container(name="app", image="app:1", resources=ResourceRequirements(requests={"cpu": "100"}))
        pod = await one.run(a_pod("web", big))
        assert (pod.status.phase, pod.status.reason) == ("Failed", "OutOfcpu")
        expected = "Pod was rejected: Node didn't have enough resource: cpu, requested: 100000, used: 0, capacity: 8000"
        assert pod.status.message == expected
        assert await one.events("OutOfcpu") == [expected.removeprefix("Pod was rejected: ")]
        assert one.runtime.sandboxes == {}


# Another kubelet process


async def test_a_restarted_kubelet_harms_no_container_and_keeps_counts() -> None:
    async with node() as one:
        one.runtime.behave("crash:1", Behaviour(run_seconds=1, exit_code=1))
        probe = Probe(httpGet=HTTPGetAction(port=80, path="/"), periodSeconds=5)
        await one.run(a_pod("web", Container(name="app", image="app:1", readinessProbe=probe)))
        crashed = await one.run(a_pod("sick", Container(name="app", image="crash:1")), 20)
        before = one.runtime.named("web", "app").status
        status = (await one.pod("web")).status
        await one.restart()
        await one.advance(5)
        assert one.runtime.named("web", "app").status == before
        assert (await one.pod("web")).status == status
        assert restarts_of(await one.pod("sick")) >= restarts_of(crashed)
        await delete(one)
        await one.advance(5)
        assert await one.pods() == ["sick"]


async def test_restarts_are_counted_on_by_a_kubelet_whose_runtime_has_lost_the_containers() -> None:
    async with node() as one:
        one.runtime.behave("app:1", Behaviour(run_seconds=1, exit_code=1))
        before = restarts_of(await one.run(a_pod(), 40))
        one.runtime.behave("app:1", Behaviour())
        await one.stop()
        for sandbox in [*one.runtime.sandboxes]:
            await one.runtime.remove_pod_sandbox(sandbox)
        one.kubelet = one.make()
        await one.start()
        await one.advance(5)
        after = await one.pod("web")
        assert (restarts_of(after), before) == (4, 3)
        assert after.status.containerStatuses[0].state.running is not None


async def test_a_container_that_somebody_takes_away_runs_again_and_is_counted() -> None:
    async with node() as one:
        await one.run(a_pod())
        (identifier,) = one.runtime.containers
        await one.runtime.remove_container(identifier)
        await one.advance(5)
        after = await one.pod("web")
        assert restarts_of(after) == 1
        assert after.status.containerStatuses[0].state.running is not None


async def test_what_belongs_to_no_pod_is_ended_at_the_start() -> None:
    async with node() as one:
        await one.run(a_pod())
        await one.stop()
        await delete(one, grace=0)
        await one.restart()
        assert one.runtime.sandboxes == {}
        assert one.runtime.containers == {}


async def test_logs_and_directories_of_no_pod_are_taken_away_at_the_start_or_left_to_who_uses_them() -> None:
    async with node() as one:
        kept = await one.run(a_pod())
        root, logs = one.kubelet.config.root_dir, one.kubelet.config.pod_log_dir
        one.host.files[f"{logs}/default_gone_u-9/app/0.log"] = b"x"
        for path in (f"{logs}/default_gone_u-9", f"{root}/pods/u-9", f"{root}/pods/u-8"):
            await one.host.make_directory(path)
        remove = one.host.remove_tree

        async def remove_unless_busy(path: str) -> None:
            if path.endswith("u-8"):
                raise OSError(16, "Device or resource busy", path)
            await remove(path)

        one.host.remove_tree = remove_unless_busy  # type: ignore[method-assign]
        await one.restart()
        assert [*await one.host.list_directory(logs)] == [f"default_web_{kept.metadata.uid}"]
        assert sorted(await one.host.list_directory(f"{root}/pods")) == sorted([kept.metadata.uid, "u-8"])
        assert (await one.pod("web")).status.containerStatuses[0].ready


async def test_a_sandbox_that_dies_is_replaced_and_everything_in_it_runs_again() -> None:
    async with node() as one:
        await one.run(a_pod())
        (box,) = one.runtime.sandboxes
        await one.runtime.stop_pod_sandbox(box)
        await one.advance(5)
        pod = await one.pod("web")
        assert pod.status.phase == "Running"
        assert restarts_of(pod) == 1
        assert len([b for b in one.runtime.sandboxes.values() if b.status.sandbox.state.value == "SANDBOX_READY"]) == 1


async def test_a_pod_with_a_finalizer_is_ended_but_stays_in_the_api() -> None:
    async with node() as one:
        wanted = a_pod()
        wanted.metadata.finalizers = ["example.com/hold"]
        await one.run(wanted)
        await delete(one)
        await one.advance(60)
        pod = await one.pod("web")
        assert pod.metadata.deletionTimestamp
        assert pod.status.phase == "Failed"
        assert all(c.status.container.state.value == "CONTAINER_EXITED" for c in one.runtime.containers.values())
        held = await one.pod("web")
        await one.client.update(msgspec.structs.replace(held, metadata=msgspec.structs.replace(held.metadata, finalizers=[])))
        await one.advance(5)
        assert await one.pods() == []
        assert one.runtime.containers == {}


async def test_one_seed_gives_the_same_events_twice() -> None:
    told = []
    for _ in range(2):
        async with node() as one:
            one.runtime.behave("app:1", Behaviour(run_seconds=3, exit_code=1))
            await one.run(a_pod(), 120)
            told.append((await one.events(), (await one.pod("web")).metadata.uid, sorted(one.runtime.containers)))
    assert told[0] == told[1]


async def test_a_container_that_cannot_be_started_says_why_and_backs_off() -> None:
    async with node() as one:
        one.runtime.behave("app:1", Behaviour(start_error="no such executable"))
        pod = await one.run(a_pod(), 5)
        assert await one.events("Failed") == ["Error: no such executable"]
        assert reason_of(pod) == "CrashLoopBackOff"
        assert restarts_of(pod) == 1
        ended = pod.status.containerStatuses[0].lastState.terminated
        assert ended is not None
        assert ended.startedAt == "1970-01-01T00:00:00Z"


async def test_a_deadline_is_told() -> None:
    async with node() as one:
        pod = await one.run(a_pod(activeDeadlineSeconds=3), 10)
        assert (pod.status.phase, pod.status.reason) == ("Failed", "DeadlineExceeded")
        assert await one.events("DeadlineExceeded") == ["Pod was active on the node longer than the specified deadline"]


async def test_a_readiness_that_another_took_away_is_told_again() -> None:
    """As the controller of nodes does when the node was silent for a while."""
    async with node() as one:
        pod = await one.run(a_pod())
        body = b'{"status": {"conditions": [{"type": "Ready", "status": "False"}]}}'
        await one.client.patch(Pod, "web", "default", body, patch_type=STRATEGIC_MERGE_PATCH, subresource="status")
        await one.advance(2)
        assert (await one.pod("web")).status == pod.status, "as if nobody had said otherwise, its moment too"


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"status": {"message": "m", "reason": "r"}}', id="a reason"),
        pytest.param(b'{"status": {"containerStatuses": []}}', id="the containers"),
        pytest.param(b'{"status": {"startTime": "2025-01-01T00:00:01Z"}}', id="when it began"),
    ],
)
async def test_what_another_says_of_the_kubelets_own_is_put_right(body: bytes) -> None:
    async with node() as one:
        pod = await one.run(a_pod())
        await one.client.patch(Pod, "web", "default", body, patch_type=STRATEGIC_MERGE_PATCH, subresource="status")
        await one.advance(2)
        assert (await one.pod("web")).status == pod.status


async def test_a_node_that_was_called_silent_answers_at_once() -> None:
    async with node() as one:
        await one.advance(15)
        body = b'{"status": {"conditions": [{"type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown"}]}}'
        await one.client.patch(NodeObject, "node-0", "", body, patch_type=STRATEGIC_MERGE_PATCH, subresource="status")
        await one.advance(2)
        found = await one.client.get(NodeObject, "node-0")
        assert {c.type: (c.status, c.reason) for c in found.status.conditions}["Ready"] == ("True", "KubeletReady")
        assert await one.events("NodeReady") == ["Node node-0 status is now: NodeReady"]
