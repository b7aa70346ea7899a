"""The HTTP transport against the real API server on loopback: every verb, watches, failures, credentials."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any, cast

import pytest

from pilothouse.api.types.apps_v1 import Deployment
from pilothouse.api.types.autoscaling_v1 import Scale
from pilothouse.api.types.core_v1 import ConfigMap
from pilothouse.client import kubeconfig
from pilothouse.client.call import Options, WatchEvent
from pilothouse.client.client import Client
from pilothouse.client.http import HttpTransport
from pilothouse.client.informer import Informer
from pilothouse.kit.clock import SystemClock
from pilothouse.kit.entropy import Entropy
from pilothouse.machinery.errors import StatusError
from pilothouse.machinery.meta_v1 import ObjectMeta
from pilothouse.testing.control_plane import ControlPlane


class Later(SystemClock):
    """The machine's clock, some time on."""

    ahead_seconds = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead_seconds


@pytest.fixture
def clock() -> Later:
    return Later()


@pytest.fixture
async def transport(tmp_path: Path, clock: Later) -> AsyncIterator[HttpTransport]:
    plane = ControlPlane(SystemClock(), Entropy(1), controllers=False, scheduler=False)
    running = asyncio.ensure_future(plane.run())
    await plane.registry.start()
    server = kubeconfig.load([await plane.serve(tmp_path)])["clusters"][0]["cluster"]["server"]
    one = HttpTransport(
        server,
        ca_file=str(tmp_path / "ca.crt"),
        certificate_file=str(tmp_path / "admin.crt"),
        key_file=str(tmp_path / "admin.key"),
        clock=clock,
    )
    yield one
    await one.close()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@pytest.fixture
def client(transport: HttpTransport) -> Client:
    return Client(transport)


def config(name: str, **data: str) -> ConfigMap:
    return ConfigMap(metadata=ObjectMeta(name=name, namespace="default"), data=data)


async def test_every_verb(client: Client) -> None:
    made = await client.create(config("a", key="1"))
    assert made.metadata.uid
    assert (await client.get(ConfigMap, "a", "default")) == made
    made.data["key"] = "2"
    changed = await client.update(made)
    assert changed.data == {"key": "2"}
    patched = await client.patch(ConfigMap, "a", "default", b'{"data":{"more":"3"}}')
    assert patched.data == {"key": "2", "more": "3"}
    listed = await client.list(ConfigMap, "default", options=Options(label_selector="", field_selector="metadata.name=a"))
    assert listed.items == [patched]
    assert int(listed.resource_version) >= int(patched.metadata.resourceVersion)
    await client.delete(ConfigMap, "a", "default", options=Options(precondition_uid=made.metadata.uid, propagation_policy="Background"))
    await client.create(config("b"))
    await client.delete_collection(ConfigMap, "default")
    assert (await client.list(ConfigMap, "default")).items == []


async def test_subresources_answer_with_their_own_kinds(client: Client) -> None:
    from tests.unit.controllers.builtin.test_deployment import deployment

    await client.create(deployment(2))
    scale: Any = await client.get(Deployment, "web", "default", subresource="scale")
    assert isinstance(scale, Scale)
    assert scale.spec.replicas == 2


@pytest.mark.parametrize(
    ("name", "precondition", "code", "reason"),
    [
        pytest.param("missing", "", 404, "NotFound", id="not found"),
        pytest.param("there", "another-uid", 409, "Conflict", id="conflict"),
    ],
)
async def test_what_the_server_refuses_is_a_status(client: Client, name: str, precondition: str, code: int, reason: str) -> None:
    await client.create(config("there"))
    with pytest.raises(StatusError) as caught:
        await client.delete(ConfigMap, name, "default", options=Options(precondition_uid=precondition))
    assert (caught.value.code, caught.value.reason) == (code, reason)


async def test_a_list_comes_in_pages(client: Client) -> None:
    for number in range(5):
        await client.create(config(f"n{number}"))
    page = await client.list(ConfigMap, "default", options=Options(limit=2))
    assert [one.metadata.name for one in page.items] == ["n0", "n1"]
    assert page.remaining == 3
    rest = await client.list(ConfigMap, "default", options=Options(limit=5, continue_=page.continue_))
    assert [one.metadata.name for one in rest.items] == ["n2", "n3", "n4"]


async def test_a_watch_tells_what_happens_and_closes_when_it_is_left(client: Client) -> None:
    start = (await client.list(ConfigMap, "default")).resource_version
    await client.create(config("a"))
    events = cast(Any, client.watch(ConfigMap, "default", options=Options(resource_version=start)))
    seen: list[str] = []
    async with aclosing(events):
        async for event in events:
            one: WatchEvent[ConfigMap] = event
            seen.append(f"{one.type} {one.object.metadata.name}")
            if len(seen) == 1:
                await client.delete(ConfigMap, "a", "default")
            if len(seen) == 2:
                break
    assert seen == ["ADDED a", "DELETED a"]


async def test_a_watch_from_a_place_that_is_unknown_is_refused(client: Client) -> None:
    with pytest.raises(StatusError) as caught:
        async for _ in client.watch(ConfigMap, "default", options=Options(resource_version="not-a-number")):
            pass
    assert caught.value.code == 500


async def test_an_informer_works_the_same_over_it(client: Client) -> None:
    await client.create(config("a"))
    informer = Informer(client, ConfigMap, clock=SystemClock(), namespace="default")
    changed = asyncio.Event()
    running = asyncio.ensure_future(informer.run())
    await informer.synced.wait()
    assert informer.get("default", "a") is not None
    informer.subscribe(lambda type_, old, new: changed.set() if new and new.metadata.name == "b" else None)
    await client.create(config("b"))
    await changed.wait()
    assert informer.get("default", "b") is not None
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_nobody_there_is_a_connection_error() -> None:
    transport = HttpTransport("http://127.0.0.1:9", clock=SystemClock())
    with pytest.raises(ConnectionError, match=r"127\.0\.0\.1:9"):
        await Client(transport).list(ConfigMap)
    with pytest.raises(ConnectionError):
        async for _ in Client(transport).watch(ConfigMap):
            pass
    await transport.close()


async def test_a_token_file_is_read_again_when_it_has_changed(tmp_path: Path) -> None:
    from pilothouse.kit.virtual_clock import VirtualClock

    path, clock = tmp_path / "token", VirtualClock()
    path.write_text("first\n")
    transport = HttpTransport("http://127.0.0.1:9", token_file=str(path), clock=clock)
    sent: list[str] = []
    for token, seconds in (("second", 30.0), ("third", 31.0)):
        with pytest.raises(ConnectionError):
            await Client(transport).list(ConfigMap)
        sent.append(transport.headers()["Authorization"])
        path.write_text(token)
        os.utime(path)
        await clock.advance(seconds)
    with pytest.raises(ConnectionError):
        await Client(transport).list(ConfigMap)
    sent.append(transport.headers()["Authorization"])
    assert sent == ["Bearer first", "Bearer first", "Bearer third"]
    await transport.close()


async def test_credentials_that_are_not_there_yet_are_a_connection_error_and_used_once_they_are(tmp_path: Path) -> None:
    path = tmp_path / "token"
    transport = HttpTransport("http://127.0.0.1:9", token_file=str(path), clock=SystemClock())
    with pytest.raises(ConnectionError, match=r"the credentials cannot be used: .*token"):
        await Client(transport).list(ConfigMap)
    path.write_text("late")
    with pytest.raises(ConnectionError, match=r"127\.0\.0\.1:9: Cannot connect"):
        await Client(transport).list(ConfigMap)
    assert transport.headers()["Authorization"] == "Bearer late"
    await transport.close()


@pytest.mark.parametrize("file", ["admin.crt", "admin.key", "ca.crt"])
@pytest.mark.parametrize("half", ["", "-----BEGIN"], ids=["gone for a moment", "half written"])
async def test_credentials_that_are_being_replaced_disturb_nobody(
    transport: HttpTransport, clock: Later, tmp_path: Path, file: str, half: str
) -> None:
    client = Client(transport)
    await client.create(config("a"))
    whole = (tmp_path / file).read_text()
    (tmp_path / file).unlink()
    if half:
        (tmp_path / file).write_text(half)
    clock.ahead_seconds += 61
    assert (await client.get(ConfigMap, "a", "default")).metadata.name == "a"
    (tmp_path / file).write_text(whole)
    clock.ahead_seconds += 61
    assert (await client.get(ConfigMap, "a", "default")).metadata.name == "a"
