"""Whatever is observed, executing the plan step by step comes to rest, and never runs two instances of one container.

A small model of the runtime executes steps; between any two of them the world may change: containers exit, sandboxes die, the
kubelet forgets what it prepared, the pod is deleted.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as some

from pilothouse.api.types.core_v1 import Container, Pod, PodSpec
from pilothouse.kubelet.pods import backoff
from pilothouse.kubelet.pods.ending import decide
from pilothouse.kubelet.pods.observed import Failure, PodSandbox, PodState, Run
from pilothouse.kubelet.pods.planner import plan
from pilothouse.kubelet.pods.spec import spec_hash
from pilothouse.kubelet.pods.steps import BackingOff, KillAll, Release, Remove, RemoveSandbox, SetUp, Start, Step, StopSandbox
from pilothouse.kubelet.runtime.containers import ContainerState
from pilothouse.machinery.meta_v1 import ObjectMeta

RUNNING, EXITED, CREATED = ContainerState.RUNNING, ContainerState.EXITED, ContainerState.CREATED
STEPS_LIMIT = 400


@dataclass
class World:
    """The model: what steps do, and what may happen by itself."""

    pod: Pod
    state: PodState = field(default_factory=PodState)
    now: float = 1_000_000.0
    numbers: itertools.count[int] = field(default_factory=itertools.count)

    def run(self, step: Step) -> None:
        match step:
            case SetUp():
                self.state.prepared = True
                if step.sandbox:
                    number = next(self.numbers)
                    self.state.sandboxes.insert(0, PodSandbox(f"box-{number}", step.attempt, True, self.now, ("10.0.0.2",)))
            case Start():
                self.start(step.container.name, step.attempt)
            case KillAll():
                for kill in step.kills:
                    self.exit(kill.run_id, 143)
            case Remove():
                for name, runs in self.state.runs.items():
                    self.state.runs[name] = [one for one in runs if one.id != step.run_id]
            case StopSandbox():
                self.stop(step.sandbox_id)
            case RemoveSandbox():
                self.state.sandboxes = [one for one in self.state.sandboxes if one.id != step.sandbox_id]
            case Release():
                self.state.released = True
            case BackingOff():
                self.state.failures[step.name] = Failure("CrashLoopBackOff", "", step.until)
        self.check()

    def start(self, name: str, attempt: int) -> None:
        box = self.state.sandbox
        assert box is not None
        assert box.ready, "nothing starts in a sandbox that is dead"
        newest = self.state.newest(name)
        if newest is not None and newest.exited:
            self.state.back_offs[name] = backoff.used(self.state.back_offs.get(name), newest.finished_at, self.now)
        self.state.failures.pop(name, None)
        made = Run(f"{name}-{next(self.numbers)}", name, attempt, box.id, RUNNING, self.now, self.now)
        made.spec_hash = spec_hash(Container(name=name, image="i"))
        self.state.runs.setdefault(name, []).insert(0, made)

    def exit(self, run_id: str, code: int) -> None:
        for run in self.state.all_runs():
            if run.id == run_id and run.state is not EXITED:
                run.state, run.exit_code, run.finished_at = EXITED, code, self.now

    def stop(self, box_id: str) -> None:
        for box in self.state.sandboxes:
            if box.id == box_id:
                box.ready = False
        for run in self.state.all_runs():
            if run.sandbox_id == box_id:
                self.exit(run.id, 137)

    def check(self) -> None:
        for name, runs in self.state.runs.items():
            assert sum(one.running for one in runs) <= 1, f"two instances of {name} run"
            attempts = [one.attempt for one in runs]
            assert len(attempts) == len(set(attempts)), f"an attempt of {name} was used twice"
        if self.state.released:
            assert not any(one.running for one in self.state.all_runs()), "the pod was released while something of it ran"

    def disturb(self, event: str, place: int) -> None:
        """Something that nobody asked for."""
        alive = [run for run in self.state.all_runs() if run.running]
        if event == "exit" and alive:
            self.exit(alive[place % len(alive)].id, place % 2)
        elif event == "sandbox" and self.state.sandbox is not None:
            self.stop(self.state.sandbox.id)
        elif event == "restart" and self.state.ending is None:
            self.state.prepared = False
            self.state.back_offs.clear()
            self.state.failures.clear()
        elif event == "delete":
            self.pod.metadata.deletionTimestamp = "2025-01-01T00:00:00Z"
        elif event == "time":
            self.now += 7.0 * place

    def end_unfinished(self) -> None:
        """Plan and execute until there is nothing to do; nothing disturbs."""
        for _ in range(STEPS_LIMIT):
            self.state.ending = decide(self.pod, self.state, self.now)
            planned = plan(self.pod, self.state, self.now)
            for step in planned.steps:
                self.run(step)
            if not planned.steps:
                if planned.wake_at is None:
                    return
                assert planned.wake_at >= self.now, "a plan that waits for the past would spin"
                self.now = max(planned.wake_at, self.now) + 0.001
        raise AssertionError("the plan does not come to rest")


@some.composite
def pods(draw: some.DrawFn) -> Pod:
    names = ["a", "b"][: draw(some.integers(1, 2))]
    kinds = draw(some.lists(some.booleans(), max_size=2))
    inits = [Container(name=f"i{place}", image="i", restartPolicy="Always" if side else "") for place, side in enumerate(kinds)]
    spec = PodSpec(
        containers=[Container(name=name, image="i") for name in names],
        initContainers=inits,
        restartPolicy=draw(some.sampled_from(["Always", "OnFailure", "Never"])),
    )
    return Pod(metadata=ObjectMeta(name="web", namespace="default", uid="u"), spec=spec)


EVENTS = some.lists(
    some.tuples(some.sampled_from(["exit", "exit", "exit", "sandbox", "restart", "delete", "time"]), some.integers(0, 60)), max_size=40
)


@settings(max_examples=200, deadline=None)
@given(wanted=pods(), events=EVENTS)
def test_any_history_comes_to_rest_and_runs_nothing_twice(wanted: Pod, events: list[tuple[str, int]]) -> None:
    world = World(wanted)
    for event, place in events:
        world.state.ending = decide(world.pod, world.state, world.now)
        for step in plan(world.pod, world.state, world.now).steps[:1]:
            world.run(step)
        world.disturb(event, place)
    # Init containers must end for the pod to go on; nobody else does it here.
    for _ in range(10):
        world.end_unfinished()
        for init in world.pod.spec.initContainers:
            run = world.state.current(init.name)
            if run is not None and run.running and not init.restartPolicy:
                world.exit(run.id, 0)
    world.end_unfinished()
    arrived(world)


def arrived(world: World) -> None:
    """What the pod asks for is so."""
    state = world.state
    if state.ending is not None:
        assert state.released
        assert not any(box.ready for box in state.sandboxes)
        return
    for container in world.pod.spec.containers:
        run = state.newest(container.name)
        assert run is not None
        if world.pod.spec.restartPolicy == "Always":
            assert run.running
        elif world.pod.spec.restartPolicy == "OnFailure":
            assert run.running or run.succeeded
