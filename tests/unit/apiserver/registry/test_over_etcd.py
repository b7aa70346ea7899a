"""Two registries on one etcd: each sees at once what the other writes, and neither takes what the other has."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from aetcd import rpc

from pilothouse.api.protobuf import envelope
from pilothouse.api.types.core_v1 import ConfigMap, Endpoints, Namespace, Pod, ResourceQuota, ResourceQuotaSpec, Service
from pilothouse.apiserver.auth.user import User
from pilothouse.apiserver.registry import bootstrap
from pilothouse.apiserver.registry.registry import Registry
from pilothouse.apiserver.registry.settings import Settings
from pilothouse.apiserver.storage.etcd import EtcdStorage
from pilothouse.apiserver.storage.etcd_client import EtcdServers
from pilothouse.client.call import Call
from pilothouse.machinery import errors
from pilothouse.machinery.codec import clone
from pilothouse.machinery.errors import StatusError
from pilothouse.machinery.meta_v1 import ObjectMeta
from tests.etcd_server import EtcdServer, until_connection_is_lost
from tests.unit.apiserver.registry.house import House, config, open_house, pod, refused, take, told, watching
from tests.unit.apiserver.registry.test_services import service

SECONDS = 60.0
pb: Any = rpc


@pytest.fixture
def etcd(tmp_path: Path) -> Iterator[EtcdServer]:
    server = EtcdServer(tmp_path / "etcd").start()
    yield server
    server.kill()


@asynccontextmanager
async def on(etcd: EtcdServer, **more: Any) -> AsyncIterator[House]:
    storage: Any = EtcdStorage(EtcdServers((etcd.url,)))
    async with open_house(storage, **more) as house:
        yield house
    await storage.close()


@asynccontextmanager
async def two_on(etcd: EtcdServer) -> AsyncIterator[tuple[House, House]]:
    async with AsyncExitStack() as stack:
        yield await stack.enter_async_context(on(etcd)), await stack.enter_async_context(on(etcd))


async def put(etcd: EtcdServer, key: str, value: bytes) -> None:
    """Write as another program would."""
    channel = grpc.aio.insecure_channel(etcd.url.removeprefix("http://"))
    await pb.KVStub(channel).Put(pb.PutRequest(key=key.encode(), value=value))
    await channel.close()


async def test_a_read_shows_what_another_api_server_has_just_written(etcd: EtcdServer) -> None:
    async with two_on(etcd) as (one, other):
        for number in range(30):
            made = await one.client.create(config(f"a-{number}"))
            assert await other.client.get(ConfigMap, f"a-{number}", "default") == made
        assert len((await other.page(ConfigMap, "default")).entries) == 30
        await other.client.delete(ConfigMap, "a-0", "default")
        async with refused(404, "not found"):
            await one.client.get(ConfigMap, "a-0", "default")


async def test_a_watch_shows_what_another_api_server_writes(etcd: EtcdServer) -> None:
    async with two_on(etcd) as (one, other), watching(other, ConfigMap, "default") as events:
        await one.client.create(config("first"))
        assert told(await take(events, 1)) == [("ADDED", "first")]
        reading = asyncio.ensure_future(take(events, 3))
        await one.client.create(config("a"))
        await one.client.patch(ConfigMap, "a", "default", b'{"data":{"x":"y"}}')
        await one.client.delete(ConfigMap, "a", "default")
        assert told(await asyncio.wait_for(reading, SECONDS)) == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]


async def test_writes_through_both_never_lose_each_other(etcd: EtcdServer) -> None:
    async with two_on(etcd) as houses:
        await houses[0].client.create(config("counter"))

        async def increment(house: House) -> None:
            for _ in range(10):
                while True:
                    made = clone(await house.client.get(ConfigMap, "counter", "default"))
                    made.data["count"] = str(int(made.data.get("count", "0")) + 1)
                    try:
                        await house.client.update(made)
                        break
                    except StatusError as error:
                        if error.reason != "Conflict":
                            raise

        await asyncio.gather(*(increment(house) for house in houses for _ in range(2)))
        assert (await houses[0].client.get(ConfigMap, "counter", "default")).data == {"count": "40"}


async def test_api_servers_that_start_at_once_on_an_empty_etcd_all_serve(etcd: EtcdServer) -> None:
    started = asyncio.Barrier(4)

    async def start() -> str:
        async with on(etcd) as house, asyncio.timeout(SECONDS):
            await started.wait()
            return (await house.client.get(Service, "kubernetes", "default")).metadata.uid

    async with asyncio.timeout(SECONDS):
        assert len(set(await asyncio.gather(*(start() for _ in range(4))))) == 1


async def test_what_another_api_server_has_just_made_is_not_made_again() -> None:
    """The address of the Service is refused before its name is, when the other's write comes in between."""
    async with open_house() as house:
        registry = _Late(house.registry)
        await bootstrap.ensure(registry, ())
        assert registry.refused == ["services"]


class _Late:
    """A registry that another API server overtakes at each Service."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self.store: Any = self
        self.refused: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._registry.store, name)

    async def get(self, kind: type[Any], name: str, namespace: str = "") -> Any:
        return None if kind is Service and not self.refused else await self._registry.store.get(kind, name, namespace)

    async def execute(self, call: Call, user: User) -> Any:
        if call.resource.plural == "services":
            self.refused.append(call.resource.plural)
            raise errors.failure(422, "Invalid", "provided IP is already allocated")
        return await self._registry.execute(call, user)

    def watch(self, call: Call, user: User) -> AsyncGenerator[Any, None]:
        return self._registry.watch(call, user)


async def test_addresses_and_node_ports_are_given_once(etcd: EtcdServer) -> None:
    async with two_on(etcd) as houses:  # both draw from the same randomness: they choose the same
        made = await asyncio.gather(
            *(
                house.client.create(service(f"s-{index}-{number}", type="NodePort"))
                for index, house in enumerate(houses)
                for number in range(8)
            )
        )
        addresses = [each.spec.clusterIP for each in made]
        ports = [each.spec.ports[0].nodePort for each in made]
        assert len(set(addresses)) == len(made)
        assert len(set(ports)) == len(made)
        async with refused(422, "provided IP is already allocated"):
            await houses[0].client.create(service("more", clusterIP=addresses[-1], clusterIPs=[addresses[-1]]))
        await houses[1].client.delete(Service, made[-1].metadata.name, "default")
        again = await houses[0].client.create(service("more", clusterIP=addresses[-1], clusterIPs=[addresses[-1]]))
        assert again.spec.clusterIP == addresses[-1]


async def test_kubernetes_leads_to_all_api_servers_that_are_there(etcd: EtcdServer) -> None:
    async def leads_to(house: House, *expected: str) -> None:
        async with asyncio.timeout(SECONDS):
            while True:
                subsets = (await house.client.get(Endpoints, "kubernetes", "default")).subsets
                if [address.ip for subset in subsets for address in subset.addresses] == list(expected):
                    return
                await house.clock.advance(1)
                await asyncio.sleep(0.05)  # for etcd, whose time is real

    async with on(etcd, settings=Settings(api_addresses=("10.9.0.1",))) as one:
        await leads_to(one, "10.9.0.1")
        async with on(etcd, settings=Settings(api_addresses=("10.9.0.2",))) as other:
            await leads_to(other, "10.9.0.1", "10.9.0.2")
            await leads_to(one, "10.9.0.1", "10.9.0.2")
        began = asyncio.get_running_loop().time()
        await leads_to(one, "10.9.0.1")
        assert asyncio.get_running_loop().time() - began < 10, "who ends says so: its lease would last longer"


async def test_a_namespace_is_known_to_both_as_soon_as_it_is_made(etcd: EtcdServer) -> None:
    async with two_on(etcd) as (one, other):
        for number in range(10):
            await one.client.create(Namespace(metadata=ObjectMeta(name=f"n-{number}")))
            await other.client.create(ConfigMap(metadata=ObjectMeta(name="a", namespace=f"n-{number}")))


async def test_a_quota_is_charged_by_both(etcd: EtcdServer) -> None:
    async with two_on(etcd) as houses:
        spec = ResourceQuotaSpec(hard={"configmaps": "5"})
        await houses[0].client.create(ResourceQuota(metadata=ObjectMeta(name="q", namespace="default"), spec=spec))
        await houses[1].client.get(ResourceQuota, "q", "default")
        results = await asyncio.gather(
            *(house.client.create(config(f"a-{index}-{number}")) for index, house in enumerate(houses) for number in range(6)),
            return_exceptions=True,
        )
        assert sum(isinstance(result, ConfigMap) for result in results) == 5
        assert all("exceeded quota" in str(result) for result in results if not isinstance(result, ConfigMap))


async def test_what_kube_apiserver_stored_is_served_and_takes_our_form_when_it_is_written(etcd: EtcdServer) -> None:
    stored = pod("p", node="n1", uid="5b0c7b0e-7a5e-4d9f-9d3e-3f1f6a3f4a11")
    async with on(etcd) as house:
        await put(etcd, "/registry/pods/default/p", envelope.encode(stored))
        shown = await house.client.get(Pod, "p", "default")
        assert (shown.metadata.uid, shown.spec.nodeName) == (stored.metadata.uid, "n1")
        assert [entry.name for entry in (await house.page(Pod, "default")).entries] == ["p"]
        await house.client.patch(Pod, "p", "default", b'{"metadata":{"labels":{"a":"b"}}}')
        item = await house.storage.get("/registry/pods/default/p")
        assert item is not None
        assert item.value.startswith(b'{"kind":"Pod","apiVersion":"v1","metadata":{')
    async with on(etcd) as house:
        assert (await house.client.get(Pod, "p", "default")).metadata.labels == {"a": "b"}


@pytest.mark.parametrize("value", [b"k8s\0\xff", b"k8s\0", b"\0", b'{"kind":"Pod"', b"k8s\0\n\x0f\n\x02v1\x12\tConfigMap"], ids=repr)
async def test_a_value_that_cannot_be_decoded_fails_itself_alone(etcd: EtcdServer, value: bytes) -> None:
    async with on(etcd) as house:
        await house.client.create(pod("good"))
        await put(etcd, "/registry/pods/default/bad", value)
        async with refused(500, "object not decodable"):
            await house.client.get(Pod, "bad", "default")
        assert (await house.client.get(Pod, "good", "default")).metadata.name == "good"
        async with refused(500, "failed to read one or more pods"):
            await house.client.list(Pod, "default")
        assert [entry.name for entry in (await house.page(Pod, "default", resource_version="0")).entries] == ["good"]


async def test_caches_follow_what_was_written_and_compacted_while_etcd_was_away(etcd: EtcdServer) -> None:
    async with on(etcd) as house, watching(house, ConfigMap, "default") as events:
        for name in ("changed", "deleted", "made-again", "same"):
            await house.client.create(config(name))
        await take(events, 4)
        before = house.registry.store.caches.revision
        etcd.kill()
        moved = EtcdServer(etcd.folder)
        await asyncio.to_thread(moved.start)
        async with on(moved) as other:
            await other.client.patch(ConfigMap, "changed", "default", b'{"data":{"x":"y"}}')
            await other.client.delete(ConfigMap, "deleted", "default")
            await other.client.delete(ConfigMap, "made-again", "default")
            await other.client.create(config("made-again"))
            await other.client.create(config("new"))
            await other.storage.compact(await other.storage.revision())
        moved.kill()
        await asyncio.to_thread(etcd.start)
        expected = [("MODIFIED", "changed"), ("DELETED", "made-again"), ("ADDED", "made-again"), ("ADDED", "new"), ("DELETED", "deleted")]
        assert told(await take(events, 5)) == expected
        assert sorted(entry.name for entry in (await house.page(ConfigMap, "default")).entries) == ["changed", "made-again", "new", "same"]
        old = watching(house, ConfigMap, "default", resource_version=str(before - 1))
        async with refused(410, "too old resource version"), old as events_of_old:
            await take(events_of_old, 1)


async def test_while_etcd_is_away_cached_reads_go_on_and_writes_are_told_of_it(
    etcd: EtcdServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("READ_SECONDS", "WRITE_SECONDS"):
        monkeypatch.setattr(f"pilothouse.apiserver.storage.etcd_client.{name}", 1.0)
    async with on(etcd) as house:
        await house.client.create(config("a"))
        etcd.kill()
        await until_connection_is_lost(caplog)
        assert [entry.name for entry in (await house.page(ConfigMap, "default", resource_version="0")).entries] == ["a"]
        async with refused(504, "Timeout: request did not complete within requested timeout - context deadline exceeded"):
            await house.client.create(config("b"))
        async with refused(504, "context deadline exceeded"):
            await house.client.get(ConfigMap, "a", "default")
        await asyncio.to_thread(etcd.start)
        async with asyncio.timeout(SECONDS):
            assert (await house.client.create(config("c"))).metadata.name == "c"
