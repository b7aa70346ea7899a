"""Start a cluster, or what is missing of one: idempotent, and as much side by side as the order of things allows.

    control plane: starts to import at once | network and certificates made | told to go | API served | kubeconfig written
    node agent:                             | starts containerd, imports | key of tokens made | told to go | node Ready

- What runs is left alone; leftovers of a crash are taken over; a second `up` at the same time waits for the first.
- The answer to "is it up?" is asked of the API on loopback, never assumed.
- What is heavy to import is imported when the processes are on their way.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from pilothouse import API_LEVEL
from pilothouse.cluster import audit, choice, doctor, launch, preflight, store, teardown
from pilothouse.cluster.failure import ClusterFailure
from pilothouse.cluster.launch import CONTROL_PLANE, NODE_AGENT, Say
from pilothouse.cluster.node import make_node
from pilothouse.cluster.rollback import Rollback, cleaned_up_on_failure
from pilothouse.cluster.state import (
    CONTAINERS,
    DEFAULT_PORT,
    DOMAIN,
    SIMULATED,
    ClusterState,
    Places,
    all_clusters,
    choosing,
    load,
    locked,
    save,
)
from pilothouse.kit.clock import Clock
from pilothouse.kit.entropy import Entropy
from pilothouse.machinery import time as times
from pilothouse.node import namespaces, processes, routes

if TYPE_CHECKING:
    from pilothouse.cluster.certificates import Subject
    from pilothouse.cluster.readiness import Api

API_SECONDS = 30.0
NODE_SECONDS = 60.0
AUTO = "auto"
LOOK_SECONDS = 0.1
"""Between two looks at an API whose starter is gone."""


@dataclass(frozen=True, slots=True)
class UpOptions:
    """Options of `pilothouse up`; None where the user gave none."""

    name: str
    network: str | None = None
    egress: bool | None = None
    port: int | None = None
    root: Path = Path("/")
    wait: bool = True
    kubernetes_version: str | None = None
    """The level of the API: `1.37`."""
    use_context: bool = False
    """Whether the context becomes the current one where there is another."""
    runtime: str | None = None
    """`containers`, `simulated`, or `auto`: containers where this machine can run them."""
    audit_policy_file: str | None = None
    """A policy of what is audited from the next start on, `default` or `none`."""


def up(options: UpOptions, say: Say, clock: Clock, entropy: Entropy) -> ClusterState:
    """The cluster, running: API served and (with `wait`) node Ready. ClusterFailure says what hinders it."""
    choice.check_name(options.name)
    places = Places(options.name, options.root)
    options = replace(options, runtime=runtime_of(options, load(places), say))
    with locked(places, say):
        known = load(places) is not None
        launch.end_orphans(places)
        with choosing(places):
            state = decide(options, places)
        if options.audit_policy_file is not None:
            audit.set_policy(places, options.audit_policy_file)
        start, since = clock.monotonic(), times.now_text(clock)

        def progress(text: str) -> None:
            say(f"{text} ({clock.monotonic() - start:.2f} s)")

        with cleaned_up_on_failure(places, state, new=not known) as rollback:
            bring_up(state, places, rollback, clock, entropy, progress)
            await_processes(state, places, rollback, progress, make_current=options.use_context or None)
            anew = NODE_AGENT in rollback.started
            check_ready(state, places, options.wait, progress, since if anew else "", clock)
            launch.start_supervisor(places)
    return state


def runtime_of(options: UpOptions, known: ClusterState | None, say: Say) -> str:
    """Runtime of the cluster. Raises ClusterFailure when it is containers and this machine cannot run them."""
    asked = options.runtime
    if asked == SIMULATED or (known is not None and known.simulated and asked != CONTAINERS):
        return SIMULATED
    try:
        preflight.check()
        if asked == AUTO:
            doctor.check_kernel()
    except ClusterFailure as failure:
        if asked != AUTO or known is not None:
            raise ClusterFailure(failure.problem, f"{failure.remedy}; or simulate: pilothouse up --runtime simulated") from failure
        say(f"no containers on this machine: {failure.problem}")
        say(f"to have them: {failure.remedy}; `pilothouse doctor` says all that is missing")
        say("nodes and containers are simulated instead")
        return SIMULATED
    return CONTAINERS


def await_processes(state: ClusterState, places: Places, rollback: Rollback, progress: Say, *, make_current: bool | None) -> None:
    """The user's kubeconfig is written when there is something to reach: a cluster that does not start changes nothing in it."""
    for name in launch.PROCESSES:
        if name in rollback.started:
            rollback.started[name].wait(API_SECONDS)
            progress(SERVING[name])
        if name == CONTROL_PLANE:
            with rollback.used():
                written = merge_kubeconfig(state, places, make_current)
            progress(f"kubeconfig written: {written}")
    if not rollback.started:
        progress("runs already")


SERVING = {CONTROL_PLANE: "API served", NODE_AGENT: "node agent running"}


def check_ready(state: ClusterState, places: Places, wait: bool, progress: Say, since: str, clock: Clock) -> None:
    """The API must answer; with `wait`, the node must be Ready soon, by the word of a kubelet that ran at `since`."""
    from pilothouse.cluster.readiness import Api, is_ready_node

    api = Api(state, places)
    if not answers(api, places, clock):
        raise ClusterFailure(
            f"the API does not answer on 127.0.0.1:{state.port} though its process runs",
            f"its log: {places.log(CONTROL_PLANE)}; to start anew: pilothouse down --name {state.name}, then up",
        )
    if wait:
        ready = api.await_object("/api/v1/nodes", lambda node: is_ready_node(node, since), NODE_SECONDS) is not None
        if not ready or not (state.simulated or agent_answers(api, state, places, clock)):
            log = places.log(NODE_AGENT)
            raise ClusterFailure(f"the node is not Ready after {NODE_SECONDS:.0f} seconds:\n{launch.tail(log)}", f"its log: {log}")
        progress("node Ready")


def agent_answers(api: Api, state: ClusterState, places: Places, clock: Clock) -> bool:
    """A node agent that the supervisor has just started again is on its way though its node is Ready by the word of the one before."""
    deadline = clock.monotonic() + NODE_SECONDS
    while not api.ok(f"/api/v1/nodes/{state.node_name}/proxy/healthz"):
        process = launch.running(places, CONTROL_PLANE)  # lives: waited for so that nobody spins
        if process is None or processes.ends_within(process, LOOK_SECONDS) or clock.monotonic() > deadline:
            return False
    return True


def answers(api: Api, places: Places, clock: Clock) -> bool:
    """A control plane that another `up` started, which was killed since, may still be on its way."""
    deadline = clock.monotonic() + API_SECONDS
    while not api.ready():
        process = launch.running(places, CONTROL_PLANE)
        if process is None or processes.ends_within(process, LOOK_SECONDS) or clock.monotonic() > deadline:
            return False
    return True


def decide(options: UpOptions, places: Places) -> ClusterState:
    """The state on record if it fits the options, or that of a new cluster."""
    state = load(places)
    others = [other for other in all_clusters(options.root) if other.name != options.name]
    if state is not None:
        return fitting(options, state, places, [other.port for other in others])
    if options.runtime != SIMULATED:
        refuse_foreign(f"pilothouse-{options.name}")
    if options.runtime == SIMULATED:
        state = simulated(options, others)
        save(places, state)
        return state
    kind = options.network or "node"
    if kind == "host":
        refuse_second_on_host(others, options.root)
    port = preflight.free_port(options.port or DEFAULT_PORT, options.port is not None, [other.port for other in others])
    state = choice.new_cluster(
        options.name,
        network=kind,
        egress=True if options.egress is None else options.egress,
        port=port,
        block=choice.free_block(routes.used(), others),
        mtu=routes.mtu(),
        machine_address=machine_address() if kind == "host" else "",
        kubernetes_version=options.kubernetes_version or API_LEVEL,
    )
    save(places, state)
    return state


def simulated(options: UpOptions, others: Sequence[ClusterState]) -> ClusterState:
    """State of a new cluster with simulated nodes, whose address ranges are not configured on the machine."""
    port = preflight.free_port(options.port or DEFAULT_PORT, options.port is not None, [other.port for other in others])
    block = choice.free_block([], others)
    return choice.new_cluster(
        options.name,
        network="none",
        egress=False,
        port=port,
        block=block,
        mtu=1500,
        runtime=SIMULATED,
        kubernetes_version=options.kubernetes_version or API_LEVEL,
    )


def refuse_second_on_host(others: Sequence[ClusterState], root: Path) -> None:
    """ClusterFailure when another running cluster uses the machine's own network."""
    for other in others:
        if other.network == "host" and any(launch.running(Places(other.name, root), name) for name in launch.PROCESSES):
            raise ClusterFailure(
                f"the cluster {other.name} has the machine's network already", f"end it first: pilothouse down --name {other.name}"
            )


def machine_address() -> str:
    """The machine's address. ClusterFailure when it has none but loopback's."""
    address = routes.machine_address()
    if not address:
        raise ClusterFailure("this machine has no address but loopback's", "leave --network host out: the node gets a network of its own")
    return address


def fitting(options: UpOptions, state: ClusterState, places: Places, reserved: Sequence[int]) -> ClusterState:
    """A cluster keeps its network; its port, its way out and its API level may be changed while it is stopped."""
    asked = {
        "network": options.network,
        "egress": options.egress,
        "port": options.port,
        "runtime": options.runtime if options.runtime != AUTO else None,
        "kubernetes_version": options.kubernetes_version,
    }
    differing = {name: value for name, value in asked.items() if value not in (None, getattr(state, name))}
    if any(launch.running(places, name) for name in launch.PROCESSES):
        refuse(differing, state)
        return state
    refuse({name: value for name, value in differing.items() if name in ("network", "runtime")}, state)
    state = msgspec.structs.replace(state, **differing)
    preflight.free_port(state.port, True, reserved)
    save(places, state)
    return state


def refuse(differing: Mapping[str, object], state: ClusterState) -> None:
    """ClusterFailure when what was asked for differs from the cluster that exists."""
    if differing:
        present = ", ".join(f"{name} {getattr(state, name)}" for name in differing)
        raise ClusterFailure(
            f"a cluster named {state.name} stands already, with {present}",
            f"leave the option out, choose another --name, or end that cluster first: pilothouse down --name {state.name}",
        )


def refuse_foreign(namespace: str) -> None:
    """Raise ClusterFailure when processes live in a namespace of this name that has no state file."""
    path = namespaces.network_path(namespace)
    if namespaces.is_pinned(path) and (members := processes.in_namespace(path, "net")):
        ids = ", ".join(str(process.id) for process in members[:5])
        raise ClusterFailure(
            f"another cluster of that name is running: processes {ids} live in the network namespace {namespace}",
            "choose another --name, or end it from where it was started",
        )
    namespaces.remove(path)


def bring_up(state: ClusterState, places: Places, rollback: Rollback, clock: Clock, entropy: Entropy, progress: Say) -> None:
    """Start what does not run; each process is added to `rollback` at once, so that a failure ends it."""
    store.check(places)
    for directory in (places.state, places.run, places.logs):
        directory.mkdir(mode=0o755, parents=True, exist_ok=True)
    places.kubelet.mkdir(mode=0o700, exist_ok=True)
    places.wanted.touch()
    end_holders_of_old_certificates(state, places, clock, progress)
    control_plane = None
    if launch.running(places, CONTROL_PLANE) is None:
        control_plane = rollback.started[CONTROL_PLANE] = launch.start(CONTROL_PLANE, places, state)
    certificates = BackgroundThread(lambda: make_certificates(state, places, clock, entropy))
    if not state.simulated:
        make_node(state, places)
        progress("network ready")
    certificates.join()
    progress("certificates ready")
    if control_plane is not None:
        control_plane.go()
    tokens_key = BackgroundThread(lambda: make_tokens_key(places))
    check_kubeconfig(state, places)
    node_agent = None
    if not state.simulated and launch.running(places, NODE_AGENT) is None:  # not before: on two cores it would hold the control plane up
        node_agent = rollback.started[NODE_AGENT] = launch.start(NODE_AGENT, places, state)
    tokens_key.join()
    if node_agent is not None:
        node_agent.go()


class BackgroundThread:
    """Runs a function in a thread, started at once; `join` raises its exception."""

    def __init__(self, work: Callable[[], None]) -> None:
        self._work = work
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._work()
        except BaseException as failure:
            self._failure = failure

    def join(self) -> None:
        """Wait for the work; raises what it raised."""
        self._thread.join()
        if self._failure is not None:
            raise self._failure


def end_holders_of_old_certificates(state: ClusterState, places: Places, clock: Clock, progress: Say) -> None:
    """Restart the processes that use certificates that are to be renewed; containers keep running."""
    running = [process for name in launch.PROCESSES if (process := launch.running(places, name))]
    if not running:
        return
    from pilothouse.cluster import certificates

    if certificates.is_due(places.pki, leaves(state), clock):
        progress("certificates are renewed: control plane and node agent start anew")
        processes.end(running, teardown.PROCESS_SECONDS)


def make_certificates(state: ClusterState, places: Places, clock: Clock, entropy: Entropy) -> None:
    """Make the cluster's certificates and keys."""
    from pilothouse.cluster import certificates

    certificates.make_leaves(places.pki, leaves(state), clock, entropy)


def leaves(state: ClusterState) -> Sequence[Subject]:
    """The certificates that the cluster needs besides its authorities."""
    from pilothouse.cluster import certificates

    addresses = ["127.0.0.1", state.node_address, state.kubernetes_service]
    return certificates.subjects(state.node_name, state.node_address, sorted(set(addresses)), DOMAIN)


def make_tokens_key(places: Places) -> None:
    """Make the key of ServiceAccount tokens while the control plane starts, before the node agent needs it."""
    from pilothouse.cluster import certificates

    certificates.make_service_account_key(places.pki)


def check_kubeconfig(state: ClusterState, places: Places) -> None:
    """The cluster's own is written; of the user's it is seen whether it can be."""
    from pilothouse.cluster import access

    access.prepare(state, places)


def merge_kubeconfig(state: ClusterState, places: Places, make_current: bool | None) -> Path:
    """The user's file that the context was written to."""
    from pilothouse.cluster import access

    return access.merge(state, places, make_current=make_current)
