"""The port of admission plugins: what may change or refuse a write after it is decoded and before it is committed.

- A plugin has `mutate`, `validate` or both. All mutations run on what the client asks for, before the kind's strategy prepares it;
  all validations on what is to be stored, after the strategy has validated it.
- It refuses by raising StatusError, and it reads the cluster through `World` only.
- The order of plugins has a meaning and stands in order.py. One file a plugin, in plugins/.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple, Protocol, TypeVar

from pilothouse.apiserver.admission.metrics import AdmissionMetrics
from pilothouse.apiserver.auth.authorizer import Attributes, Decision
from pilothouse.apiserver.auth.user import User
from pilothouse.apiserver.webhooks.client import WebhookClient
from pilothouse.client.call import Options
from pilothouse.kit.clock import Clock
from pilothouse.kit.entropy import Entropy
from pilothouse.machinery.catalogue import Catalogue
from pilothouse.machinery.errors import StatusError, forbidden
from pilothouse.machinery.resource import Resource

T = TypeVar("T")

CREATE, UPDATE, DELETE, CONNECT = "CREATE", "UPDATE", "DELETE", "CONNECT"
PODS = ("", "pods")


@dataclass(slots=True)
class Reinvocation:
    """State of one request: mutating plugins run a second time when a webhook or policy changed the object (`required`).

    `states` is what a plugin keeps from the first pass to the second, by its name. Upstream: admission.ReinvocationContext.
    """

    is_second: bool = False
    required: bool = False
    states: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class AdmissionRequest:
    """A write, or a connection. `object` is the plugin's to change, or to replace, in `mutate` (None for a delete); `old_object` is
    committed: never change it.

    `resource` is the stored version and `served` the one of the request's path. `exchanged` is what `object` is an instance of in the
    request: the kind itself, or the kind of a subresource (Scale, Eviction). Before a name is generated `name` is empty.
    """

    operation: str
    resource: Resource[Any]
    subresource: str
    namespace: str
    name: str
    object: Any
    old_object: Any
    user: User
    options: Options
    served: Resource[Any]
    exchanged: Resource[Any]
    dry_run: bool = False
    warnings: list[str] = field(default_factory=list)
    audit_annotations: dict[str, str] = field(default_factory=dict)
    reinvocation: Reinvocation = field(default_factory=Reinvocation)
    group_plural: tuple[str, str] = field(init=False)
    is_extended: bool | None = None
    """Whether anything was configured in the cluster for admission when this was first asked."""
    is_pod: bool = field(init=False)
    """Whether a Pod itself is written, not a subresource. Like `group_plural` made once, since a dozen plugins ask."""

    def __post_init__(self) -> None:
        self.group_plural = kind = self.resource.group, self.resource.plural
        self.is_pod = kind == PODS and not self.subresource

    @property
    def shown_name(self) -> str:
        """Name in messages: generateName when there is no name yet (upstream: admission.NewForbidden)."""
        if self.name or self.object is None:
            return self.name or "Unknown"
        meta = getattr(self.object, "metadata", None)
        return "Unknown/errorGettingName" if meta is None else meta.name or meta.generateName or "Unknown"


def refused(request: AdmissionRequest, cause: str) -> StatusError:
    """403 in upstream's words for the object of the request."""
    return forbidden(request.resource.plural, request.resource.group, request.shown_name, cause)


class World(Protocol):
    """What a plugin may know of the cluster: committed objects, the time and randomness; and how it notes what it has let pass."""

    clock: Clock
    entropy: Entropy
    catalogue: Catalogue
    webhooks: WebhookClient
    metrics: AdmissionMetrics

    async def get(self, kind: type[T], name: str, namespace: str = "") -> T | None:
        """The committed object, or None when there is none."""

    async def list(self, kind: type[T], namespace: str = "") -> Sequence[T]:
        """All committed objects of this kind, of one namespace when `namespace` is set."""

    async def appears(self, kind: type[T], name: str, namespace: str, seconds: float) -> T | None:
        """The object as soon as it is there; None when it is not there after `seconds`."""
        ...

    async def update_status(self, obj: Any) -> bool:
        """Update the status subresource as system:apiserver; False when the object was changed since, or is gone."""
        ...

    def changed(self, kind: type[Any]) -> int:
        """The revision of the last change of a kind's objects; another number after each change. -1 as long as nobody has read them."""
        ...

    def may_have(self, kinds: Sequence[type[Any]]) -> bool:
        """Whether there are objects of one of these kinds. True as long as nobody has read them."""
        ...

    def may(self, user: User, attributes: Attributes) -> bool:
        """Whether the user is allowed that, beyond the request itself."""
        ...

    def decision(self, user: User, attributes: Attributes) -> Decision:
        """The same with its reason."""
        ...


class Plugin:
    """A plugin that does nothing: the base of all. `name` is upstream's."""

    name = ""
    kinds: frozenset[tuple[str, str]] | None = None
    """The resources that it is asked about, by (group, plural); None: all."""
    on_by_default: ClassVar[bool] = True
    """Whether an API server asks it that was started without naming it."""
    configured_by: type[Any] | None = None
    """The kind without whose objects it has nothing to do: as long as there are none it is not called."""

    def extends(self, request: AdmissionRequest, world: World) -> bool:
        """Whether what somebody configured in the cluster (webhooks, policies) may change the object of this request."""
        return False

    async def mutate(self, request: AdmissionRequest, world: World) -> None:
        """Change `request.object`, or refuse."""

    async def validate(self, request: AdmissionRequest, world: World) -> None:
        """Refuse, or do nothing."""


class ResourcePlugins(NamedTuple):
    """Plugins for one resource: all, and those that no object configures."""

    every: Sequence[Plugin]
    always_active: Sequence[Plugin]

    @classmethod
    def of(cls, plugins: Sequence[Plugin]) -> ResourcePlugins:
        """Build from `plugins`."""
        return cls(plugins, [plugin for plugin in plugins if plugin.configured_by is None])


class Step:
    """Measures one step of a request's admission, and whether it refuses: a class, since each write makes two."""

    __slots__ = ("_labels", "_since", "_world")

    def __init__(self, world: World, step: str, operation: str) -> None:
        self._world, self._labels, self._since = world, (step, operation), world.clock.monotonic()

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        seconds = self._world.clock.monotonic() - self._since
        self._world.metrics.step_seconds.observe(seconds, *self._labels, "false" if kind is None else "true")


class Admission:
    """All plugins, called in their order."""

    def __init__(self, plugins: Iterable[Plugin], world: World) -> None:
        self._plugins = tuple(plugins)
        self._extensions = ResourcePlugins.of([plugin for plugin in self._plugins if type(plugin).extends is not Plugin.extends])
        self._configuring = tuple({plugin.configured_by: None for plugin in self._plugins if plugin.configured_by is not None})
        self._mutating: dict[tuple[str, str], ResourcePlugins] = {}
        self._validating: dict[tuple[str, str], ResourcePlugins] = {}
        self._world = world

    def extends(self, request: AdmissionRequest) -> bool:
        """Whether webhooks or policies may change the object of this request."""
        plugins = self._configured(self._extensions, request)
        return bool(plugins) and any(plugin.extends(request, self._world) for plugin in plugins)

    async def mutate(self, request: AdmissionRequest) -> None:
        """Run the mutating plugins on the request's object, and all of them a second time when a webhook or policy asked for reinvocation.

        Raises the StatusError of the plugin that refuses.
        """
        chosen = self._mutating.get(request.group_plural)
        if chosen is None:
            plugins = [plugin for plugin in self._plugins_for(request.group_plural) if type(plugin).mutate is not Plugin.mutate]
            chosen = self._mutating[request.group_plural] = ResourcePlugins.of(plugins)
        with self._timed("admit", request):
            for plugin in self._configured(chosen, request):
                await plugin.mutate(request, self._world)
        if request.reinvocation.required:
            request.reinvocation.is_second = True
            with self._timed("admit", request):
                for plugin in chosen.every:
                    await plugin.mutate(request, self._world)

    async def validate(self, request: AdmissionRequest) -> None:
        """Run the validating plugins on the object that is to be stored. Raises the StatusError of the first that refuses."""
        chosen = self._validating.get(request.group_plural)
        if chosen is None:
            plugins = [plugin for plugin in self._plugins_for(request.group_plural) if type(plugin).validate is not Plugin.validate]
            chosen = self._validating[request.group_plural] = ResourcePlugins.of(plugins)
        with self._timed("validate", request):
            for plugin in self._configured(chosen, request):
                await plugin.validate(request, self._world)

    def _timed(self, step: str, request: AdmissionRequest) -> Step:
        return Step(self._world, step, request.operation)

    def _configured(self, chosen: ResourcePlugins, request: AdmissionRequest) -> Sequence[Plugin]:
        """Those that have something to do: mostly nothing is configured, which is one question for all."""
        if request.is_extended is None:
            request.is_extended = self._world.may_have(self._configuring)
        if not request.is_extended:
            return chosen.always_active
        return [plugin for plugin in chosen.every if self._is_configured(plugin)]

    def _is_configured(self, plugin: Plugin) -> bool:
        return plugin.configured_by is None or self._world.may_have((plugin.configured_by,))

    def _plugins_for(self, kind: tuple[str, str]) -> Iterator[Plugin]:
        """Chosen once for each resource: most plugins are for a few, and asking one costs as much as what it decides."""
        return (plugin for plugin in self._plugins if plugin.kinds is None or kind in plugin.kinds)
