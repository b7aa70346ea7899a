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
    """An event that may make a Pod schedulable that the plugin rejected.

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
    """`rejection`: no node can take the Pod, and why. `nodes`: only these need to be looked at."""

    nodes: frozenset[str] | None = None
    rejection: str = ""


@dataclass(slots=True)
class PostFilterResult:
    """`nominated`: the node that will have room once the victims are gone; empty: none, whatever was before; None: as before.
    `message` goes into the event. `final`: no other plugin is asked."""

    nominated: str | None = None
    message: str = ""
    victims: list[PodFacts] = field(default_factory=list)
    final: bool = False


class Plugin(Protocol):
    """What every plugin has."""

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
        """Reject the Pod on every node, or narrow the nodes; None when the plugin has nothing to say."""
        ...


@runtime_checkable
class Filter(Plugin, Protocol):
    """Says which nodes can take a Pod."""

    def filter(self, pod: PodFacts, nodes: NodeColumns) -> Verdict | None:
        """None when the plugin has nothing against any node."""
        ...


@runtime_checkable
class PostFilter(Plugin, Protocol):
    """Called when no node passes every filter; preemption is one."""

    def post_filter(self, pod: PodFacts, nodes: NodeColumns, diagnosis: Diagnosis, trial: Trial) -> PostFilterResult | None:
        """`trial(pod, window)` says why the Pod does not fit the one node of a window; nothing when it fits."""
        ...


@runtime_checkable
class PreScore(Plugin, Protocol):
    """Prepares scoring once for all nodes that passed."""

    def pre_score(self, pod: PodFacts, nodes: NodeColumns, feasible: Mask) -> bool:
        """Whether `score` has anything to say of this Pod; False skips it."""
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
    """A plugin whose verdict or score of a node depends on other nodes, too: these are worked out anew for every Pod."""

    def may_share(self, pod: PodFacts) -> bool:
        """Whether equal Pods may share the rest of a result. False when what the plugin says before it looks at nodes may change."""
        ...


@runtime_checkable
class Reserve(Plugin, Protocol):
    """Keeps in its own books that a Pod is about to be bound to a node."""

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
        """Return when the Pod may be bound: empty, or why it may not. The plugin brings its own time limit."""
        ...


@runtime_checkable
class PreBind(Plugin, Protocol):
    """Prepares a node for a Pod before it is bound."""

    async def pre_bind(self, pod: PodFacts, node_name: str) -> None:
        """Do what has to be done before binding. StatusError or Refused when the Pod cannot be bound now."""
        ...


class Refused(Exception):
    """A Pod cannot be bound for now; the message says why."""


@runtime_checkable
class PreBindWait(Plugin, Protocol):
    """A PreBind plugin whose work others complete, and which can tell when it is complete."""

    def is_pre_bound(self, pod: PodFacts, node_name: str) -> bool:
        """Whether what `pre_bind` began is done."""
        ...

    async def wait_pre_bound(self, pod: PodFacts, node_name: str) -> None:
        """Return when it is done; Refused when it failed. Others do it: who calls sets the time limit."""
        ...


@runtime_checkable
class Bind(Plugin, Protocol):
    """Binds a Pod to a node."""

    async def bind(self, pod: PodFacts, node_name: str) -> bool:
        """True when bound; False leaves it to the next plugin; failures are StatusError."""
        ...


@runtime_checkable
class PostBind(Plugin, Protocol):
    """Is told of every binding."""

    def post_bind(self, pod: PodFacts, node_name: str) -> None:
        """Called once the Pod is bound; nothing can fail any more."""
        ...
