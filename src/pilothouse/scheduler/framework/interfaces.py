"""The extension points of the scheduling framework, each a Protocol of one or two methods.

A plugin is a class with a `name` that has the methods of the points it takes part in; order and weight stand in profile.py.
Decisions are pure functions of the Pod and the node columns; only the binding points (PreBind, Bind) do I/O, and only they are async.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from pilothouse.scheduler.facts import PodFacts
from pilothouse.scheduler.framework.diagnosis import Diagnosis
from pilothouse.scheduler.snapshot import Mask, NodeColumns

Scores = NDArray[np.int64]
Hint = Callable[[PodFacts, Any, Any], bool]
Trial = Callable[[PodFacts, NodeColumns], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Wake:
    """A cluster event that may make a Pod schedulable that the plugin rejected (upstream's ClusterEventWithHint).

    `kind` is the object's kind; `action` one of Add, Delete, or what changed: of a node Allocatable, Labels, Taints or
    Unschedulable, of a placed Pod Resources (it needs less now), Labels or Terminating; of other kinds every event is Any.
    `hint(pod, old, new)` says whether this very event could help this Pod; None means always.
    """

    kind: str
    action: str
    hint: Hint | None = None


@dataclass(slots=True)
class Verdict:
    """What a filter says of every node: `passes[row]`, and for a row that does not pass why, in upstream's words.

    `unresolvable` marks the rows where removing Pods would not help.
    """

    passes: Mask
    reasons: Callable[[int], Sequence[str]]
    unresolvable: Mask | bool = False


@dataclass(slots=True)
class PreFilterResult:
    """Result of PreFilter. `rejection` says why no node can take the Pod; otherwise only `nodes` are looked at."""

    nodes: frozenset[str] | None = None
    rejection: str = ""


@dataclass(slots=True)
class PostFilterResult:
    """Result of PostFilter.

    `nominated` is the node that will have room once the victims are gone, empty for none, None to keep the nomination. `message` goes into
    the event; `final` means that no other plugin is asked.

    `nominated` is the node that will have room once the victims are gone, empty for none, None to keep the nomination.
    """

    nominated: str | None = None
    message: str = ""
    victims: list[PodFacts] = field(default_factory=list)
    final: bool = False


class Plugin(Protocol):
    """Common fields of every plugin."""

    name: str
    woken_by: tuple[Wake, ...]


@runtime_checkable
class PreEnqueue(Plugin, Protocol):
    """Decides whether a Pod may enter the queue."""

    def pre_enqueue(self, pod: PodFacts) -> str:
        """Why the Pod may not enter the queue yet; empty when it may."""
        ...


@runtime_checkable
class QueueSort(Plugin, Protocol):
    """Orders the queue; a profile has one."""

    def sort_key(self, pod: PodFacts, since: float) -> tuple[Any, ...]:
        """The smallest key is scheduled first. `since` is when the Pod entered the queue, in the clock's seconds."""
        ...


@runtime_checkable
class PreFilter(Plugin, Protocol):
    """Looks at a Pod once, before nodes are filtered."""

    def pre_filter(self, pod: PodFacts, nodes: NodeColumns) -> PreFilterResult | None:
        """Reject the Pod on every node, or narrow the nodes; None to do neither."""
        ...


@runtime_checkable
class Filter(Plugin, Protocol):
    """Says which nodes can take a Pod."""

    def filter(self, pod: PodFacts, nodes: NodeColumns) -> Verdict | None:
        """Which nodes can take the Pod; None when all can."""
        ...


@runtime_checkable
class PostFilter(Plugin, Protocol):
    """Called when no node passes every filter; preemption is one."""

    def post_filter(self, pod: PodFacts, nodes: NodeColumns, diagnosis: Diagnosis, trial: Trial) -> PostFilterResult | None:
        """Make room for the Pod. `trial(pod, window)` says why the Pod does not fit the one node of a window; nothing when it fits."""
        ...


@runtime_checkable
class PreScore(Plugin, Protocol):
    """Prepares scoring once for all nodes that passed."""

    def pre_score(self, pod: PodFacts, nodes: NodeColumns, feasible: Mask) -> bool:
        """Whether `score` applies to this Pod; False skips it."""
        ...


@runtime_checkable
class Score(Plugin, Protocol):
    """Ranks the nodes that passed."""

    def score(self, pod: PodFacts, nodes: NodeColumns) -> Scores:
        """A raw score for every row; rows that are not feasible are ignored."""
        ...

    def normalize(self, scores: Scores) -> Scores:
        """Raw scores of the feasible nodes -> 0..100."""
        ...


@runtime_checkable
class CrossNode(Plugin, Protocol):
    """A plugin whose result for one node depends on other nodes; it is computed again for every Pod."""

    def may_share(self, pod: PodFacts) -> bool:
        """Whether equal Pods may share the results of the other plugins.

        False when PreFilter of this plugin may answer otherwise the next time.
        """
        ...


@runtime_checkable
class Reserve(Plugin, Protocol):
    """Keeps the plugin's own state about Pods that are about to be bound."""

    def reserve(self, pod: PodFacts, node_name: str) -> None:
        """Note that the Pod is assumed on this node."""
        ...

    def unreserve(self, pod: PodFacts, node_name: str) -> None:
        """Undo `reserve`; also called when `reserve` was never reached."""
        ...


@runtime_checkable
class Permit(Plugin, Protocol):
    """May delay or refuse a binding."""

    async def permit(self, pod: PodFacts, node_name: str) -> str:
        """Wait until the Pod may be bound. Returns "" or the reason for rejecting it; the plugin sets its own time limit."""
        ...


@runtime_checkable
class PreBind(Plugin, Protocol):
    """Prepares a node for a Pod before it is bound."""

    async def pre_bind(self, pod: PodFacts, node_name: str) -> None:
        """Do what must be done before binding. Raises StatusError or Refused when the Pod cannot be bound now."""
        ...


class Refused(Exception):
    """A Pod cannot be bound for now; the message says why."""


@runtime_checkable
class PreBindWait(Plugin, Protocol):
    """A PreBind plugin whose work is completed by other components."""

    def is_pre_bound(self, pod: PodFacts, node_name: str) -> bool:
        """Whether what `pre_bind` began is done."""
        ...

    async def wait_pre_bound(self, pod: PodFacts, node_name: str) -> None:
        """Wait until the work is complete. Raises Refused when it failed; the caller sets the time limit."""
        ...


@runtime_checkable
class Bind(Plugin, Protocol):
    """Binds a Pod to a node."""

    async def bind(self, pod: PodFacts, node_name: str) -> bool:
        """True when bound; False leaves it to the next plugin; failures are StatusError."""
        ...


@runtime_checkable
class PostBind(Plugin, Protocol):
    """Notified of every binding."""

    def post_bind(self, pod: PodFacts, node_name: str) -> None:
        """Called after the Pod was bound."""
        ...
