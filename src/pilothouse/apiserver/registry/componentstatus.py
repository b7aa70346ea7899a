"""componentstatuses: computed at every read, never stored.

The store is asked for a key. The scheduler and the controllers are asked by who wires them (`RegistryStore.components`); where nobody
does, nothing answers at their address.
"""

from __future__ import annotations

from pilothouse.api.types.core_v1 import ComponentCondition, ComponentStatus
from pilothouse.apiserver.cache.entry import Entry, EntryList
from pilothouse.apiserver.registry.listoptions import check_list
from pilothouse.apiserver.registry.request import Request
from pilothouse.apiserver.registry.selectors import check_syntax, selection_of
from pilothouse.apiserver.registry.store import RegistryStore, unstored_entry
from pilothouse.apiserver.storage.interface import StorageFailed
from pilothouse.machinery.errors import not_found
from pilothouse.machinery.meta_v1 import ObjectMeta

PORTS = {"controller-manager": 10257, "scheduler": 10259}
STORE = "etcd-0"
HEALTH_KEY = "/registry/health"


async def get(store: RegistryStore, request: Request) -> Entry:
    """One component. Raises StatusError NotFound for an unknown name."""
    entry = next((entry for entry in await _entries(store, request) if entry.name == request.name), None)
    if entry is None:
        raise not_found("componentstatus", "", request.name)
    return entry


async def list_(store: RegistryStore, request: Request) -> EntryList:
    """The ComponentStatuses that the request selects, checked now."""
    check_syntax(request.options)
    check_list(request.options)
    selection = selection_of(request, store.caches.peek(request.resource))
    return EntryList(request.served, [entry for entry in await _entries(store, request) if selection.matches(entry)], 0)


async def _entries(store: RegistryStore, request: Request) -> list[Entry]:
    problems = {name: _problem(store, name) for name in PORTS} | {STORE: await _problem_of_storage(store)}
    cache = store.caches.peek(request.resource)
    return [unstored_entry(request.served, _status(name, problem), key=cache.key("", name)) for name, problem in problems.items()]


def _problem(store: RegistryStore, name: str) -> str:
    ask = store.components.get(name)
    if ask is not None:
        return ask()
    address = f"127.0.0.1:{PORTS[name]}"
    return f'Get "https://{address}/healthz": dial tcp {address}: connect: connection refused'


async def _problem_of_storage(store: RegistryStore) -> str:
    try:
        await store.storage.get(HEALTH_KEY)
    except StorageFailed as error:
        return str(error)
    return ""


def _status(name: str, problem: str) -> ComponentStatus:
    condition = ComponentCondition(type="Healthy", status="False" if problem else "True", message=problem or "ok")
    return ComponentStatus(metadata=ObjectMeta(name=name), conditions=[condition])
