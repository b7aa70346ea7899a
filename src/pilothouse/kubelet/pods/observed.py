"""State of one Pod as its worker knows it: the planner's input besides the Pod.

Plain values, filled by the worker from the answers and events of the runtime, from probes and from its own attempts.
Times are seconds since the epoch. Nothing here decides anything.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pilothouse.api.types.core_v1 import Pod, ResourceRequirements
from pilothouse.kubelet.pods.allocation import PendingResize
from pilothouse.kubelet.pods.spec import restarts_all
from pilothouse.kubelet.runtime.containers import ContainerState


@dataclass(slots=True)
class Run:
    """One attempt of a container, which is one container of the runtime. `spec_hash` identifies the spec it was made from."""

    id: str
    name: str
    attempt: int
    sandbox_id: str
    state: ContainerState
    created_at: float = 0.0
    started_at: float = 0.0
    finished_at: float = 0.0
    exit_code: int = 0
    reason: str = ""
    message: str = ""
    image: str = ""
    image_id: str = ""
    spec_hash: str = ""
    log_path: str = ""

    @property
    def running(self) -> bool:
        """Whether the container runs."""
        return self.state is ContainerState.RUNNING

    @property
    def exited(self) -> bool:
        """Whether the container has ended."""
        return self.state is ContainerState.EXITED

    @property
    def succeeded(self) -> bool:
        """Whether the container has ended with exit code 0."""
        return self.exited and self.exit_code == 0


@dataclass(slots=True)
class PodSandbox:
    """One pod sandbox."""

    id: str
    attempt: int
    ready: bool
    created_at: float = 0.0
    ips: tuple[str, ...] = ()
    host_network: bool = False


def age_of(item: Run | PodSandbox) -> tuple[int, float]:
    """Sort key, oldest first: by attempt, since the runtime's clock may be set back."""
    return item.attempt, item.created_at


@dataclass(slots=True)
class Failure:
    """Why the last attempt of a step failed; it is tried again at `retry_at`."""

    reason: str
    message: str
    retry_at: float = 0.0


@dataclass(slots=True)
class BackOff:
    """Current delay of an exponential backoff, and when it was last used."""

    seconds: float
    used_at: float


@dataclass(slots=True)
class Probed:
    """Probe results of one container. `started` and `ready` are None without a probe of that kind."""

    started: bool | None = None
    ready: bool | None = None
    failed: str = ""
    """Liveness or Startup, when that probe asks for the container's end."""


REJECTED = "Pod was rejected: "
"""How the message of a pod begins that its node did not take; the event says the rest alone."""


@dataclass(slots=True)
class Ending:
    """Why the Pod ends. `phase` is set when the ending decides it (Failed for evictions, deadlines, rejections)."""

    grace_seconds: int
    deleted: bool = False
    phase: str = ""
    reason: str = ""
    message: str = ""
    disruption: bool = False
    """The pod ends for the node's sake, not by its own doing."""
    disruption_message: str = ""
    """What the condition DisruptionTarget says; "" is `message`."""
    untouched: bool = False
    """Nothing of the pod was ever started here: it was rejected, or had ended before this kubelet began."""


@dataclass(slots=True)
class PodState:
    """State of one Pod. Runs are by container name, newest first; `sandboxes` newest first."""

    init_names: frozenset[str] = frozenset()
    """The pod's init containers: they are never renamed, added or removed."""
    sandboxes: list[PodSandbox] = field(default_factory=list)
    runs: dict[str, list[Run]] = field(default_factory=dict)
    lost: dict[str, int] = field(default_factory=dict)
    """The last attempt that the API was told of, or whose run the runtime has lost: the number of restarts never goes back."""
    probes: dict[str, Probed] = field(default_factory=dict)
    back_offs: dict[str, BackOff] = field(default_factory=dict)
    failures: dict[str, Failure] = field(default_factory=dict)
    hooks_pending: set[str] = field(default_factory=set)
    """Ids of runs whose postStart hook has not ended."""
    applied: dict[str, ResourceRequirements] = field(default_factory=dict)
    """The resources that runs were given, by id; of another kubelet's runs what the API was told of them."""
    pending_resize: PendingResize | None = None
    """Why the pod does not have the resources that its spec wants."""
    resizing: bool = False
    """Other resources were granted, and not every container has them yet."""
    resize_failure: Failure | None = None
    """Why one does not."""
    prepared: bool = False
    """Directories, cgroup and volumes are there."""
    setup_failure: Failure | None = None
    """Of preparing or of the sandbox."""
    ending: Ending | None = None
    released: bool = False
    """Nothing of the pod is left on this node but records of its containers."""
    first_seen: float = 0.0

    @property
    def sandbox(self) -> PodSandbox | None:
        """The newest sandbox."""
        return self.sandboxes[0] if self.sandboxes else None

    def newest(self, name: str) -> Run | None:
        """The newest run of a container, None when it never ran."""
        runs = self.runs.get(name)
        return runs[0] if runs else None

    def current(self, name: str) -> Run | None:
        """The newest run of a container in the newest sandbox."""
        run, sandbox = self.newest(name), self.sandbox
        return run if run is not None and sandbox is not None and run.sandbox_id == sandbox.id else None

    def all_runs(self) -> list[Run]:
        """Every run of every container."""
        return [run for runs in self.runs.values() for run in runs]

    def restart_all_triggers(self, pod: Pod) -> list[Run]:
        """The newest runs whose exit restarts all containers of the Pod."""
        runs = ((container, self.newest(container.name)) for container in (*pod.spec.initContainers, *pod.spec.containers))
        return [run for container, run in runs if run is not None and run.exited and restarts_all(container, run.exit_code)]

    def is_alive(self) -> bool:
        """Whether any container may be running."""
        return any(run.state in {ContainerState.RUNNING, ContainerState.UNKNOWN} for run in self.all_runs())

    def probed(self, run: Run) -> Probed:
        """Probe results of a run; empty before the first one."""
        return self.probes.get(run.id) or Probed()

    def has_resources_of(self, pod: Pod) -> bool:
        """Whether every running container has its allocated resources."""
        runs = ((container, self.newest(container.name)) for container in (*pod.spec.initContainers, *pod.spec.containers))
        return all(
            run is None or not run.running or self.applied.get(run.id, container.resources) == container.resources
            for container, run in runs
        )

    def started(self, run: Run) -> bool:
        """Whether a container is running, its postStart hook is done, and its startup probe has succeeded."""
        return run.running and run.id not in self.hooks_pending and self.probed(run).started is not False
