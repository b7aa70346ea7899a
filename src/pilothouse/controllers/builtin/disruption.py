"""PodDisruptionBudgets: how many Pods may be evicted now."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pilothouse.api import catalogue
from pilothouse.api.types.apps_v1 import Deployment, ReplicaSet, StatefulSet
from pilothouse.api.types.core_v1 import Pod, ReplicationController
from pilothouse.api.types.policy_v1 import PodDisruptionBudget, PodDisruptionBudgetStatus
from pilothouse.client.events import NORMAL, WARNING
from pilothouse.client.store import Key
from pilothouse.controllers import pods
from pilothouse.controllers.framework.actions import Action, Emit, RequeueAfter, UpdateStatus
from pilothouse.controllers.framework.controller import CREATE, PATCH, READ, UPDATE, Controller, Reads, Related, Rule
from pilothouse.controllers.framework.owners import controller_of
from pilothouse.controllers.framework.world import World
from pilothouse.machinery import codec, intorstring, labels, time
from pilothouse.machinery.conditions import find_condition
from pilothouse.machinery.meta_v1 import Condition, OwnerReference

DELETION_TIMEOUT_SECONDS = 120.0
"""How long an eviction that was granted is waited for before the Pod counts as healthy again."""
ALLOWED = "DisruptionAllowed"
UNMANAGED = (
    "Pods selected by this PodDisruptionBudget (selector: {selector}) were found to be unmanaged. As a result, the status of the PDB "
    "cannot be calculated correctly, which may result in undefined behavior. To account for these pods please set "
    '".spec.minAvailable" field of the PDB to an integer value.'
)


@dataclass(slots=True)
class Expected:
    """Number of expected Pods, and of healthy ones that are desired."""

    count: int
    healthy: int
    problem: str = ""
    unmanaged: bool = False


def _budgets_of(pod: Pod, world: World) -> Iterator[Key]:
    for budget in world.list(PodDisruptionBudget, pod.metadata.namespace):
        if labels.from_label_selector(budget.spec.selector).matches(pod.metadata.labels):
            yield budget.metadata.namespace, budget.metadata.name


class DisruptionController(Controller):
    """Keeps the status of budgets true: by it the eviction subresource grants or refuses."""

    name = "disruption-controller"
    account = "disruption-controller"
    source = "controllermanager"
    reconciles = PodDisruptionBudget
    watches = (
        Related(Pod, _budgets_of),
        Reads(ReplicaSet),
        Reads(Deployment),
        Reads(StatefulSet),
        Reads(ReplicationController),
    )
    rules = (
        Rule("policy", ("poddisruptionbudgets",), READ),
        Rule("policy", ("poddisruptionbudgets/status",), UPDATE),
        Rule("", ("pods", "replicationcontrollers"), READ),
        Rule("apps", ("replicasets", "deployments", "statefulsets"), READ),
        Rule("", ("events",), CREATE + PATCH),
    )

    def plan(self, budget: PodDisruptionBudget, world: World) -> Iterator[Action]:
        """Write `disruptionsAllowed` and the counts that it follows from into the budget's status."""
        selector = labels.from_label_selector(budget.spec.selector)
        covered = world.list(Pod, budget.metadata.namespace, selector)
        if not covered:
            yield from _once(budget, world, NORMAL, "NoPods", "No matching pods found")
        else:
            world.memory.pop("told", None)
        expected = _expected(budget, covered, world)
        if expected.unmanaged:
            yield from _once(budget, world, WARNING, "UnmanagedPods", UNMANAGED.format(selector=selector))
        if expected.problem:
            told = f"Failed to calculate the number of expected pods: {expected.problem}"
            yield from _once(budget, world, WARNING, "CalculateExpectedPodCountFailed", told)
            yield UpdateStatus(_failed(budget, expected.problem, world.now_text))
            return
        disrupted, soonest = _disrupted(budget, covered, world)
        yield UpdateStatus(_with_status(budget, covered, expected, disrupted, world))
        if soonest is not None:
            yield RequeueAfter(soonest)


def _once(budget: PodDisruptionBudget, world: World, type: str, reason: str, message: str) -> Iterator[Action]:
    """Tell it when it is news."""
    if world.memory.get("told") != reason:
        world.memory["told"] = reason
        yield Emit(budget, type, reason, message)


def _expected(budget: PodDisruptionBudget, covered: Sequence[Pod], world: World) -> Expected:
    spec = budget.spec
    if spec.minAvailable is not None and isinstance(spec.minAvailable, int):
        return Expected(len(covered), spec.minAvailable)
    count, unmanaged, problem = _scale(covered, world)
    if problem:
        return Expected(0, 0, problem, unmanaged)
    if spec.maxUnavailable is not None:
        most = intorstring.scaled(spec.maxUnavailable, count, True)
        return Expected(count, max(0, count - most), unmanaged=unmanaged)
    if spec.minAvailable is not None:
        return Expected(count, intorstring.scaled(spec.minAvailable, count, True), unmanaged=unmanaged)
    return Expected(count, 0, unmanaged=unmanaged)


def _scale(covered: Sequence[Pod], world: World) -> tuple[int, bool, str]:
    """The Pods that the controllers of these are asked for together; whether some have none; what could not be found out."""
    counts: dict[str, int] = {}
    unmanaged = False
    for pod in covered:
        reference = controller_of(pod)
        if reference is None:
            unmanaged = True
            continue
        if reference.uid in counts:
            continue
        top = _top(pod, world)
        if top is None:
            return 0, unmanaged, _why_not_scaled(reference) or f'found no controllers for pod "{pod.metadata.name}"'
        counts[top.metadata.uid] = 1 if top.spec.replicas is None else top.spec.replicas
    return sum(counts.values()), unmanaged, ""


def _why_not_scaled(reference: OwnerReference) -> str:
    """Nobody knows how many Pods a controller is to have that cannot be scaled; empty for one that can, and is gone."""
    group, _, version = reference.apiVersion.rpartition("/")
    resource = catalogue.known().by_kind(group, version, reference.kind)
    if resource is None:
        return f'no matches for kind "{reference.kind}" in version "{reference.apiVersion}"'
    scaled = "scale" in resource.subresources
    return "" if scaled else f"{resource.plural}.{group}".rstrip(".") + " does not implement the scale subresource"


def _top(pod: Pod, world: World) -> Deployment | ReplicaSet | StatefulSet | ReplicationController | None:
    """What is scaled to get more of this Pod."""
    reference, namespace = controller_of(pod), pod.metadata.namespace
    if reference is None:
        return None
    if reference.kind == "StatefulSet":
        return world.get(StatefulSet, namespace, reference.name)
    if reference.kind == "ReplicationController":
        return world.get(ReplicationController, namespace, reference.name)
    replicaset = world.get(ReplicaSet, namespace, reference.name) if reference.kind == "ReplicaSet" else None
    up = controller_of(replicaset) if replicaset is not None else None
    if up is not None and up.kind == "Deployment":
        return world.get(Deployment, namespace, up.name)
    return replicaset


def _disrupted(budget: PodDisruptionBudget, covered: Sequence[Pod], world: World) -> tuple[dict[str, str], float | None]:
    """The evictions granted whose Pods are not yet going; and the seconds until the first of them no longer counts."""
    kept: dict[str, str] = {}
    waits: list[float] = []
    for pod in covered:
        granted = budget.status.disruptedPods.get(pod.metadata.name)
        if granted is None or pod.metadata.deletionTimestamp:
            continue
        left = DELETION_TIMEOUT_SECONDS - (world.now - time.parse(granted)).total_seconds()
        if left > 0:
            kept[pod.metadata.name] = granted
            waits.append(left)
    return kept, min(waits, default=None)


def _with_status(
    budget: PodDisruptionBudget, covered: Sequence[Pod], expected: Expected, disrupted: dict[str, str], world: World
) -> PodDisruptionBudget:
    healthy = sum(pods.is_ready(pod) and not pod.metadata.deletionTimestamp and pod.metadata.name not in disrupted for pod in covered)
    allowed = max(0, healthy - expected.healthy) if expected.count > 0 else 0
    changed = codec.clone(budget)
    changed.status = PodDisruptionBudgetStatus(
        currentHealthy=healthy,
        desiredHealthy=expected.healthy,
        expectedPods=expected.count,
        disruptionsAllowed=allowed,
        disruptedPods=disrupted,
        observedGeneration=budget.metadata.generation,
        conditions=_conditions(budget, "True", "SufficientPods", "", world.now_text)
        if allowed
        else _conditions(budget, "False", "InsufficientPods", "", world.now_text),
    )
    return changed


def _failed(budget: PodDisruptionBudget, problem: str, now: str) -> PodDisruptionBudget:
    """Nothing is known, so nothing is allowed."""
    changed = codec.clone(budget)
    changed.status.disruptionsAllowed = 0
    changed.status.observedGeneration = budget.metadata.generation
    changed.status.conditions = _conditions(budget, "False", "SyncFailed", problem, now)
    return changed


def _conditions(budget: PodDisruptionBudget, status: str, reason: str, message: str, now: str) -> list[Condition]:
    known = find_condition(budget.status.conditions, ALLOWED)
    made = Condition(
        type=ALLOWED,
        status=status,
        reason=reason,
        message=message,
        observedGeneration=budget.metadata.generation,
        lastTransitionTime=known.lastTransitionTime if known is not None and known.status == status else now,
    )
    return [*(condition for condition in budget.status.conditions if condition.type != ALLOWED), made]
