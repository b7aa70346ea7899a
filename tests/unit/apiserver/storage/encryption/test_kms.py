"""KMS version 2: seeds, keys that change, plugins that fail, seeds of other servers, health."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pilothouse.apiserver.storage.encryption.kms import KmsProvider
from pilothouse.apiserver.storage.encryption.kms_messages import EncryptedObject
from pilothouse.apiserver.storage.encryption.storage import EncryptedStorage
from pilothouse.apiserver.storage.encryption.transforming import Undecryptable
from pilothouse.apiserver.storage.interface import Event, NotTransformable, Storage
from pilothouse.apiserver.storage.memory import MemoryStorage
from pilothouse.kit.clock import SystemClock
from pilothouse.machinery.configfile import BadConfiguration
from tests.unit.apiserver.storage.encryption.configurations import IDENTITY, rule, store, write
from tests.unit.apiserver.storage.encryption.plugin import KmsPlugin

SECRET, OTHER = "/registry/secrets/default/a", "/registry/secrets/default/b"
VALUE = b'{"kind":"Secret","apiVersion":"v1","metadata":{"name":"a"}}'
PREFIX = b"k8s:enc:kms:v2:mine:"


class Shifted(SystemClock):
    """The machine's time, some minutes later."""

    later = 0.0

    def now(self) -> Any:
        return super().now() + timedelta(seconds=self.later)

    def monotonic(self) -> float:
        return super().monotonic() + self.later


@asynccontextmanager
async def with_plugin(*, inner: Storage | None = None, clock: Shifted | None = None, reloads: bool = False) -> AsyncIterator[Any]:
    """A plugin, and a store that is encrypted by it."""
    with tempfile.TemporaryDirectory() as folder:  # a socket's name may not be long
        socket, plugin = Path(folder) / "kms.sock", KmsPlugin()
        provider = {"kms": {"name": "mine", "apiVersion": "v2", "endpoint": f"unix://{socket}", "timeout": "1s"}}
        async with plugin.serving(socket):
            storage = await store(Path(folder) / "f", rule(["secrets"], provider, IDENTITY), inner=inner, clock=clock, reloads=reloads)
            yield plugin, storage, Path(folder)
            await storage.close()


def provider_of(storage: EncryptedStorage) -> KmsProvider:
    return next(iter(storage.encryption._providers))


async def test_values_are_kept_in_upstreams_envelope_and_one_seed_serves_many() -> None:
    async with with_plugin() as (plugin, storage, _):
        await storage.commit(SECRET, VALUE, 0)
        await storage.commit(OTHER, VALUE, 0)
        kept, shown = await storage.inner.get(SECRET), await storage.get(SECRET)
        assert shown.value == VALUE
        assert kept.value.startswith(PREFIX)
        envelope = EncryptedObject.FromString(kept.value[len(PREFIX) :])
        assert (envelope.keyID, envelope.encryptedDEKSourceType) == ("1", 1)
        assert dict(envelope.annotations) == {"made.example.com": b"\0by"}
        assert len(envelope.encryptedData) == 32 + 12 + len(VALUE) + 16
        assert plugin.calls == ["Status", "Encrypt"]


async def test_another_server_asks_the_plugin_once_for_a_seed_that_is_not_its_own() -> None:
    inner = MemoryStorage()
    async with with_plugin(inner=inner) as (plugin, storage, folder):
        await storage.commit(SECRET, VALUE, 0)
        await storage.commit(OTHER, VALUE, 0)
        elsewhere = await store(
            folder / "g",
            rule(["secrets"], {"kms": {"name": "mine", "apiVersion": "v2", "endpoint": f"unix://{folder}/kms.sock"}}),
            inner=inner,
        )
        plugin.calls.clear()
        assert [item.value for item in (await elsewhere.range("/registry/")).items] == [VALUE, VALUE]
        assert plugin.calls == ["Decrypt"]
        assert elsewhere.encryption.metrics.cache_misses == 1
        assert not await elsewhere.is_stale(SECRET)
        await elsewhere.encryption.close()


async def test_what_other_servers_write_is_told_in_order_though_the_plugin_must_be_asked() -> None:
    inner = MemoryStorage()
    async with with_plugin(inner=inner) as (_, storage, folder):
        provider = {"kms": {"name": "mine", "apiVersion": "v2", "endpoint": f"unix://{folder}/kms.sock"}}
        elsewhere = await store(folder / "g", rule(["secrets"], provider), inner=inner)
        told: list[tuple[str, bytes | None]] = []

        def deliver(events: Sequence[Event]) -> None:
            told.extend((event.key, event.value) for event in events)

        end = elsewhere.follow(deliver)
        await storage.commit(SECRET, VALUE, 0)
        await storage.commit("/registry/pods/default/p", b"{}", 0)
        await storage.commit(SECRET, None, None)
        for _ in range(200):
            if len(told) == 3:
                break
            await asyncio.sleep(0.01)
        assert told == [(SECRET, VALUE), ("/registry/pods/default/p", b"{}"), (SECRET, None)]
        end()
        await elsewhere.encryption.close()


async def test_a_new_key_makes_a_new_seed_and_old_values_stale() -> None:
    async with with_plugin() as (plugin, storage, _):
        await storage.commit(SECRET, VALUE, 0)
        plugin.key_id = "2"
        assert await provider_of(storage).probe() == ""
        assert (await storage.get(SECRET)).value == VALUE
        assert await storage.is_stale(SECRET)
        await storage.commit(SECRET, VALUE, None)
        assert not await storage.is_stale(SECRET)


async def test_a_plugin_that_fails_is_coasted_over_for_three_minutes() -> None:
    clock = Shifted()
    async with with_plugin(clock=clock) as (plugin, storage, _):
        await storage.commit(SECRET, VALUE, 0)
        plugin.healthz = "bad"
        clock.later = 100
        assert "got unexpected healthz status: bad" in await storage.encryption.check()
        await storage.commit(SECRET, VALUE, None)
        plugin.said_key_id, clock.later = "another", 400
        problem = await provider_of(storage).probe()
        assert problem.startswith(
            "kmsv2 Provider mine is not healthy, error: [got unexpected healthz status: bad, failed to rotate DEK uid="
        )
        with pytest.raises(NotTransformable, match=r"encryptedDEKSource with keyID hash .* expired at"):
            await storage.commit(SECRET, VALUE, None)
        assert (await storage.get(SECRET)).value == VALUE


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"healthz": "sick"}, "kmsv2 Provider mine is not healthy, error: got unexpected healthz status: sick"),
        ({"version": "v3"}, "kmsv2 Provider mine is not healthy, error: expected KMSv2 API version v2, got v3"),
        ({"version": "v2beta1"}, "KMSv2 API version should not change after the initial status response version v2, got v2beta1"),
        ({"key_id": "x" * 1025}, "keyID is 1025 bytes, which exceeds the max size of 1024"),
        ({"key_id": "2", "fails_to": "Encrypt"}, "failed to encrypt DEK, error: rpc error: code = Internal desc = no key"),
    ],
)
async def test_health_says_what_is_wrong(change: dict[str, str], problem: str) -> None:
    async with with_plugin() as (plugin, storage, _):
        for name, value in change.items():
            setattr(plugin, name, value)
        assert problem in await provider_of(storage).probe()


async def test_a_plugin_that_is_not_there_fails_writes_and_the_check_and_nothing_else(tmp_path: Path) -> None:
    provider = {"kms": {"name": "mine", "apiVersion": "v2", "endpoint": f"unix://{tmp_path}/none.sock", "timeout": "50ms"}}
    storage = await store(tmp_path / "f", rule(["secrets"], provider, IDENTITY))
    with pytest.raises(NotTransformable, match="got unexpected nil transformer"):
        await storage.commit(SECRET, VALUE, 0)
    assert await storage.commit("/registry/pods/default/p", b"{}", 0) > 0
    assert "DeadlineExceeded" in await storage.encryption.check()
    await storage.encryption.close()


async def test_a_seed_that_cannot_be_decrypted_fails_its_own_value() -> None:
    inner = MemoryStorage()
    async with with_plugin(inner=inner) as (plugin, storage, folder):
        await storage.commit(SECRET, VALUE, 0)
        await inner.commit("/registry/pods/default/p", b"{}", 0)
        provider = {"kms": {"name": "mine", "apiVersion": "v2", "endpoint": f"unix://{folder}/kms.sock"}}
        elsewhere = await store(folder / "g", rule(["secrets"], provider), inner=inner)
        plugin.fails_to = "Decrypt"
        item = await elsewhere.get(SECRET)
        assert item is not None
        assert isinstance(item.value, Undecryptable)
        assert item.value.problem == "failed to decrypt DEK, error: rpc error: code = Unavailable desc = asleep"
        assert (await elsewhere.get("/registry/pods/default/p")).value == b"{}"  # type: ignore[union-attr]
        await elsewhere.encryption.close()


async def test_a_new_file_whose_plugin_does_not_answer_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pilothouse.apiserver.storage.encryption.effective.LEAST_HEALTH_SECONDS", 0.2)
    async with with_plugin(reloads=True) as (_, storage, folder):
        await storage.commit(SECRET, VALUE, 0)
        other = {"kms": {"name": "other", "apiVersion": "v2", "endpoint": f"unix://{folder}/none.sock", "timeout": "50ms"}}
        write(folder / "f", rule(["secrets"], other))
        with pytest.raises(BadConfiguration, match="health check for new transformers failed"):
            await storage.encryption.reload()
        assert (await storage.get(SECRET)).value == VALUE
