"""Calls the plugins of a profile at each extension point, in order.

- A node counts against the first filter that rejects it, as upstream tells it.
- Equal Pods share work: as long as only single rows have changed since, only those rows are judged again.
- Ties between the best nodes are broken by the given entropy: the same seed gives the same choice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pilothouse.kit.entropy import Entropy
from pilothouse.machinery.errors import StatusError
from pilothouse.scheduler.facts import PodFacts
from pilothouse.scheduler.framework.diagnosis import Diagnosis
from pilothouse.scheduler.framework.interfaces import (
    Bind,
    CrossNode,
    Filter,
    Permit,
    PostBind,
    PostFilter,
    PostFilterResult,
    PreBind,
    PreBindWait,
    PreEnqueue,
    PreFilter,
    PreScore,
    QueueSort,
    Refused,
    Reserve,
    Score,
    Scores,
)
from pilothouse.scheduler.snapshot import Mask, NodeColumns


@dataclass(slots=True)
class SharedResult:
    """The last result of one signature: which nodes pass the filters that look at a single node, and raw scores."""

    signature: bytes
    structure: int
    seen: int
    near: Mask
    raw: dict[str, Scores]


@dataclass(slots=True)
class Choice:
    """The node chosen for a Pod, or why there is none."""

    node: str = ""
    diagnosis: Diagnosis | None = None


_AT: dict[tuple[type[Any], Any], bool] = {}


def is_at(plugin: Any, point: Any) -> bool:
    """Whether a plugin implements an extension point. Looked up once for each class, since isinstance of a Protocol is slow."""
    key = (type(plugin), point)
    if key not in _AT:
        _AT[key] = isinstance(plugin, point)
    return _AT[key]


class Framework:
    """The plugins of one profile. `plugins` are (plugin, weight of its score), in order."""

    def __init__(self, plugins: Sequence[tuple[Any, int]], entropy: Entropy) -> None:
        self.plugins = [plugin for plugin, _ in plugins]
        self.weights = {plugin.name: weight for plugin, weight in plugins}
        self._entropy = entropy
        self._shared_result: SharedResult | None = None
        self.pre_enqueues: list[PreEnqueue] = self._at(PreEnqueue)
        self.queue_sort: QueueSort = self._at(QueueSort)[0]
        self._pre_filters: list[PreFilter] = self._at(PreFilter)
        self._filters: list[Filter] = self._at(Filter)
        self._post_filters: list[PostFilter] = self._at(PostFilter)
        self._scorers: list[Score] = self._at(Score)
        self._pre_scores: dict[str, PreScore] = {plugin.name: plugin for plugin in self._at(PreScore)}
        self._cross_node: list[CrossNode] = self._at(CrossNode)
        self._cross_node_names = {plugin.name for plugin in self._cross_node}
        self._single_node_filters = [plugin for plugin in self._filters if plugin.name not in self._cross_node_names]
        self._reserves: list[Reserve] = self._at(Reserve)
        self._permits: list[Permit] = self._at(Permit)
        self._pre_binds: list[PreBind] = self._at(PreBind)
        self._pre_bind_waits: list[PreBindWait] = self._at(PreBindWait)
        self._binds: list[Bind] = self._at(Bind)
        self._post_binds: list[PostBind] = self._at(PostBind)

    def _at(self, point: Any) -> list[Any]:
        return [plugin for plugin in self.plugins if is_at(plugin, point)]

    # Choosing

    def choose(self, pod: PodFacts, nodes: NodeColumns) -> Choice:
        """Choose a node for the Pod. There must be at least one node."""
        feasible, raw = self._shared(pod, nodes) or (None, {})
        if feasible is None:
            diagnosis = Diagnosis(nodes.total)
            feasible = self.feasible(pod, nodes, diagnosis)
            if feasible is None or not feasible.any():
                self._shared_result = None
                return Choice(diagnosis=diagnosis)
            raw = self._raw_scores(pod, nodes, feasible)
            self._share(pod, nodes, diagnosis.near, raw)
        return Choice(nodes.names[self._best(feasible, raw)])

    def feasible(self, pod: PodFacts, nodes: NodeColumns, diagnosis: Diagnosis) -> Mask | None:
        """Nodes that pass every filter; reasons of the others go into the diagnosis. None when PreFilter rejects the Pod."""
        left = self._pre_filter(pod, nodes, diagnosis)
        if left is None:
            return None
        helpable = np.zeros_like(left)
        diagnosis.near = left.copy()
        for plugin in self._filters:
            verdict = plugin.filter(pod, nodes)
            if verdict is None:
                continue
            if plugin.name not in self._cross_node_names:
                diagnosis.near &= verdict.passes
            failed = left & ~verdict.passes
            if failed.any():
                diagnosis.rejected_by.add(plugin.name)
                diagnosis.rejects(verdict.reasons, failed)
                helpable |= failed & ~np.asarray(verdict.unresolvable)
                left = left & verdict.passes
                if not left.any():
                    break
        diagnosis.helpable = helpable
        return self._without_nominated(pod, nodes, left, helpable, diagnosis)

    def _without_nominated(self, pod: PodFacts, nodes: NodeColumns, left: Mask, helpable: Mask, diagnosis: Diagnosis) -> Mask:
        """Room that is being cleared for Pods of the same or a higher priority is not to be had, but by evicting still others."""
        for name in nodes.nominated:
            row, others = nodes.rows.get(name), nodes.nominated_before(pod, name)
            if row is None or not left[row] or not others:
                continue
            window = nodes.window(row)
            for other in others:
                window.add_pod(name, other)
            reasons = self.trial(pod, window)
            if reasons:
                left[row] = False
                helpable[row] = True
                diagnosis.reasons.update(reasons)
                diagnosis.rejected_by.update(plugin.name for plugin in self._filters)
        return left

    def trial(self, pod: PodFacts, window: NodeColumns) -> Sequence[str]:
        """Why the one node of a window cannot take the Pod; empty when it can."""
        return rejection(self._filters, pod, window)

    def _pre_filter(self, pod: PodFacts, nodes: NodeColumns, diagnosis: Diagnosis) -> Mask | None:
        left = nodes.alive.copy()
        narrowed: set[str] = set()
        for plugin in self._pre_filters:
            result = plugin.pre_filter(pod, nodes)
            if result is None:
                continue
            if result.rejection:
                diagnosis.pre_filter = result.rejection
                diagnosis.rejected_by.add(plugin.name)
                return None
            if result.nodes is not None:
                narrowed.add(plugin.name)
                wanted = np.zeros_like(left)
                wanted[[nodes.rows[name] for name in result.nodes if name in nodes.rows]] = True
                left &= wanted
        excluded = nodes.total - int(left.sum())
        if narrowed and excluded:
            diagnosis.rejected_by |= narrowed
            diagnosis.reasons[f"node(s) didn't satisfy plugin(s) [{' '.join(sorted(narrowed))}]"] += excluded
        return left

    def _raw_scores(self, pod: PodFacts, nodes: NodeColumns, feasible: Mask) -> dict[str, Scores]:
        raw = {}
        for plugin in self._scorers:
            pre_score = self._pre_scores.get(plugin.name)
            if pre_score is None or pre_score.pre_score(pod, nodes, feasible):
                raw[plugin.name] = plugin.score(pod, nodes)
        return raw

    def _best(self, feasible: Mask, raw: dict[str, Scores]) -> int:
        rows = np.flatnonzero(feasible)
        if len(rows) == 1:
            return int(rows[0])
        total = np.zeros(len(rows), np.int64)
        for plugin in self._scorers:
            name = plugin.name
            if name in raw:
                total += self.weights[name] * plugin.normalize(raw[name][rows])
        best = rows[total == total.max()]
        return int(best[self._entropy.random.randrange(len(best))])

    # Sharing work between equal Pods

    def _share(self, pod: PodFacts, nodes: NodeColumns, near: Mask | None, raw: dict[str, Scores]) -> None:
        if near is None or nodes.nominated or not self._may_share(pod):
            self._shared_result = None
            return
        self._shared_result = SharedResult(pod.signature, nodes.structure, len(nodes.changes), near, raw)

    def _shared(self, pod: PodFacts, nodes: NodeColumns) -> tuple[Mask, dict[str, Scores]] | None:
        last = self._shared_result
        if last is None or last.signature != pod.signature or last.structure != nodes.structure or nodes.nominated:
            return None
        if not self._may_share(pod):
            return None
        for row in sorted(set(nodes.changes[last.seen :])):
            self._filter_and_score_row(pod, nodes, last, row)
        last.seen = len(nodes.changes)
        feasible = self._apply_cross_node_filters(pod, nodes, last.near)
        if not feasible.any():
            return None
        self._score_cross_node(pod, nodes, feasible, last.raw)
        return feasible, last.raw

    def _filter_and_score_row(self, pod: PodFacts, nodes: NodeColumns, last: SharedResult, row: int) -> None:
        window = nodes.window(row)
        last.near[row] = bool(nodes.alive[row]) and not rejection(self._single_node_filters, pod, window)
        if last.near[row]:
            for plugin in self._scorers:
                if plugin.name in last.raw and plugin.name not in self._cross_node_names:
                    last.raw[plugin.name][row] = plugin.score(pod, window)[0]

    def _may_share(self, pod: PodFacts) -> bool:
        return all(plugin.may_share(pod) for plugin in self._cross_node)

    def _apply_cross_node_filters(self, pod: PodFacts, nodes: NodeColumns, near: Mask) -> Mask:
        """Of the nodes that would do by themselves those that also do in view of the others."""
        feasible = near.copy()
        for plugin in self._filters:
            if plugin.name in self._cross_node_names:
                verdict = plugin.filter(pod, nodes)
                if verdict is not None:
                    feasible &= verdict.passes
        return feasible

    def _score_cross_node(self, pod: PodFacts, nodes: NodeColumns, feasible: Mask, raw: dict[str, Scores]) -> None:
        """Put the scores that depend on other nodes anew into `raw`."""
        for plugin in self._scorers:
            if plugin.name in self._cross_node_names:
                raw.pop(plugin.name, None)
                pre_score = self._pre_scores.get(plugin.name)
                if pre_score is None or pre_score.pre_score(pod, nodes, feasible):
                    raw[plugin.name] = plugin.score(pod, nodes)

    # The other points

    def run_pre_enqueue_plugins(self, pod: PodFacts) -> tuple[str, str]:
        """(plugin, reason) of the first PreEnqueue plugin that rejects the Pod; empty strings when none does."""
        for plugin in self.pre_enqueues:
            reason = plugin.pre_enqueue(pod)
            if reason:
                return plugin.name, reason
        return "", ""

    def post_filter(self, pod: PodFacts, nodes: NodeColumns, diagnosis: Diagnosis) -> PostFilterResult:
        """Call the PostFilter plugins until one makes room; otherwise return all their messages and the last nomination."""
        said: list[str] = []
        nominated: str | None = None
        for plugin in self._post_filters:
            result = plugin.post_filter(pod, nodes, diagnosis, self.trial)
            if result is None:
                continue
            if result.nominated:
                return result
            nominated = nominated if result.nominated is None else result.nominated
            said += [result.message] if result.message else []
            if result.final:
                break
        return PostFilterResult(nominated, ", ".join(said))

    def reserve(self, pod: PodFacts, node_name: str) -> None:
        """Call `reserve` of every plugin, in order."""
        for plugin in self._reserves:
            plugin.reserve(pod, node_name)

    def unreserve(self, pod: PodFacts, node_name: str) -> None:
        """Call `unreserve` of every plugin, in reverse order."""
        for plugin in reversed(self._reserves):
            plugin.unreserve(pod, node_name)

    async def prepare(self, pod: PodFacts, node_name: str) -> str:
        """Run Permit and PreBind plugins. Returns "" when the Pod may be bound, or upstream's message why not."""
        for permit in self._permits:
            reason = await permit.permit(pod, node_name)
            if reason:
                return reason
        for plugin in self._pre_binds:
            try:
                await plugin.pre_bind(pod, node_name)
            except (StatusError, ConnectionError) as error:
                return running("PreBind", plugin.name, error)
        return ""

    def waits_for(self, pod: PodFacts, node_name: str) -> str:
        """Name of the plugin that the binding has to wait for; empty when there is none."""
        return next((plugin.name for plugin in self._pre_bind_waits if not plugin.is_pre_bound(pod, node_name)), "")

    async def wait_pre_bound(self, pod: PodFacts, node_name: str) -> str:
        """Wait for the work that PreBind began. Returns "" or why it failed."""
        for plugin in self._pre_bind_waits:
            try:
                await plugin.wait_pre_bound(pod, node_name)
            except Refused as error:
                return running("PreBind", plugin.name, error)
        return ""

    async def bind(self, pod: PodFacts, node_name: str) -> str:
        """Run Bind and PostBind plugins. Returns "" when bound, or why not."""
        for plugin in self._binds:
            try:
                if await plugin.bind(pod, node_name):
                    break
            except (StatusError, ConnectionError) as error:
                return running("Bind", plugin.name, error)
        for post_bind in self._post_binds:
            post_bind.post_bind(pod, node_name)
        return ""


def running(point: str, plugin: str, error: object) -> str:
    """Upstream's message for a plugin that failed."""
    return f'running {point} plugin "{plugin}": {error}'


def rejection(filters: Sequence[Filter], pod: PodFacts, window: NodeColumns) -> Sequence[str]:
    """Reasons of the first filter that rejects the one node of a window; empty when all pass."""
    for plugin in filters:
        verdict = plugin.filter(pod, window)
        if verdict is not None and not verdict.passes[0]:
            return verdict.reasons(0)
    return ()
