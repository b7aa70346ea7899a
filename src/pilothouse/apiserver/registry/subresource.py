"""Subresources that the registry serves: views and actions, found by discovery in subresources/.

Those that lead to a node (log, exec, attach, port-forward, proxy) are the server's: subresources/.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cache

from pilothouse.apiserver.cache.entry import Entry
from pilothouse.apiserver.registry.patch import patch
from pilothouse.apiserver.registry.request import Request
from pilothouse.apiserver.registry.store import RegistryStore
from pilothouse.apiserver.registry.update import read_view, update
from pilothouse.apiserver.registry.view import View
from pilothouse.kit import plugins
from pilothouse.machinery.errors import failure, method_not_supported
from pilothouse.machinery.meta_v1 import Status

Run = Callable[[RegistryStore, Request], Awaitable[Entry | Status]]


@dataclass(frozen=True, slots=True)
class Action:
    """A POST to a subresource that is not a view, as `pods/binding`. `plural` is (group, plural)."""

    name: str
    plural: tuple[str, str]
    run: Run


@cache
def _views() -> dict[str, list[View]]:
    from pilothouse.apiserver.registry import subresources

    by_name: dict[str, list[View]] = {}
    for view in plugins.instances(subresources, View):
        by_name.setdefault(view.name, []).append(view)
    return by_name


@cache
def _actions() -> dict[tuple[str, tuple[str, str]], Action]:
    from pilothouse.apiserver.registry import subresources

    return {(action.name, action.plural): action for action in plugins.instances(subresources, Action)}


def view_of(request: Request) -> View | None:
    """View of a request's subresource; one for the kind takes precedence over one for all kinds."""
    plural = (request.resource.group, request.resource.plural)
    views = _views().get(request.call.subresource, [])
    special = [view for view in views if view.plurals is not None and plural in view.plurals]
    return next(iter(special + [view for view in views if view.plurals is None]), None)


async def execute(store: RegistryStore, request: Request) -> Entry | Status:
    """Execute a call to a subresource. Raises a 404 or 405 when it is not served."""
    call, resource = request.call, request.resource
    declared = request.served.subresources.get(call.subresource)
    if declared is None:
        raise failure(404, "NotFound", "the server could not find the requested resource")
    action = _actions().get((call.subresource, (resource.group, resource.plural)))
    if action is not None and call.verb == "create":
        return await action.run(store, request)
    view = view_of(request)
    if view is None or call.verb not in declared.verbs:
        raise method_not_supported(f"{resource.plural}/{call.subresource}", resource.group, call.verb)
    match call.verb:
        case "get":
            return await read_view(store, request, view)
        case "update":
            return await update(store, request, view)
        case "patch":
            return await patch(store, request, view)
        case verb:
            raise method_not_supported(f"{resource.plural}/{call.subresource}", resource.group, verb)


async def bind(store: RegistryStore, request: Request) -> Entry | Status:
    """POST to `bindings`, the old form of `pods/binding`, with the Pod's name in the body."""
    return await _actions()["binding", ("", "pods")].run(store, request)
