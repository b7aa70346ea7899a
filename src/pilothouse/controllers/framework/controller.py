"""What a controller declares: name, kind that it reconciles, watches, RBAC rules, and its plan.

A file in `controllers/builtin/` that defines a subclass is found and run: nothing else registers it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar

from pilothouse.client.store import Key, LabelMatcher
from pilothouse.controllers.framework.actions import Action
from pilothouse.controllers.framework.world import World

if TYPE_CHECKING:
    from pilothouse.controllers.framework.runner import Context
    from pilothouse.kit.component import Component

READ = ("list", "watch")
"""What an informer needs."""
GET = ("get",)
UPDATE = ("update",)
PATCH = ("patch",)
"""Of Patch, of adopting and releasing, and of events that happen again."""
CREATE = ("create",)
DELETE = ("delete",)


@dataclass(frozen=True, slots=True)
class Rule:
    """One RBAC rule: an API group, resources in it and verbs."""

    group: str
    resources: tuple[str, ...]
    verbs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Owned:
    """Wakes the controller of a changed object. With `selector`, owners whose selector matches a changed orphan are woken too."""

    kind: type[Any]
    selector: Callable[[Any], LabelMatcher] | None = None


@dataclass(frozen=True, slots=True)
class Related:
    """Wakes the keys that `keys(object, world)` returns for the old and the new state of a changed object.

    `matters(old, new)` may say of an update that it changes nothing for anybody. Without `creations`, new objects wake nobody.
    """

    kind: type[Any]
    keys: Callable[[Any, World], Iterable[Key]]
    matters: Callable[[Any, Any], bool] = lambda old, new: True
    creations: bool = True


@dataclass(frozen=True, slots=True)
class Reads:
    """The plan reads this kind; a change of it wakes no key."""

    kind: type[Any]


@dataclass(frozen=True, slots=True)
class Notes:
    """Calls `note(old, new, shared, now)` for every change of a kind, to update `World.shared`; wakes no key."""

    kind: type[Any]
    note: Callable[[Any, Any, dict[str, Any], datetime], None]


Watch = Owned | Related | Reads | Notes


class OwnStatus(Enum):
    """What a controller does when only the status of its object changed."""

    PLAN = "plan again"
    REPAIR = "plan again unless it is the status that this controller wrote last: for plans that do not read the status"
    IGNORE = "nothing"


class Controller:
    """A level-triggered controller. `plan` is pure: it reads `world` and yields actions; the same world gives the same plan."""

    name: ClassVar[str]
    account: ClassVar[str] = ""
    """The ServiceAccount of kube-system that it acts as, bound to the ClusterRole `system:controller:<account>`; "": the manager itself."""
    reconciles: ClassVar[type[Any]]
    watches: tuple[Watch, ...] = ()
    rules: ClassVar[tuple[Rule, ...]] = ()
    workers: ClassVar[int] = 5
    own_status: ClassVar[OwnStatus] = OwnStatus.PLAN
    """What a change of nothing but the status of the object itself calls for."""
    source: ClassVar[str] = ""
    """The component that its events name; `<name>-controller` when empty."""

    def concerns(self, obj: Any) -> bool:
        """Whether the controller handles this object; others of the kind do not wake it."""
        return True

    def plan(self, obj: Any, world: World) -> Iterator[Action]:
        """Actions that bring the cluster closer to the spec of `obj`. RequeueAfter where only time changes the result."""
        raise NotImplementedError

    async def observe(self, obj: Any, context: Context) -> Any:
        """Ask the server for what no cache shows, before the plan; the plan finds it as `world.observed`.

        Called without the caches' consistency; for most controllers there is nothing to ask.
        """
        return None

    def plan_gone(self, key: Key, world: World) -> Iterator[Action]:
        """Actions when the object of a key does not exist any more."""
        yield from ()

    def component(self, context: Context) -> Component:
        """The component that runs this controller; overridden by controllers that are more than a plan by key."""
        from pilothouse.controllers.framework.runner import Runner

        return Runner(self, context)
