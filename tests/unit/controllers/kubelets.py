"""Histories of Pods: what kubelets, users and dying nodes do to the Pods that controllers made, as steps of a history of faults.

A Pod goes gracefully: KUBELET, a finalizer of the template, holds it until the step `gone`, as containers that stop do.
"""

from __future__ import annotations

from hypothesis import strategies as st

from pilothouse.api.types.core_v1 import ContainerState, ContainerStateTerminated, ContainerStatus, Pod, PodCondition, PodTemplateSpec
from pilothouse.controllers import pods
from pilothouse.machinery import codec, time
from tests.unit.controllers.faults import Faults, step

KUBELET = "test/kubelet"
STARTS: tuple[st.SearchStrategy[tuple[str, int]], ...] = (step("ready", 0, 5), step("gone", 0, 5))
DEATHS = (step("unready", 0, 5), step("die", 0, 5), step("vanish", 0, 5), step("fail", 0, 5))
ENDS = (step("succeed", 0, 5), step("fail", 0, 5))


def template(image: str = "app:1", *, restart: str = "Always", **labels: str) -> PodTemplateSpec:
    data = {
        "metadata": {"labels": labels or {"app": "web"}, "finalizers": [KUBELET]},
        "spec": {"restartPolicy": restart, "containers": [{"name": "app", "image": image}]},
    }
    return codec.from_dict(data, PodTemplateSpec)


class Kubelets(Faults):
    """Faults, and Pods that live and die."""

    @property
    def pods(self) -> list[Pod]:
        return sorted(self.transport.all(Pod), key=lambda one: (one.metadata.creationTimestamp, one.metadata.name))

    @property
    def active(self) -> list[Pod]:
        return [one for one in self.pods if pods.is_active(one)]

    def _pick(self, number: int, *, running: bool = False) -> Pod | None:
        found = [one for one in self.active if not running or pods.is_ready(one)]
        return found[number % len(found)] if found else None

    async def let_run(self, rounds: int, seconds: float, *, succeed: bool = False) -> None:
        """Nothing goes wrong any more: Pods become ready (and end well), those that are to go are gone."""
        for _ in range(rounds):
            await self.advance(seconds)
            for one in self.active:
                if not pods.is_ready(one):
                    self.transport.change(one, self.become_ready)
                elif succeed:
                    await self._end(one, "Succeeded")
            for one in self.pods:
                self._let_go(one)
            await self.advance(0)
            self.check()

    def become_ready(self, pod: Pod) -> None:
        pod.status.phase = "Running"
        self._say_ready(pod, "True")

    def _say_ready(self, pod: Pod, value: str) -> None:
        pod.status.conditions = [PodCondition(type="Ready", status=value, lastTransitionTime=time.now_text(self.clock))]

    def _let_go(self, pod: Pod) -> None:
        if not pod.metadata.deletionTimestamp or KUBELET not in pod.metadata.finalizers:
            return
        if not pods.is_finished(pod):
            pod = self.transport.change(pod, lambda one: self._ended(one, "Failed"))
        rest = [one for one in pod.metadata.finalizers if one != KUBELET]
        if rest:
            self.transport.change(pod, lambda one: setattr(one.metadata, "finalizers", rest))
        else:
            self.transport.remove(pod)

    def _ended(self, pod: Pod, phase: str) -> None:
        ended = ContainerStateTerminated(exitCode=0 if phase == "Succeeded" else 1, finishedAt=time.now_text(self.clock))
        pod.status.phase = phase
        pod.status.containerStatuses = [ContainerStatus(name="app", state=ContainerState(terminated=ended))]
        self._say_ready(pod, "False")

    async def _end(self, pod: Pod, phase: str) -> None:
        self.transport.change(pod, lambda one: self._ended(one, phase))

    # Steps.

    async def _ready(self, number: int) -> None:
        if (one := self._pick(number)) is not None:
            self.transport.change(one, self.become_ready)

    async def _unready(self, number: int) -> None:
        if (one := self._pick(number)) is not None:
            self.transport.change(one, lambda pod: self._say_ready(pod, "False"))

    async def _succeed(self, number: int) -> None:
        if (one := self._pick(number, running=True)) is not None:
            await self._end(one, "Succeeded")

    async def _fail(self, number: int) -> None:
        if (one := self._pick(number)) is not None:
            await self._end(one, "Failed")

    async def _die(self, number: int) -> None:
        """Somebody deletes it."""
        if (one := self._pick(number)) is not None:
            self.transport.delete(one)

    async def _vanish(self, number: int) -> None:
        """Its node is gone, and the Pod is removed by force."""
        if (one := self._pick(number)) is not None:
            self.transport.delete(one)
            self._let_go(next(pod for pod in self.pods if pod.metadata.uid == one.metadata.uid))

    async def _gone(self, number: int) -> None:
        going = [one for one in self.pods if one.metadata.deletionTimestamp and KUBELET in one.metadata.finalizers]
        if going:
            self._let_go(going[number % len(going)])
