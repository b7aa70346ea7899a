"""The declaration of a kind: what its one file in `api/` says, and all that routes, discovery, OpenAPI, Table and clients derive from.

- A `Resource` knows names, scope, verbs, subresources, columns and selectable fields, and carries the kind's hooks
  (defaults, validation, preparation). It knows neither HTTP nor storage.
- A kind without a generated struct has a `type` made at run time (machinery/unstructured.py).
- Hooks change the object that they are given: it is the caller's own copy, never a committed one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import update_wrapper
from typing import Any, Generic, Protocol, TypeVar, cast

import msgspec

from pilothouse.machinery.problems import Problems
from pilothouse.machinery.strategy import DEFAULT, Strategy

T = TypeVar("T")

READ = ("get", "list", "watch")
ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


class Converter(Protocol):
    """Converts objects of a kind between its versions, where that takes time."""

    async def convert(self, objects: Sequence[Any], target: Resource[Any]) -> list[Any]:
        """The objects in the version of `target`, in their order; they are left as they are. StatusError when that cannot be."""
        ...

    def convert_one(self, obj: Any, target: Resource[Any]) -> Any:
        """The same for one object, for code that runs in a thread."""
        ...


@dataclass(frozen=True, slots=True)
class Since:
    """A cell with an age in it: `text`, whose `{}` becomes the time that has passed since the RFC 3339 time `moment`."""

    moment: str
    text: str = "{}"


UNDECLARED = -1
"""The priority of a column whose cells are told without a definition, as upstream does by mistake (IPAddress)."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of `kubectl get`: name, what to show, type (string, integer, number, boolean, date), priority 1 for `-o wide`.

    `value` may return None, which is shown as `<none>` by kubectl, or a `Since`; a date is an RFC 3339 string. The table begins
    with the column Name by itself, unless a column of that name is declared. `raw`: as custom resources have it, None is null, and
    the type is told as it is; such a column named Name is one beside the first.
    """

    name: str
    value: Callable[[Any], Any]
    type: str = "string"
    format: str = ""
    priority: int = 0
    description: str = ""
    raw: bool = False


@dataclass(frozen=True, slots=True)
class Subresource:
    """A subresource by its path segment. `kind` is what it exchanges, as (group, version, kind); None for the kind itself."""

    name: str
    verbs: tuple[str, ...] = ("get", "patch", "update")
    kind: tuple[str, str, str] | None = None


STATUS = Subresource("status")


@dataclass(frozen=True, slots=True)
class Scale:
    """The scale subresource: dotted paths of the replica counts and of the selector."""

    replicas: str = "spec.replicas"
    status_replicas: str = "status.replicas"
    selector: str = "spec.selector"
    name: str = "scale"
    verbs: tuple[str, ...] = ("get", "patch", "update")
    kind: tuple[str, str, str] = ("autoscaling", "v1", "Scale")


Default = Callable[[Any], None]
Validate = Callable[[Any, Problems], None]
ValidateUpdate = Callable[[Any, Any, Problems], None]
PrepareUpdate = Callable[[Any, Any], None]
PrepareStatus = Callable[[Any, Any, str], None]
Warn = Callable[[Any, Any], Iterable[str]]


Schema = Mapping[str, Any] | Callable[[], Mapping[str, Any] | None]
RESET_FIELDS: Mapping[str, Sequence[str]] = {"": ("status",), "status": ("spec",)}


def _paths(fields: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Dotted fields as paths of a set of fields."""
    return tuple(tuple(step if step == "*" else f"f:{step}" for step in path.split(".")) for path in fields)


class Resource(Generic[T]):
    """One kind in one group and version.

    `columns` None means Name and Age. `selectable_fields` are beside metadata.name and metadata.namespace, which all kinds have.
    `stored_as` with its two conversions is for a kind served in several versions: one of them is the stored form. The others' own
    hooks of validation see the stored form, too, after those of the stored kind; but where a version `is_hub`, all that is done with
    an object is done in that version, by its hooks, and only the store sees another (custom resources).
    `list_kind` is the kind of its lists. `versions` are all versions of a custom kind, served or not, this one too.
    `remembered` is what others have made of this declaration: see `per_resource`.
    `graceful(object, gracePeriodSeconds)` gives the seconds that a delete waits for the object's owner (Pods): 0 deletes at once.
    `reset_fields` says by subresource ("" is the object itself) which dotted fields its strategy resets, where that is other than
    the status of the object and the spec of `status`: nobody comes to own them there. `written_fields` says instead what a
    subresource writes (`*` is any item of a list).
    `name_rule(name)` gives what is wrong with a name (default: DNS subdomain), in upstream's words.
    `indexes` are the selectable fields that watch caches keep an index of, beside the namespace.
    `schema` is the OpenAPI schema of a kind that is not in the built-in definitions, or what makes it whenever it is asked for.
    `strategy` says how it is written and deleted where that differs from other kinds.
    `unknown_field` is what a client is told that selects by a field (`{}`) that cannot be selected by.
    """

    is_hub = False
    is_served = True
    """False for the stored form of a custom kind that is served in other versions only."""
    deprecation = ""
    """What whoever uses the resource is warned of."""
    is_terminating = False
    """Its definition is being deleted: nothing new is created."""
    offload_bytes = 64 * 1024
    """Of an object's JSON: from here on what is made of it is made in a thread."""
    converter: Converter | None = None
    """What converts objects of other versions: `to_stored` and `from_stored` are then for code that runs in a thread."""
    compact: Callable[[T], None] | None = None
    """Makes an object that is about to be committed, or was read from the store, smaller without changing what it says."""
    conversion_annotations: Collection[str] = frozenset()
    """Annotations that only the conversion to this version writes: Tables and partial metadata, which upstream makes of its internal form,
    are without them."""
    empty: Callable[[T], None] | None = None
    """Sets what that conversion sets of an object without anything in it."""
    read: Callable[[T], bool] | None = None
    """Brings what the store has up to what the declaration says today; whether anything was changed."""
    complete: Callable[[T], None] | None = None
    """Fills into a new object, after all that admits and validates it, what every reader of it will find."""

    def __init__(
        self,
        type: type[T],
        plural: str,
        *,
        singular: str = "",
        list_kind: str = "",
        short_names: Sequence[str] = (),
        categories: Sequence[str] = (),
        namespaced: bool = True,
        verbs: Sequence[str] = ALL_VERBS,
        subresources: Sequence[Subresource | Scale] = (),
        columns: Sequence[Column] | None = None,
        selectable_fields: Mapping[str, Callable[[T], str]] | None = None,
        stored_as: Resource[Any] | None = None,
        to_stored: Callable[[T], Any] | None = None,
        from_stored: Callable[[Any], T] | None = None,
        graceful: Callable[[T, int | None], int] | None = None,
        name_rule: Callable[[str], list[str]] | None = None,
        reset_fields: Mapping[str, Sequence[str]] | None = None,
        written_fields: Mapping[str, Sequence[str]] | None = None,
        indexes: Mapping[str, Callable[[T], str]] | None = None,
        schema: Schema | None = None,
        strategy: Strategy = DEFAULT,
        unknown_field: str = "field label not supported: {}",
    ) -> None:
        self.type = type
        self.group, self.version, self.kind = type.GVK  # type: ignore[attr-defined]
        self.plural = plural
        self.singular, self.list_kind = singular or self.kind.lower(), list_kind or f"{self.kind}List"
        self.short_names, self.categories = tuple(short_names), tuple(categories)
        self.namespaced, self.verbs = namespaced, tuple(verbs)
        self.subresources = {subresource.name: subresource for subresource in subresources}
        self.columns = None if columns is None else tuple(columns)
        self.selectable_fields = dict(selectable_fields or {})
        self.stored_as = stored_as
        self.to_stored, self.from_stored = to_stored, from_stored
        self.graceful, self.name_rule = graceful, name_rule
        self.reset_fields = {name: _paths(fields) for name, fields in {**RESET_FIELDS, **(reset_fields or {})}.items()}
        self.written_fields = {name: _paths(fields) for name, fields in (written_fields or {}).items()}
        self.indexes = dict(indexes or {})
        self._schema = schema
        self.strategy = strategy
        self.unknown_field = unknown_field
        self.versions: tuple[Resource[Any], ...] = (self,)
        self.remembered: dict[Any, Any] = {}
        self.defaults: list[Default] = []
        self.status_defaults: list[Default] | None = None
        self.validators: list[Validate] = []
        self.create_validators: list[Validate] = []
        self.update_validators: list[ValidateUpdate] = []
        self.status_validators: list[ValidateUpdate] = []
        self.create_preparers: list[Default] = []
        self.update_preparers: list[PrepareUpdate] = []
        self.status_preparers: list[PrepareStatus] = []
        self.warners: list[Warn] = []
        self._decoder: msgspec.json.Decoder[T] | None = None

    @property
    def schema(self) -> Mapping[str, Any] | None:
        """The OpenAPI schema of a kind that is not in the built-in definitions."""
        return self._schema() if callable(self._schema) else self._schema

    @property
    def hub(self) -> Resource[Any]:
        """The version in which objects of a request for this one are changed, admitted and validated."""
        return self if self.is_hub else self.stored_as or self

    @property
    def primary(self) -> Resource[Any]:
        """The version that represents the kind: the storage version, or the first served one."""
        stored = self.stored_as or self
        return stored if stored.is_served else next(version for version in stored.versions if version.is_served)

    @property
    def api_version(self) -> str:
        """`v1`, or `apps/v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def decoder(self) -> msgspec.json.Decoder[T]:
        """The typed decoder, made at first use: making one takes milliseconds for the large kinds."""
        if self._decoder is None:
            from pilothouse.machinery.codec import decoder_of

            self._decoder = decoder_of(self.type)
        return self._decoder

    def default(self, hook: Default) -> Default:
        """Decorator: fill in what the client left out, as upstream's SetDefaults_* do."""
        self.defaults.append(hook)
        return hook

    def default_status(self, hook: Default) -> Default:
        """Decorator: all that the defaults do to a status, looking at nothing else: an update of the status then needs no other."""
        self.status_defaults = [*(self.status_defaults or ()), hook]
        return hook

    def validate(self, hook: Validate) -> Validate:
        """Decorator: report everything wrong with an object on create and on update. ObjectMeta is checked by the registry."""
        self.validators.append(hook)
        return hook

    def validate_create(self, hook: Validate) -> Validate:
        """Decorator for validation of new objects only."""
        self.create_validators.append(hook)
        return hook

    def validate_update(self, hook: ValidateUpdate) -> ValidateUpdate:
        """Decorator: (old, new, problems): what may not change."""
        self.update_validators.append(hook)
        return hook

    def validate_status(self, hook: ValidateUpdate) -> ValidateUpdate:
        """Decorator: (old, new, problems) for updates of the status subresource."""
        self.status_validators.append(hook)
        return hook

    def prepare_create(self, hook: Default) -> Default:
        """Decorator for what the kind's strategy sets or clears on create, beyond the generic rules."""
        self.create_preparers.append(hook)
        return hook

    def prepare_update(self, hook: PrepareUpdate) -> PrepareUpdate:
        """Decorator for what the kind's strategy keeps on update, called with (old, new), beyond the generic rules."""
        self.update_preparers.append(hook)
        return hook

    def prepare_status(self, hook: PrepareStatus) -> PrepareStatus:
        """Decorator: (old, new, now): what the strategy carries over on an update of the status subresource, and the times it fills in."""
        self.status_preparers.append(hook)
        return hook

    def warn(self, hook: Warn) -> Warn:
        """Decorator: (new, old or None for a new object) to what its writer should know, though it is allowed: Warning headers."""
        self.warners.append(hook)
        return hook

    def __repr__(self) -> str:
        return f"<Resource {self.plural} {self.api_version}>"


F = TypeVar("F", bound=Callable[..., Any])


def per_resource(function: F) -> F:
    """Decorator: what a function makes of a resource, and of arguments that can be keys, is made once and lives as long as the resource."""

    def of(resource: Resource[Any], *args: Any) -> Any:
        remembered, key = resource.remembered, (function, args)
        if key not in remembered:
            remembered[key] = function(resource, *args)
        return remembered[key]

    return cast(F, update_wrapper(of, function))


AGE = Column("Age", lambda obj: obj.metadata.creationTimestamp, type="date")
