"""What befalls a cluster in a story: deletions, crashes, nodes that fall silent and come back."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from pilothouse.api.types.core_v1 import Pod
from pilothouse.client.call import Options
from pilothouse.kubelet.runtime.containers import ContainerState
from pilothouse.testing.cluster import Cluster

T = TypeVar("T")
UP_AT_LEAST = 2
"""Nodes that no story stops."""


class Faults:
    """Each method does one thing, or nothing where there is nothing to do it to. `chance` chooses; `steps` tells what was done."""

    def __init__(self, cluster: Cluster, chance: random.Random, steps: list[str], graces: Sequence[int | None]) -> None:
        self.cluster, self.steps = cluster, steps
        self._chance, self._graces = chance, graces
        self._nodes = [*cluster.runtimes]
        self._down: set[str] = set()

    def pods(self) -> list[Pod]:
        return sorted(self.cluster.list(Pod, "default"), key=lambda one: one.metadata.name)

    def delete_pod(self) -> None:
        for pod in self._any(self.pods()):
            grace = self._chance.choice(self._graces)
            self.steps.append(f"delete {pod.metadata.name} {grace}")
            self.cluster.delete(Pod, pod.metadata.name, options=Options(grace_period_seconds=grace))

    def crash(self) -> None:
        for name in self._any(self._nodes):
            runtime = self.cluster.runtimes[name]
            running = [one for one, held in runtime.containers.items() if held.status.container.state is ContainerState.RUNNING]
            for container in self._any(running):
                self.steps.append(f"crash {container} on {name}")

                async def exit_now(end: Callable[[str], None] = runtime.exit, container: str = container) -> None:
                    end(container)

                self.cluster.run(exit_now())

    def stop_node(self) -> None:
        if len(self._nodes) - len(self._down) > UP_AT_LEAST:
            for name in self._any([one for one in self._nodes if one not in self._down]):
                self.steps.append(f"stop {name}")
                self._down.add(name)
                self.cluster.stop_node(name)

    def start_node(self) -> None:
        for name in self._any(sorted(self._down)):
            self.steps.append(f"start {name}")
            self._down.discard(name)
            self.cluster.start_node(name)

    def end(self) -> None:
        """All nodes are back."""
        while self._down:
            self.start_node()

    def _any(self, choices: Iterable[T]) -> list[T]:
        found = [*choices]
        return [self._chance.choice(found)] if found else []
