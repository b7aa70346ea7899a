"""Preemption: which Pods to evict so that a Pod of higher priority fits. Pure, on windows of the node columns.

- Only nodes where the filters said that it may help; of each the fewest victims: all lesser Pods are taken away, then as many
  as possible come back, the most important first, and those whose disruption budget would be broken before others.
- Of the nodes the one that hurts least, by upstream's order: broken budgets, highest victim, sum of priorities, number, age.
- At most `CANDIDATES_LEAST` nodes or a tenth of all are tried.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pilothouse.api.types.policy_v1 import PodDisruptionBudget
from pilothouse.machinery.labels import from_label_selector
from pilothouse.scheduler.facts import PodFacts
from pilothouse.scheduler.framework.diagnosis import Diagnosis
from pilothouse.scheduler.snapshot import Mask, NodeColumns

CANDIDATES_LEAST = 100
NO_VICTIMS = "No preemption victims found for incoming pod"
NOT_HELPFUL = "Preemption is not helpful for scheduling"
PRIORITY_OFFSET = 1 << 31
"""Makes every priority positive, so that a sum of few cannot pass for a sum of many."""

Trial = Callable[[PodFacts, NodeColumns], Sequence[str]]
"""Why a Pod does not fit the node of a window; nothing when it fits."""


@dataclass(slots=True)
class Candidate:
    """A node and its victims, most important first; `broken` counts the victims whose eviction violates a budget."""

    node: str
    victims: list[PodFacts]
    broken: int


def preempt(
    pod: PodFacts, nodes: NodeColumns, helpable: Mask, budgets: Sequence[PodDisruptionBudget], trial: Trial
) -> tuple[Candidate | None, Diagnosis]:
    """The best candidate, or why there is none."""
    diagnosis = Diagnosis(nodes.total)
    rows = np.flatnonzero(helpable)
    candidates: list[Candidate] = []
    limit = max(CANDIDATES_LEAST, nodes.total // 10)
    for row in rows:
        candidate = candidate_on(pod, nodes, int(row), budgets, trial)
        if isinstance(candidate, Candidate):
            candidates.append(candidate)
            if len(candidates) >= limit:
                break
        else:
            diagnosis.reasons.update(candidate)
    if len(rows) < nodes.total:
        diagnosis.reasons[NOT_HELPFUL] += nodes.total - len(rows)
    return (min(candidates, key=harm) if candidates else None), diagnosis


def candidate_on(
    pod: PodFacts, nodes: NodeColumns, row: int, budgets: Sequence[PodDisruptionBudget], trial: Trial
) -> Candidate | Sequence[str]:
    """The fewest victims on one node, or why no victims would help."""
    name = nodes.names[row]
    lesser = [other for other in nodes.pods[row].values() if other.priority < pod.priority]
    if not lesser:
        return (NO_VICTIMS,)
    window = nodes.window(row)
    for other in lesser:
        window.remove_pod(name, other)
    for other in nodes.nominated_before(pod, name):
        window.add_pod(name, other)
    reasons = trial(pod, window)
    if reasons:
        return reasons
    breaking, harmless = split_by_budgets(sorted(lesser, key=importance), budgets)
    victims: list[PodFacts] = []
    broken = 0
    for group in (breaking, harmless):
        for other in group:
            window.add_pod(name, other)
            if trial(pod, window):
                window.remove_pod(name, other)
                victims.append(other)
                broken += group is breaking
    return Candidate(name, sorted(victims, key=importance), broken)


def importance(pod: PodFacts) -> tuple[int, str]:
    """Sort key, most important Pod first: higher priority, then the earlier start."""
    return (-pod.priority, start_of(pod))


def start_of(pod: PodFacts) -> str:
    """Start time of a Pod as text, which sorts by time; a Pod that has not started sorts last."""
    return pod.pod.status.startTime or "~"


def harm(candidate: Candidate) -> tuple[int, int, int, int, tuple[int, ...]]:
    """Sort key of candidates, least harmful first (upstream's pickOneNodeForPreemption)."""
    victims = candidate.victims
    if not victims:
        return (candidate.broken, -PRIORITY_OFFSET, 0, 0, ())
    highest = victims[0].priority
    oldest = min(start_of(victim) for victim in victims if victim.priority == highest)
    youngest_first = tuple(-ord(sign) for sign in oldest)
    return (candidate.broken, highest, sum(victim.priority + PRIORITY_OFFSET for victim in victims), len(victims), youngest_first)


def split_by_budgets(pods: Sequence[PodFacts], budgets: Sequence[PodDisruptionBudget]) -> tuple[list[PodFacts], list[PodFacts]]:
    """(Pods whose eviction would violate a PodDisruptionBudget, the others), each in the given order."""
    left = [(budget, from_label_selector(budget.spec.selector)) for budget in budgets]
    allowed = {id(budget): budget.status.disruptionsAllowed for budget, _ in left}
    breaking: list[PodFacts] = []
    harmless: list[PodFacts] = []
    for pod in pods:
        meta = pod.pod.metadata
        concerned = [
            budget
            for budget, selector in left
            if budget.metadata.namespace == meta.namespace
            and meta.labels
            and not selector.everything  # here, other than for evictions, an empty selector means nobody
            and selector.matches(meta.labels)
            and meta.name not in budget.status.disruptedPods
        ]
        for budget in concerned:
            allowed[id(budget)] -= 1
        broken = any(allowed[id(budget)] < 0 for budget in concerned)
        (breaking if broken else harmless).append(pod)
    return breaking, harmless
