"""Objects that every cluster has: system namespaces, priority classes, and the Service `kubernetes`.

- Each is made when it is missing; what is there stays as it is, but for the endpoints of `kubernetes`, which follow the settings.
- Who deletes the Service `kubernetes` or its endpoints (`kubectl delete services --all` does) gets them back at once; upstream
  looks every 10 s.
- The default ServiceAccounts of the first namespaces are made at once, so that a first pod need not wait for the controller.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from contextlib import aclosing, suppress
from functools import cache
from typing import Any, Protocol

from pilothouse.api import wellknown
from pilothouse.api.types.core_v1 import (
    ConfigMap,
    EndpointAddress,
    EndpointPort,
    Endpoints,
    EndpointSubset,
    Namespace,
    Service,
    ServiceAccount,
    ServicePort,
    ServiceSpec,
)
from pilothouse.api.types.discovery_v1 import Endpoint, EndpointConditions, EndpointSlice
from pilothouse.api.types.discovery_v1 import EndpointPort as SlicePort
from pilothouse.api.types.rbac_v1 import ClusterRole, ClusterRoleBinding, Role, RoleBinding
from pilothouse.api.types.scheduling_v1 import PriorityClass
from pilothouse.apiserver.auth.user import APISERVER, User
from pilothouse.apiserver.cache.event import DELETED
from pilothouse.apiserver.registry.seeding import Seed, seed
from pilothouse.apiserver.registry.settings import Settings
from pilothouse.apiserver.registry.store import RegistryStore
from pilothouse.client.call import Call, Options
from pilothouse.machinery.codec import clone
from pilothouse.machinery.errors import StatusError
from pilothouse.machinery.meta_v1 import ObjectMeta

NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")
SERVICE_LABELS = {"component": "apiserver", "provider": "kubernetes"}
KEPT = (Service, Endpoints, EndpointSlice)
"""The kinds whose object `kubernetes` is always there."""
RETRY_SECONDS = 10.0


class BootstrapRegistry(Protocol):
    """The parts of the registry that bootstrapping needs."""

    store: RegistryStore

    async def execute(self, call: Call, user: User) -> Any:
        """Answer one call as `user`. Raises StatusError."""

    def watch(self, call: Call, user: User) -> AsyncGenerator[Any, None]:
        """Events of a resource as `user`."""


async def ensure(registry: BootstrapRegistry, seeds: Iterable[Seed]) -> None:
    """Create the missing objects, with `seeds`, and wait until the caches that authorization needs show them."""
    for kind in (ClusterRole, ClusterRoleBinding, Role, RoleBinding):
        await registry.store.caches.of(registry.store.catalogue.of(kind))
    await seed(registry.store, (*first_seeds(), *seeds))
    await _create(registry, kubernetes_service(registry.store.settings))
    for obj in (*endpoints(registry.store.settings), *authentication_info(registry.store.settings)):
        await _create_or_update(registry, obj)


async def write_endpoints(registry: BootstrapRegistry) -> None:
    """Set the endpoints of the Service `kubernetes` to the addresses of the settings."""
    for obj in endpoints(registry.store.settings):
        await _create_or_update(registry, obj)


async def recreate_when_deleted(registry: BootstrapRegistry, kind: type[Any]) -> None:
    """Create the object `kubernetes` of one of KEPT again whenever it is deleted, until cancelled."""
    named = Options(field_selector="metadata.name=kubernetes")
    while True:
        with suppress(StatusError):  # the store cannot write just now
            async with aclosing(
                registry.watch(Call("watch", registry.store.catalogue.of(kind), "default", options=named), APISERVER)
            ) as events:
                await _restore(registry, kind)
                async for event in events:
                    if event.type == DELETED:
                        await _restore(registry, kind)
        await registry.store.clock.sleep(RETRY_SECONDS)


async def _restore(registry: BootstrapRegistry, kind: type[Any]) -> None:
    for obj in (kubernetes_service(registry.store.settings), *endpoints(registry.store.settings)):
        if isinstance(obj, kind):
            await _create(registry, obj)


async def _create(registry: BootstrapRegistry, obj: Any) -> bool:
    meta = obj.metadata
    if await registry.store.get(type(obj), meta.name, meta.namespace) is not None:
        return False
    try:
        await registry.execute(Call("create", registry.store.catalogue.of(type(obj)), meta.namespace, body=obj), APISERVER)
    except StatusError as error:
        # Another API server that starts on the same store may have been first. Of a Service it has taken the address, too, which is then
        # what is refused.
        if error.reason != "AlreadyExists" and await registry.store.get(type(obj), meta.name, meta.namespace) is None:
            raise
        return False
    return True


async def _create_or_update(registry: BootstrapRegistry, obj: Any) -> None:
    meta = obj.metadata
    if not await _create(registry, clone(obj)):
        await registry.execute(Call("update", registry.store.catalogue.of(type(obj)), meta.namespace, meta.name, body=obj), APISERVER)


@cache
def first_seeds() -> tuple[Seed, ...]:
    """The system namespaces with their ServiceAccounts, and the priority classes."""
    accounts = (ServiceAccount(metadata=ObjectMeta(name="default", namespace=name)) for name in NAMESPACES)
    namespaces = (Namespace(metadata=ObjectMeta(name=name)) for name in NAMESPACES)
    classes = (_priority_class("system-cluster-critical", 2_000_000_000), _priority_class("system-node-critical", 2_000_001_000))
    return tuple(map(Seed.of, (*namespaces, *accounts, *classes)))


def _priority_class(name: str, value: int) -> PriorityClass:
    must = {
        "system-cluster-critical": "must run in the cluster, but can be moved to another node if necessary.",
        "system-node-critical": "must not be moved from their current node.",
    }[name]
    return PriorityClass(metadata=ObjectMeta(name=name), value=value, description=f"Used for system critical pods that {must}")


def kubernetes_service(settings: Settings) -> Service:
    """The Service `kubernetes`, at the first address of the service range."""
    spec = ServiceSpec(
        clusterIP=str(settings.service_networks[0][1]),
        ports=[ServicePort(name="https", port=443, protocol="TCP", targetPort=settings.api_port)],
        sessionAffinity="None",
        type="ClusterIP",
    )
    return Service(metadata=ObjectMeta(name="kubernetes", namespace="default", labels=dict(SERVICE_LABELS)), spec=spec)


def authentication_info(settings: Settings) -> Iterator[ConfigMap]:
    """ConfigMap extension-apiserver-authentication; None without a CA."""
    data = {"client-ca-file": settings.client_ca} if settings.client_ca else {}
    if settings.front_proxy_ca:
        believed = settings.request_headers
        data |= {
            "requestheader-allowed-names": _listed(believed.allowed_names),
            "requestheader-client-ca-file": settings.front_proxy_ca,
            "requestheader-extra-headers-prefix": _listed(believed.extra_prefixes),
            "requestheader-group-headers": _listed(believed.group_headers),
            "requestheader-uid-headers": _listed(believed.uid_headers),
            "requestheader-username-headers": _listed(believed.username_headers),
        }
    if data:
        yield ConfigMap(metadata=ObjectMeta(name="extension-apiserver-authentication", namespace="kube-system"), data=data)


def _listed(names: Sequence[str]) -> str:
    return json.dumps(list(names), separators=(",", ":"))


def endpoints(settings: Settings) -> Iterator[Any]:
    """Endpoints and EndpointSlice of the Service `kubernetes`."""
    if not settings.api_addresses:
        return
    addresses = list(settings.api_addresses)
    labels = {"endpointslice.kubernetes.io/skip-mirror": "true"}
    subset = EndpointSubset(
        addresses=[EndpointAddress(ip=address) for address in addresses],
        ports=[EndpointPort(name="https", port=settings.api_port, protocol="TCP")],
    )
    yield Endpoints(metadata=ObjectMeta(name="kubernetes", namespace="default", labels=labels), subsets=[subset])
    family = f"IPv{ipaddress.ip_address(addresses[0]).version}"
    yield EndpointSlice(
        metadata=ObjectMeta(name="kubernetes", namespace="default", labels={wellknown.SERVICE_NAME: "kubernetes"}),
        addressType=family,
        endpoints=[Endpoint(addresses=[address], conditions=EndpointConditions(ready=True)) for address in addresses],
        ports=[SlicePort(name="https", port=settings.api_port, protocol="TCP")],
    )
