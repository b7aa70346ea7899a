"""A whole cluster in this process, for tests: API server, controllers, scheduler and simulated nodes.

    with Cluster(nodes=3) as cluster:
        cluster.apply(manifest)
        cluster.advance("10m")
        assert cluster.get(Deployment, "web").status.readyReplicas == 3

- Its time runs at the machine's speed, so that `kubectl wait` and any other client see progress; `advance` moves it forward, and does
  on the way all that falls due.
- With `clock="still"` it stands still until `advance` moves it: the same seed and the same steps give the same events.
- No root, no containers, no files but the kubeconfig's; any number live side by side in one process.
- `kubeconfig` is a path by which any client reaches it on loopback, also while its time stands still; logs, exec and attach
  show what its containers' scripts say.
- The pods of its nodes are the kubelet's own doing, over a runtime that simulates containers (`runtimes`).
- With `clock="real"` it is the machine's time, and `advance` waits.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from pilothouse import API_LEVEL, API_LEVELS
from pilothouse.api.types.admissionregistration_v1 import RuleWithOperations
from pilothouse.api.types.core_v1 import Node, Pod
from pilothouse.client.call import ListResult, Options
from pilothouse.client.client import Client
from pilothouse.kit.clock import Clock, SystemClock
from pilothouse.kit.entropy import Entropy
from pilothouse.kit.offload import collector_waiting
from pilothouse.kit.running_clock import RunningClock
from pilothouse.kit.virtual_clock import VirtualClock
from pilothouse.kubelet.runtime.containers import ExecResult
from pilothouse.kubelet.runtime.simulated import SimulatedRuntime
from pilothouse.kubelet.runtime.simulated_containers import Behaviour, SimulatedContainer
from pilothouse.machinery.conditions import is_condition_true
from pilothouse.testing.certificates import ServingCertificate
from pilothouse.testing.control_plane import ControlPlane
from pilothouse.testing.durations import seconds
from pilothouse.testing.installing import install
from pilothouse.testing.loop_thread import LoopThread
from pilothouse.testing.manifests import apply
from pilothouse.testing.nodes import SimulatedNode
from pilothouse.testing.watching import EVENTS_LIMIT, Events, WatchBuffer
from pilothouse.testing.webhooks import CHANGES, Handler, Webhook, Webhooks, is_answering, rule_of

T = TypeVar("T")
R = TypeVar("R")

READY_LIMIT_SECONDS = 60.0
"""Of the cluster's own time, for the nodes to become Ready at the start."""
START_LIMIT_SECONDS = 30.0
"""Of real time, before a start that hangs is called a bug."""


class Cluster:
    """A whole cluster in this process. Every method blocks until it is done; call them from one thread.

    Its time and its nodes are described in the module docstring."""

    def __init__(self, *, nodes: int = 1, seed: int = 0, clock: Clock | str = "running", kubernetes_version: str = API_LEVEL) -> None:
        """`kubernetes_version` is the level of the API that is served: one of `pilothouse.API_LEVELS`."""
        if kubernetes_version not in API_LEVELS:
            raise ValueError(f"kubernetes_version {kubernetes_version!r} is not served: choose one of {', '.join(API_LEVELS)}")
        self.clock: Clock = clock_of(clock) if isinstance(clock, str) else clock
        self.runtimes: dict[str, SimulatedRuntime] = {}
        """The runtime of each node by its name: where a test says what images and containers do."""
        self._entropy = Entropy(seed)
        self._count = nodes
        self._level = kubernetes_version
        self._nodes: dict[str, tuple[SimulatedNode, asyncio.Task[None]]] = {}
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._kubeconfig: Path | None = None
        self._webhooks = Webhooks()
        self._certificates = 0
        self._told: list[Callable[[SimulatedRuntime], object]] = []
        self._thread: LoopThread | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def start(self) -> None:
        """Return with every node Ready."""
        self._thread = LoopThread("pilothouse-test-cluster")
        try:
            with collector_waiting():
                self._call(self._start(), START_LIMIT_SECONDS)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End everything; harmless when it has ended."""
        if self._thread is not None:
            self._call(self._stop())
            self._thread.close()
            self._thread = None
        if self._folder is not None:
            self._folder.cleanup()

    @property
    def kubeconfig(self) -> Path:
        """The file by which any client reaches this cluster; its API server listens from the first time this is asked."""
        if self._kubeconfig is None:
            self._kubeconfig = self._call(self._serve(self._home()))
        return self._kubeconfig

    def advance(self, duration: str | float | timedelta) -> None:
        """Move this cluster's time forward, and let everything happen that is to happen until then."""
        self._call(self._advance(seconds(duration)))

    def apply(self, manifest: str) -> list[Any]:
        """Create or update every object of a YAML text, in its order; what the server made of them."""
        return self._call(apply(self.client, manifest))

    def install(self, *paths: str | Path) -> list[Any]:
        """Apply YAML files, or all of folders (a chart's `crds/`), definitions of kinds first; what the server made of them.

        It returns when the kinds that they define are served. ValueError for a path without manifests.
        """
        return self._call(install(self.client, self.clock, [Path(path) for path in paths]))

    def create(self, obj: T) -> T:
        """Create an object and return it as stored. StatusError when the API refuses it."""
        return self._call(self.client.create(obj))

    def get(self, kind: type[T], name: str, namespace: str = "default") -> T:
        """The object; StatusError 404 when there is none. It is the cluster's own: do not change it."""
        return self._call(self.client.get(kind, name, namespace))

    def list(self, kind: type[T], namespace: str = "", selector: str = "") -> list[T]:
        """List objects; namespace "" means all."""
        result: ListResult[T] = self._call(self.client.list(kind, namespace, options=Options(label_selector=selector)))
        return result.items

    def delete(self, kind: type[Any], name: str, namespace: str = "default", *, options: Options | None = None) -> Any:
        """Delete an object. StatusError, reason NotFound, when there is none."""
        return self._call(self.client.delete(kind, name, namespace, options=options))

    def images_fail(self, *images: str, message: str = "") -> None:
        """Make pulls of these images fail on every node; the default `message` is the runtime's "not found"."""
        self._everywhere(lambda runtime: runtime.images_fail(*images, message=message))

    def images_work(self, *images: str) -> None:
        """These images can be pulled again."""
        self._everywhere(lambda runtime: runtime.images_work(*images))

    def behave(self, image: str, behaviour: Behaviour) -> None:
        """Set the behaviour of containers of this image that start from now on, on every node."""
        self._everywhere(lambda runtime: runtime.behave(image, behaviour))

    def exit(self, pod: str, container: str, exit_code: int = 1, *, oom: bool = False, namespace: str = "default") -> None:
        """The newest container of that name in the pod of that name ends as if by itself; KeyError when there is none."""
        runtime, running = self._container(pod, container, namespace)
        self._call(_soon(runtime.exit, running.status.container.id, exit_code, oom=oom))

    def write(self, pod: str, container: str, text: str, *, stream: str = "stdout", namespace: str = "default") -> None:
        """The container writes a line, or several."""
        runtime, running = self._container(pod, container, namespace)
        self._call(_soon(runtime.write, running.status.container.id, text, stream))

    def logs(self, pod: str, container: str, namespace: str = "default") -> str:
        """Log of the newest container of that name in the Pod."""
        _, running = self._container(pod, container, namespace)
        return "".join(f"{line.text.decode()}\n" for line in running.log.since(0))

    def exec(self, pod: str, container: str, *command: str, given: bytes = b"", namespace: str = "default") -> ExecResult:
        """Run a command in the container; `given` is its standard input."""
        runtime, running = self._container(pod, container, namespace)
        return self._call(runtime.answer(running, command, given))

    def stop_node(self, name: str) -> None:
        """The node's kubelet falls silent; its containers run on, as when the network to it is cut."""
        self._call(self._stop_node(name))

    def start_node(self, name: str) -> None:
        """The node's kubelet comes (back) to life with the containers that it had."""
        self._call(self._start_node(name))

    def webhook(
        self,
        handler: Handler,
        *resources: str,
        operations: Sequence[str] = CHANGES,
        mutating: bool = False,
        name: str = "",
        rules: Sequence[RuleWithOperations] = (),
        **settings: Any,
    ) -> Webhook:
        """Register a Python function as an admission webhook of `resources`, named as kubectl does (`pods`, `deployments.apps`).

        `rules` say more than names can; `settings` are other fields of the webhook by the API's names (`failurePolicy="Ignore"`,
        `namespaceSelector={...}`). It acts when this returns. StatusError when the API refuses the configuration. See testing/webhooks.py.
        """
        told = [*rules, *(rule_of(resource, operations) for resource in resources)]
        return self._call(self._webhooks.register(self.client, handler, told, name, settings, self._call, mutating=mutating))

    def watch_events(self, kind: type[T], namespace: str = "", selector: str = "", *, limit: int = EVENTS_LIMIT) -> Events[T]:
        """Gather the watch events of a kind from now on: take those that came, or wait for one. At most `limit` wait to be taken."""
        return self._call(self._watch_events(WatchBuffer(self.client, kind, namespace, selector, limit)))

    def certificate(self, *names: str) -> ServingCertificate:
        """A certificate for a webhook server of the test's own: `127.0.0.1`, or NAME.NAMESPACE.svc of the Service that it answers for."""
        self._certificates += 1
        return ServingCertificate.make(self._home() / f"certificate-{self._certificates}", names)

    def answer_for(self, service: str, port: int, namespace: str = "default") -> None:
        """A program of the test answers, at this port of 127.0.0.1, for a Service whose webhook the API server calls."""
        self._plane.registry.store.local_services[namespace, service] = ("127.0.0.1", port)

    @property
    def client(self) -> Client:
        """The administrator's client in process, for coroutines given to `run`. RuntimeError when the cluster is not running."""
        self._running()
        return self._plane.client

    def run(self, work: Coroutine[Any, Any, R]) -> R:
        """The result of a coroutine that runs in the cluster's own loop."""
        return self._call(work)

    async def _watch_events(self, gathering: WatchBuffer[T]) -> Events[T]:
        await gathering.begin()
        task = self._plane.start(gathering.run(), "events of a test")

        async def stop() -> None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        return Events(self._call, self.clock, gathering, lambda: self._call(stop()))

    def _home(self) -> Path:
        """The folder of this cluster's files, which goes with it."""
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="pilothouse-")
        return Path(self._folder.name)

    def _everywhere(self, tell: Callable[[SimulatedRuntime], object]) -> None:
        """Tell the runtime of each node, and of those that will join later."""
        self._told.append(tell)
        for runtime in self.runtimes.values():
            self._call(_soon(tell, runtime))

    def _container(self, pod: str, container: str, namespace: str) -> tuple[SimulatedRuntime, SimulatedContainer]:
        node = next((candidate.spec.nodeName for candidate in self.list(Pod, namespace) if candidate.metadata.name == pod), "")
        if node not in self.runtimes:
            raise KeyError(f"no pod {pod} of namespace {namespace} is on a node")
        return self.runtimes[node], self.runtimes[node].named(pod, container, namespace)

    def _call(self, work: Coroutine[Any, Any, R], timeout_seconds: float | None = None) -> R:
        if self._thread is None:
            work.close()
        return self._running().call(self._when_idle(work, answering=is_answering()), timeout_seconds)

    def _running(self) -> LoopThread:
        """The thread of the running cluster; RuntimeError with what to do when there is none."""
        if self._thread is None:
            raise RuntimeError("the cluster is not running: use it in a with statement (`with Cluster() as cluster:`), or call start()")
        return self._thread

    async def _when_idle(self, work: Coroutine[Any, Any, R], *, answering: bool) -> R:
        """Begin when all that came of the call before has happened: so the same steps find the same cluster every time.

        Not for a webhook's handler, whose answer the cluster waits for."""
        if isinstance(self.clock, VirtualClock) and not answering:
            await self.clock.wait_until_idle()
        return await work

    async def _start(self) -> None:
        self._plane = ControlPlane(self.clock, self._entropy, kubernetes_version=self._level)
        self._task = asyncio.create_task(self._plane.run(), name="control plane")
        self._task.add_done_callback(lambda _: self._plane.registry.started.set())  # a failure must not leave us waiting
        await self._plane.registry.start()
        if self._task.done():
            self._task.result()
        for index in range(self._count):
            await self._start_node(f"node-{index}")
        await self._wait_for_nodes()

    async def _wait_for_nodes(self) -> None:
        until = self.clock.monotonic() + READY_LIMIT_SECONDS
        while True:
            nodes = await self.client.list(Node)
            if sum(map(is_ready, nodes.items)) >= self._count:
                return
            assert self.clock.monotonic() < until, f"no {self._count} nodes Ready within {READY_LIMIT_SECONDS} s: {nodes.items}"
            await self._advance(0.1)

    async def _start_node(self, name: str) -> None:
        assert name not in self._nodes, f"{name} runs already"
        if name not in self.runtimes:
            number = len(self.runtimes)
            self.runtimes[name] = SimulatedRuntime(self.clock, self._entropy, pod_cidr=f"10.244.{number}.0/24")
            for tell in self._told:
                tell(self.runtimes[name])
        runtime, address = self.runtimes[name], f"192.0.2.{[*self.runtimes].index(name) + 1}"
        client = self._plane.client_of(f"system:node:{name}", "system:nodes")
        node = SimulatedNode(name, address, client, runtime, self.clock, self._entropy)
        self._nodes[name] = (node, asyncio.create_task(node.run(), name=name))
        if self._kubeconfig is not None:
            await self._serve_node(name)

    async def _serve(self, folder: Path) -> Path:
        made = await self._plane.serve(folder)
        for name in self._nodes:
            await self._serve_node(name)
        return made

    async def _serve_node(self, name: str) -> None:
        node, _ = self._nodes[name]
        self._plane.kubelet_urls[name] = await node.serve()

    async def _stop_node(self, name: str) -> None:
        _, task = self._nodes.pop(name)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def _advance(self, duration: float) -> None:
        if isinstance(self.clock, VirtualClock):
            await self.clock.advance(duration)
        else:
            await self.clock.sleep(duration)
        for task in (self._task, *(task for _, task in self._nodes.values())):
            if task.done():
                task.result()

    async def _stop(self) -> None:
        for name in [*self._nodes]:
            await self._stop_node(name)
        for runtime in self.runtimes.values():
            await runtime.close()
        await self._webhooks.stop()
        task = getattr(self, "_task", None)
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


CLOCKS: Mapping[str, Callable[[], Clock]] = {"running": RunningClock, "still": VirtualClock, "real": SystemClock}


def clock_of(name: str) -> Clock:
    """A clock by its name; ValueError for another than the three."""
    if name not in CLOCKS:
        raise ValueError(f"clock={name!r}: use one of {', '.join(map(repr, CLOCKS))}, or a clock of your own")
    return CLOCKS[name]()


async def _soon(function: Any, *arguments: Any, **named: Any) -> Any:
    """Call a plain function in the cluster's loop."""
    return function(*arguments, **named)


def is_ready(node: Node) -> bool:
    """Whether the node's condition Ready is True."""
    return is_condition_true(node.status.conditions, "Ready")
