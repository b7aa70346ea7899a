"""The encrypting store: upstream's form on disk both ways, wildcards, order of providers, staleness, reload, and what cannot be read."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pilothouse.apiserver.storage.encryption.effective import Encryption
from pilothouse.apiserver.storage.encryption.storage import EncryptedStorage
from pilothouse.apiserver.storage.encryption.transformers import GroupResource
from pilothouse.apiserver.storage.encryption.transforming import Undecryptable
from pilothouse.apiserver.storage.interface import Event, Storage
from pilothouse.apiserver.storage.memory import MemoryStorage
from pilothouse.apiserver.storage.sqlite import SqliteStorage
from pilothouse.kit.clock import SystemClock
from pilothouse.kit.entropy import Entropy
from pilothouse.machinery.configfile import BadConfiguration
from pilothouse.testing.conformance.storage import StorageConformance
from tests.unit.apiserver.storage.encryption.configurations import IDENTITY, KEY16, KEY32, keys, rule, store, write

SECRET, MAP, CUSTOM = "/registry/secrets/default/a", "/registry/configmaps/default/a", "/registry/example.com/pandas/default/a"
VALUE = b'{"kind":"Secret","apiVersion":"v1","metadata":{"name":"a"}}'
UPSTREAM = json.loads(Path(__file__).with_name("tables").joinpath("upstream_values.json").read_text())
GCM, BOX, CBC = keys("aesgcm", ("key1", KEY16)), keys("secretbox", ("key1", KEY32)), keys("aescbc", ("key1", KEY32))


class TestConformanceInMemory(StorageConformance):
    """A store whose values are encrypted keeps all promises of a store."""

    def open(self, path: Path) -> Storage:
        return _opened(path, MemoryStorage())


class TestConformanceInSqlite(StorageConformance):
    """The same over a file."""

    def open(self, path: Path) -> Storage:
        return _opened(path, SqliteStorage(path))


def _opened(path: Path, inner: Storage) -> Storage:
    encryption = Encryption(SystemClock(), Entropy(1), path.with_name("encryption.json"))
    encryption.use(write(path.with_name("encryption.json"), rule(["*.*"], GCM)).read_bytes())
    return EncryptedStorage(inner, encryption, {"things": GroupResource("things", "")})


@pytest.mark.parametrize("resource", UPSTREAM)
async def test_what_kube_apiserver_has_written_is_read(resource: str, tmp_path: Path) -> None:
    row, inner = UPSTREAM[resource], MemoryStorage()
    await inner.commit(row["key"], base64.b64decode(row["stored"]), 0)
    storage = await store(
        tmp_path / "f",
        rule([resource], keys(row["provider"], ("key2" if resource == "configmaps" else "key1", row["secret"]))),
        inner=inner,
    )
    item = await storage.get(row["key"])
    assert item is not None
    assert item.value.startswith(b"k8s\x00\n")
    assert b"fixed" in item.value


@pytest.mark.parametrize(
    ("provider", "prefix", "length"),
    [
        pytest.param(GCM, b"k8s:enc:aesgcm:v1:key1:", 12 + len(VALUE) + 16, id="aesgcm"),
        pytest.param(BOX, b"k8s:enc:secretbox:v1:key1:", 24 + 16 + len(VALUE), id="secretbox"),
        pytest.param(CBC, b"k8s:enc:aescbc:v1:key1:", 16 + 16 * (len(VALUE) // 16 + 1), id="aescbc"),
    ],
)
async def test_the_form_on_disk_is_upstreams(tmp_path: Path, provider: Any, prefix: bytes, length: int) -> None:
    storage = await store(tmp_path / "f", rule(["secrets"], provider))
    await storage.commit(SECRET, VALUE, 0)
    kept, shown = await storage.inner.get(SECRET), await storage.get(SECRET)
    assert kept is not None
    assert shown is not None
    assert kept.value.startswith(prefix)
    assert len(kept.value) == len(prefix) + length
    assert shown.value == VALUE


@pytest.mark.parametrize(
    ("rules", "encrypted"),
    [
        pytest.param([rule(["secrets"], GCM)], {SECRET}, id="one resource"),
        pytest.param([rule(["*."], GCM)], {SECRET, MAP}, id="the core group"),
        pytest.param([rule(["*.example.com"], GCM)], {CUSTOM}, id="a group"),
        pytest.param([rule(["*.*"], GCM)], {SECRET, MAP, CUSTOM}, id="everything"),
        pytest.param([rule(["secrets"], IDENTITY), rule(["*.*"], GCM)], {MAP, CUSTOM}, id="everything but one"),
        pytest.param([rule(["pandas.example.com"], GCM)], {CUSTOM}, id="a custom resource"),
    ],
)
async def test_wildcards(tmp_path: Path, rules: list[Mapping[str, Any]], encrypted: set[str]) -> None:
    storage = await store(tmp_path / "f", *rules)
    for key in (SECRET, MAP, CUSTOM, "/registry/masterleases/1.2.3.4", "/registry/services/specs/default/a"):
        await storage.commit(key, VALUE, 0)
        item, shown = await storage.inner.get(key), await storage.get(key)
        assert item is not None
        assert shown is not None
        assert shown.value == VALUE
        if key in (SECRET, MAP, CUSTOM) or "masterleases" in key:
            assert item.value.startswith(b"k8s:enc:") == (key in encrypted), key


@pytest.mark.parametrize(
    ("rules", "key", "stored", "problem"),
    [
        pytest.param(
            [rule(["secrets"], GCM)], SECRET, b"k8s:enc:aesgcm:v1:key1:" + b"x" * 40, "cipher: message authentication failed", id="tampered"
        ),
        pytest.param(
            [rule(["secrets"], GCM)], SECRET, b"k8s:enc:aesgcm:v1:key1:x", "the stored data was shorter than the required size", id="short"
        ),
        pytest.param(
            [rule(["secrets"], GCM)],
            SECRET,
            b"k8s:enc:aesgcm:v1:no:xxxx",
            "no matching key was found for the provided AES transformer",
            id="key unknown",
        ),
        pytest.param(
            [rule(["secrets"], BOX)],
            SECRET,
            b"k8s:enc:secretbox:v1:no:x",
            "no matching key was found for the provided Secretbox transformer",
            id="box",
        ),
        pytest.param(
            [rule(["secrets"], BOX)],
            SECRET,
            b"k8s:enc:secretbox:v1:key1:" + b"x" * 60,
            "output array was not large enough for encryption",
            id="bad box",
        ),
        pytest.param(
            [rule(["secrets"], CBC)],
            SECRET,
            b"k8s:enc:aescbc:v1:key1:" + b"x" * 17,
            "the stored data is not a multiple of the block size",
            id="cbc",
        ),
        pytest.param([rule(["secrets"], GCM)], SECRET, VALUE, "no matching prefix found", id="plain without identity"),
        pytest.param(
            [rule(["secrets"], GCM)], MAP, b"k8s:enc:aesgcm:v1:key1:x", "identity transformer tried to read encrypted data", id="not named"
        ),
    ],
)
async def test_what_cannot_be_decrypted_says_why(
    tmp_path: Path, rules: list[Mapping[str, Any]], key: str, stored: bytes, problem: str
) -> None:
    storage = await store(tmp_path / "f", *rules)
    told: list[Event] = []
    storage.follow(told.extend)
    await storage.inner.commit(key, stored, 0)
    item = await storage.get(key)
    listed = (await storage.range("/registry/")).items[0].value
    assert item is not None
    for value in (item.value, listed, told[0].value):
        assert isinstance(value, Undecryptable)
        assert value.problem == problem


async def test_a_value_cannot_be_moved_to_another_key(tmp_path: Path) -> None:
    storage = await store(tmp_path / "f", rule(["secrets"], GCM))
    await storage.commit(SECRET, VALUE, 0)
    kept = await storage.inner.get(SECRET)
    assert kept is not None
    await storage.inner.commit("/registry/secrets/default/other", kept.value, 0)
    moved = await storage.get("/registry/secrets/default/other")
    assert moved is not None
    assert isinstance(moved.value, Undecryptable)


async def test_the_key_that_is_authenticated_is_etcds(tmp_path: Path) -> None:
    inner = MemoryStorage()
    storage = await store(tmp_path / "f", rule(["secrets"], GCM), inner=inner, prefix="/other/place")
    await storage.commit(SECRET, VALUE, 0)
    elsewhere = await store(tmp_path / "f", rule(["secrets"], GCM), inner=inner)
    item = await elsewhere.get(SECRET)
    assert item is not None
    assert isinstance(item.value, Undecryptable)


@pytest.mark.parametrize(
    ("before", "after", "stale"),
    [
        pytest.param([GCM], [GCM], False, id="the same"),
        pytest.param([IDENTITY], [GCM, IDENTITY], True, id="not encrypted yet"),
        pytest.param([GCM], [IDENTITY, GCM], True, id="to be decrypted"),
        pytest.param([GCM], [BOX, GCM], True, id="another provider"),
        pytest.param([keys("aesgcm", ("old", KEY16))], [keys("aesgcm", ("new", KEY32), ("old", KEY16))], True, id="another key"),
        pytest.param(
            [keys("aesgcm", ("old", KEY16))], [keys("aesgcm", ("new", KEY32)), keys("aesgcm", ("old", KEY16))], True, id="of two providers"
        ),
    ],
)
async def test_what_another_provider_has_written_is_stale(tmp_path: Path, before: list[Any], after: list[Any], stale: bool) -> None:
    inner = MemoryStorage()
    await (await store(tmp_path / "f", rule(["secrets"], *before), inner=inner)).commit(SECRET, VALUE, 0)
    storage = await store(tmp_path / "f", rule(["secrets"], *after), inner=inner)
    item = await storage.get(SECRET)
    assert item is not None
    assert item.value == VALUE
    assert await storage.is_stale(SECRET) is stale


async def test_a_changed_file_is_taken_and_a_bad_one_is_not(tmp_path: Path) -> None:
    file = tmp_path / "f"
    storage = await store(file, rule(["secrets"], IDENTITY), reloads=True)
    encryption = storage.encryption
    await storage.commit(SECRET, VALUE, 0)
    assert not await encryption.reload()
    file.write_text("resources: 5")
    with pytest.raises(BadConfiguration):
        await encryption.reload()
    assert not await storage.is_stale(SECRET)
    write(file, rule(["secrets"], GCM, IDENTITY))
    assert await encryption.reload()
    assert await storage.is_stale(SECRET)
    await storage.commit(SECRET, VALUE, None)
    kept = await storage.inner.get(SECRET)
    assert kept is not None
    assert kept.value.startswith(b"k8s:enc:aesgcm:v1:key1:")
    assert encryption.metrics.reloads == {"success": 1}


async def test_a_reload_that_fails_is_counted_and_tried_again(tmp_path: Path) -> None:
    file = tmp_path / "f"
    storage = await store(file, rule(["secrets"], IDENTITY), reloads=True)
    storage.encryption.poll_seconds = 0.01
    running = asyncio.ensure_future(storage.encryption.run())
    try:
        file.write_text("")
        await until(lambda: storage.encryption.metrics.reloads["failure"] > 0)
        write(file, rule(["secrets"], GCM, IDENTITY))
        await until(lambda: storage.encryption.metrics.reloads["success"] == 1)
    finally:
        running.cancel()


async def until(is_so: Any) -> None:
    """Return when it is so; fails after ten seconds."""
    for _ in range(1000):
        if is_so():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not become so")


async def test_transformations_are_counted(tmp_path: Path) -> None:
    storage = await store(tmp_path / "f", rule(["secrets"], GCM, IDENTITY))
    await storage.commit(SECRET, VALUE, 0)
    await storage.get(SECRET)
    await storage.inner.commit("/registry/secrets/default/bad", b"k8s:enc:aesgcm:v1:key1:" + b"x" * 40, 0)
    await storage.get("/registry/secrets/default/bad")
    counted = storage.encryption.metrics.operations
    outer = "k8s:enc:aesgcm:v1:"
    assert counted["secrets", "to_storage", outer, "OK"] == 1
    assert counted["secrets", "from_storage", outer, "OK"] == 1
    assert counted["secrets", "from_storage", outer, "unknown-non-grpc"] == 1
    assert counted["secrets", "from_storage", "key1:", "OK"] == 1
