"""What a controller declares: a name, the kind it reconciles, what wakes it, what it must be allowed, and its plan.

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

READ = ("get", "list", "watch")
WRITE = ("update", "patch")
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
    """Wake the controller of a changed object. `selector` of an owner: wake those also whose selector matches a changed orphan."""

    kind: type[Any]
    selector: Callable[[Any], LabelMatcher] | None = None


@dataclass(frozen=True, slots=True)
class Related:
    """Wake the keys that `keys(object, world)` gives for a changed object: for its old and for its new state.

    `matters(old, new)` may say of an update that it changes nothing for anybody. Without `creations`, new objects wake nobody.
    """

    kind: type[Any]
    keys: Callable[[Any, World], Iterable[Key]]
    matters: Callable[[Any, Any], bool] = lambda old, new: True
    creations: bool = True


@dataclass(frozen=True, slots=True)
class Reads:
    """The plan reads this kind, but a change of it wakes nobody."""

    kind: type[Any]


@dataclass(frozen=True, slots=True)
class Notes:
    """Let `note(old, new, shared, now)` write down in `World.shared` that an object came, changed or went; that wakes nobody."""

    kind: type[Any]
    note: Callable[[Any, Any, dict[str, Any], datetime], None]


Watch = Owned | Related | Reads | Notes


class OwnStatus(Enum):
    """What a controller does when nothing but the status of its object has changed."""

    PLAN = "plan again"
    REPAIR = "plan again unless it is the status that this controller wrote last: for plans that do not read the status"
    IGNORE = "nothing"


class Controller:
    """A level-triggered controller. `plan` is pure: it reads `world` and yields actions; the same world gives the same plan."""

    name: ClassVar[str]
    reconciles: ClassVar[type[Any]]
    watches: tuple[Watch, ...] = ()
    rules: ClassVar[tuple[Rule, ...]] = ()
    workers: ClassVar[int] = 5
    own_status: ClassVar[OwnStatus] = OwnStatus.PLAN
    """What a change of nothing but the status of the object itself calls for."""
    source: ClassVar[str] = ""
    """The component that its events name; `<name>-controller` when empty."""

    def concerns(self, obj: Any) -> bool:
        """Whether an object is the controller's at all; others of its kind wake nobody by themselves."""
        return True

    def plan(self, obj: Any, world: World) -> Iterator[Action]:
        """What brings the world closer to what `obj` asks for. RequeueAfter where only time changes the answer."""
        raise NotImplementedError

    async def observe(self, obj: Any, context: Context) -> Any:
        """What no cache shows and the plan needs, asked of the server just before it; the plan finds it as `world.observed`.

        Called without the caches' consistency; for most controllers there is nothing to ask.
        """
        return None

    def plan_gone(self, key: Key, world: World) -> Iterator[Action]:
        """What is to be done when there is no object of that key any more."""
        yield from ()

    def component(self, context: Context) -> Component:
        """What runs this controller; overridden by the few that are more than a plan for each key."""
        from pilothouse.controllers.framework.runner import Runner

        return Runner(self, context)
