"""The operations of a group and version, derived from its resources: path, method, action, parameters, what goes in and out.

A neutral form; v2.py and v3.py write it down as their document wants it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from pilothouse.apiserver.openapi.definitions import META, is_custom, name_of, schema_name
from pilothouse.client.call import APPLY_PATCH, JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH
from pilothouse.machinery.resource import Resource, Scale, Subresource

STATUS, DELETE_OPTIONS, PATCH, WATCH_EVENT = f"{META}.Status", f"{META}.DeleteOptions", f"{META}.Patch", f"{META}.WatchEvent"

STRING, INTEGER, BOOLEAN = "string", "integer", "boolean"
DRY_RUN = ("dryRun", STRING, "When present, indicates that modifications should not be persisted. Valid values are: All.")
MANAGER = ("fieldManager", STRING, "A name associated with the actor or entity that is making these changes; at most 128 characters.")
VALIDATION = ("fieldValidation", STRING, "How the server treats unknown and duplicate fields: Ignore, Warn (the default) or Strict.")
FORCE = ("force", BOOLEAN, "Takes fields over from other managers; only for apply patches.")
PRETTY = ("pretty", STRING, "If 'true', then the output is pretty printed.")
WRITE = (DRY_RUN, MANAGER, VALIDATION)
LIST = (
    ("allowWatchBookmarks", BOOLEAN, "Requests watch events of type BOOKMARK."),
    ("continue", STRING, "The continue token of the page before."),
    ("fieldSelector", STRING, "Restricts the objects by their fields."),
    ("labelSelector", STRING, "Restricts the objects by their labels."),
    ("limit", INTEGER, "The largest number of objects in one answer."),
    ("resourceVersion", STRING, "Which resource versions may be answered from."),
    ("resourceVersionMatch", STRING, "How resourceVersion is applied to a list."),
    ("sendInitialEvents", BOOLEAN, "Begins a watch with the objects that there are."),
    ("timeoutSeconds", INTEGER, "Ends a list or watch after this time."),
    ("watch", BOOLEAN, "Watch for changes and return them as a stream."),
)
DELETE = (
    DRY_RUN,
    ("gracePeriodSeconds", INTEGER, "Seconds before the object is deleted; zero deletes at once."),
    ("orphanDependents", BOOLEAN, "Deprecated: use propagationPolicy."),
    ("propagationPolicy", STRING, "Orphan, Background or Foreground."),
)
Parameter = tuple[str, str, str]
METHODS = {
    "get": "get",
    "list": "get",
    "create": "post",
    "update": "put",
    "patch": "patch",
    "delete": "delete",
    "deletecollection": "delete",
}
ACTIONS = {"create": "post", "update": "put"}
OPTIONS: dict[str, tuple[Parameter, ...]] = {
    "get": (),
    "list": LIST,
    "create": WRITE,
    "update": WRITE,
    "patch": (*WRITE, FORCE),
    "delete": DELETE,
    "deletecollection": (*DELETE, *LIST),
}
PATCH_TYPES = (JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH)
BODY_OPTIONAL = ("delete", "deletecollection")
ON_COLLECTION = ("list", "create", "deletecollection")


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path. `takes` and `gives` are schema names; `gvk` is its kind."""

    path: str
    method: str
    verb: str
    action: str
    id: str
    tag: str
    parameters: tuple[Parameter, ...]
    in_path: tuple[str, ...]
    takes: str
    gives: str
    gvk: dict[str, str]
    is_custom: bool = False

    @property
    def patch_types(self) -> tuple[str, ...]:
        """Media types of patches; custom kinds have no strategic merge patch."""
        return (*PATCH_TYPES[:2], APPLY_PATCH) if self.is_custom else PATCH_TYPES


def operations(resources: Iterable[Resource[Any]]) -> Iterator[Operation]:
    """Every operation of the resources of one group and version, path by path."""
    for resource in resources:
        yield from _of_resource(resource)
        for sub in sorted(resource.subresources.values(), key=lambda sub: sub.name):
            yield from _of_subresource(resource, sub)


def base_of(resource: Resource[Any]) -> str:
    """Path of the resource's group and version: `/api/v1`, `/apis/apps/v1`."""
    return f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"


def _of_resource(resource: Resource[Any]) -> Iterator[Operation]:
    name = schema_name(resource)
    list_name = f"{name.rpartition('.')[0]}.{resource.list_kind}"
    scope = "/namespaces/{namespace}" if resource.namespaced else ""
    namespaced = "Namespaced" if resource.namespaced else ""
    in_path = ("namespace",) if resource.namespaced else ()
    for verb in METHODS:
        if verb not in resource.verbs:
            continue
        collection = verb in ON_COLLECTION
        path = f"{base_of(resource)}{scope}/{resource.plural}" + ("" if collection else "/{name}")
        gives = {"list": list_name, "delete": STATUS, "deletecollection": STATUS}.get(verb, name)
        path_parameters = in_path if collection else ("name", *in_path)
        yield _operation(resource, verb, path, f"{namespaced}{resource.kind}", path_parameters, _taken(verb, name), gives)
    if resource.namespaced and "list" in resource.verbs:
        yield _operation(resource, "list", f"{base_of(resource)}/{resource.plural}", f"{resource.kind}ForAllNamespaces", (), "", list_name)


def _of_subresource(resource: Resource[Any], sub: Subresource | Scale) -> Iterator[Operation]:
    group, version, kind = sub.kind or (resource.group, resource.version, resource.kind)
    name = schema_name(resource) if sub.kind is None else name_of(group, version, kind)
    scope, in_path = ("/namespaces/{namespace}", ("name", "namespace")) if resource.namespaced else ("", ("name",))
    path = f"{base_of(resource)}{scope}/{resource.plural}/{{name}}/{sub.name}"
    label = f"{'Namespaced' if resource.namespaced else ''}{resource.kind}{sub.name.capitalize()}"
    gvk = {"group": group, "kind": kind, "version": version}
    for verb in METHODS:
        if verb in sub.verbs:
            yield _operation(resource, verb, path, label, in_path, _taken(verb, name), name, gvk)


def _taken(verb: str, name: str) -> str:
    return {"create": name, "update": name, "patch": PATCH, "delete": DELETE_OPTIONS, "deletecollection": DELETE_OPTIONS}.get(verb, "")


def _operation(
    resource: Resource[Any],
    verb: str,
    path: str,
    label: str,
    in_path: tuple[str, ...],
    takes: str,
    gives: str,
    gvk: dict[str, str] | None = None,
) -> Operation:
    group = _camel(resource.group) if is_custom(resource) else resource.group.partition(".")[0]
    tag = f"{group or 'core'}_{resource.version}"
    word = {"get": "read", "update": "replace", "deletecollection": "deleteCollection"}.get(verb, verb)
    return Operation(
        path=path,
        method=METHODS[verb],
        verb=verb,
        action=ACTIONS.get(verb, verb),
        id=f"{word}{group[:1].upper() or 'C'}{group[1:] or 'ore'}{resource.version.capitalize()}{label}",
        tag=tag,
        parameters=OPTIONS[verb],
        in_path=in_path,
        takes=takes,
        gives=gives,
        gvk=gvk or {"group": resource.group, "kind": resource.kind, "version": resource.version},
        is_custom=is_custom(resource),
    )


def _camel(group: str) -> str:
    """A group as its operations are tagged: `exampleCom`."""
    first, *others = group.split(".")
    return first + "".join(part.capitalize() for part in others)
