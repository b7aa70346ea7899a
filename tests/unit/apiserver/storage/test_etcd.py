"""What is etcd's own: keys beside ours, compaction by turns, leases, members that go and come, what was missed meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import signal
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from aetcd import rpc

from pilothouse.apiserver.storage.etcd import EtcdStorage, parts_of, supports_progress_requests
from pilothouse.apiserver.storage.etcd_client import BadServers, EtcdServers, Refused
from pilothouse.apiserver.storage.interface import (
    PROGRESS,
    CompareFailed,
    ConcurrentAllocation,
    Event,
    StorageTimedOut,
    StorageUnavailable,
)
from pilothouse.cluster import certificates
from pilothouse.kit.clock import SystemClock
from pilothouse.kit.entropy import Entropy
from tests.etcd_server import EtcdServer, members, until_connection_is_lost

SECONDS = 30.0
KEY = "/registry/things/a"
pb: Any = rpc


@pytest.fixture
def etcd(tmp_path: Path) -> Iterator[EtcdServer]:
    server = EtcdServer(tmp_path / "etcd").start()
    yield server
    server.kill()


@asynccontextmanager
async def opened(url: str, **more: Any) -> AsyncIterator[EtcdStorage]:
    storage = EtcdStorage(EtcdServers((url,)), **more)
    try:
        yield storage
    finally:
        await storage.close()


@asynccontextmanager
async def kv(url: str) -> AsyncIterator[Any]:
    """etcd itself, past any store."""
    channel = grpc.aio.insecure_channel(url.removeprefix("http://"))
    yield pb.KVStub(channel)
    await channel.close()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(SECONDS):
        while not holds():  # noqa: ASYNC110 - what etcd does comes without a word
            await asyncio.sleep(0.01)


class Followed:
    """All that a store tells."""

    def __init__(self, storage: EtcdStorage) -> None:
        self.events: list[Event] = []
        self.missed: list[int] = []
        storage.follow(self._take, self.missed.append)

    def _take(self, events: Sequence[Event]) -> None:
        self.events += events

    @property
    def reached(self) -> int:
        return self.events[-1].revision if self.events else 0

    def told(self) -> list[tuple[str, str]]:
        return [(event.type, event.key) for event in self.events if event.key.startswith("/registry/things/")]


async def test_two_stores_see_each_others_writes(etcd: EtcdServer) -> None:
    async with opened(etcd.url) as one, opened(etcd.url) as other:
        await other.revision()
        seen = Followed(other)
        first = await one.commit(KEY, b"1", 0)
        await until(lambda: seen.reached == first)
        second = await other.commit(KEY, b"2", first)
        with pytest.raises(CompareFailed) as failed:
            await one.commit(KEY, b"3", first)
        assert failed.value.revision == second


async def test_progress_is_told_over_writes_of_others_keys(etcd: EtcdServer) -> None:
    async with opened(etcd.url) as storage, kv(etcd.url) as other:
        await storage.commit(KEY, b"1", 0)
        seen = Followed(storage)
        for _ in range(3):
            await other.Put(pb.PutRequest(key=b"/elsewhere/a", value=b"x"))
        newest = await storage.revision()
        await until(lambda: seen.reached >= newest)
        assert seen.told() == []
        feed: Any = storage.watch("/registry/things/", newest - 3)
        assert list(await asyncio.wait_for(anext(feed), SECONDS)) == [], "what others write ends no wait for the past"
        await feed.aclose()


async def test_keys_lie_below_the_prefix(etcd: EtcdServer) -> None:
    storage = EtcdStorage(EtcdServers((etcd.url,), prefix="/of/one/cluster"))
    async with kv(etcd.url) as raw, opened(etcd.url) as other:
        seen = Followed(storage)
        revision = await storage.commit(KEY, b"1", 0)
        found = await raw.Range(pb.RangeRequest(key=b"/", range_end=b"0"))
        assert [each.key for each in found.kvs] == [b"/of/one/cluster/things/a"]
        assert [item.key for item in (await storage.range("/registry/things/")).items] == [KEY]
        assert [event.key for event in seen.events] == [KEY]
        assert seen.reached == revision
        assert await other.get(KEY) is None
    await storage.close()


async def test_of_several_stores_one_compacts(etcd: EtcdServer) -> None:
    async with opened(etcd.url) as one, opened(etcd.url) as other, kv(etcd.url) as raw:
        for value in (b"1", b"2"):
            now = await one.commit(KEY, value, None)
        await asyncio.gather(one.compact(now), other.compact(now))
        mark = (await raw.Range(pb.RangeRequest(key=b"compact_rev_key"))).kvs[0]
        assert (mark.value, mark.version) == (b"%d" % now, 1)
        await other.compact(now - 1)
        mark = (await raw.Range(pb.RangeRequest(key=b"compact_rev_key"))).kvs[0]
        assert mark.version == 1, "what is compacted already takes no revision"


async def test_events_share_leases_and_are_forgotten_by_etcd(etcd: EtcdServer) -> None:
    async with opened(etcd.url, event_seconds=2) as storage, kv(etcd.url) as raw:
        seen = Followed(storage)
        for name in "ab":
            await storage.commit(f"/registry/events/default/{name}", b"{}", 0)
        await storage.commit(KEY, b"1", 0)
        leases = [each.lease for each in (await raw.Range(pb.RangeRequest(key=b"/", range_end=b"0"))).kvs]
        assert leases[0]
        assert leases[2] == 0
        await until(lambda: [event.type for event in seen.events].count("DELETED") == 2)
        assert (await storage.range("/registry/events/")).items == []
        assert await storage.get(KEY) is not None


async def test_one_lease_serves_the_events_of_a_minute(etcd: EtcdServer) -> None:
    async with opened(etcd.url) as storage, kv(etcd.url) as raw:
        for number in range(5):
            await storage.commit(f"/registry/events/default/{number}", b"{}", 0)
        leases = {each.lease for each in (await raw.Range(pb.RangeRequest(key=b"/", range_end=b"0"))).kvs}
        assert len(leases) == 1


async def test_what_is_asked_while_etcd_is_away_is_answered_when_it_is_back(etcd: EtcdServer, caplog: pytest.LogCaptureFixture) -> None:
    async with opened(etcd.url) as storage:
        seen = Followed(storage)
        revision = await storage.commit(KEY, b"1", 0)
        etcd.kill()
        await until_connection_is_lost(caplog)
        reading, writing = asyncio.ensure_future(storage.get(KEY)), asyncio.ensure_future(storage.commit(KEY, b"2", revision))
        newest = asyncio.ensure_future(storage.revision())
        await asyncio.sleep(0.3)
        assert not reading.done()
        assert not writing.done()
        await asyncio.to_thread(etcd.start)
        async with asyncio.timeout(SECONDS):
            item, written = await asyncio.gather(reading, writing)
            assert await newest >= revision
        assert item is not None
        assert written > revision
        assert seen.told() == [("ADDED", KEY), ("MODIFIED", KEY)]


async def test_a_call_that_etcd_does_not_answer_in_time_fails(etcd: EtcdServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("READ_SECONDS", "WRITE_SECONDS"):
        monkeypatch.setattr(f"pilothouse.apiserver.storage.etcd_client.{name}", 0.5)
    async with opened(etcd.url) as storage:
        await storage.commit(KEY, b"1", 0)
        etcd.signal(signal.SIGSTOP)
        try:
            for call in (storage.get(KEY), storage.commit(KEY, b"2", None), storage.revision()):
                with pytest.raises(StorageTimedOut, match="context deadline exceeded"):
                    await asyncio.wait_for(call, SECONDS)
        finally:
            etcd.signal(signal.SIGCONT)
        assert await storage.get(KEY) is not None


async def test_what_was_written_while_the_feed_was_broken_is_told_once(etcd: EtcdServer, tmp_path: Path) -> None:
    async with opened(etcd.url) as storage:
        seen = Followed(storage)
        await storage.commit(KEY, b"1", 0)
        etcd.kill()
        await elsewhere(etcd, tmp_path, compacts=False)
        await asyncio.to_thread(etcd.start)
        await until(lambda: len(seen.told()) == 4)
        assert [event[0] for event in seen.told()] == ["ADDED", "MODIFIED", "MODIFIED", "MODIFIED"]
        assert seen.missed == []


async def test_followers_are_told_that_they_have_missed_what_is_compacted(etcd: EtcdServer, tmp_path: Path) -> None:
    async with opened(etcd.url) as storage:
        seen = Followed(storage)
        await storage.commit(KEY, b"1", 0)
        etcd.kill()
        last = await elsewhere(etcd, tmp_path, compacts=True)
        await asyncio.to_thread(etcd.start)
        await until(lambda: bool(seen.missed) and seen.events[-1].key == PROGRESS)
        assert seen.missed[0] >= last
        assert len(seen.told()) == 1
        revision = await storage.commit("/registry/things/b", b"", 0)
        assert seen.told()[1:] == [("ADDED", "/registry/things/b")]
        assert seen.reached == revision


async def elsewhere(etcd: EtcdServer, tmp_path: Path, *, compacts: bool) -> int:
    """Write, and compact, where the store under test does not look: the same data at another address."""
    other = EtcdServer(etcd.folder)
    await asyncio.to_thread(other.start)
    async with opened(other.url) as storage:
        for number in range(3):
            last = await storage.commit(KEY, b"%d" % number, None)
        if compacts:
            await storage.compact(last)
    other.kill()
    return last


async def test_of_two_who_allocate_by_the_same_knowledge_one_is_overtaken(etcd: EtcdServer) -> None:
    async with opened(etcd.url) as one, opened(etcd.url) as other:
        await asyncio.gather(one.revision(), other.revision())
        assert one.allocated == other.allocated
        allocated = other.allocated
        first = await one.commit_allocating("/registry/things/a", b"10.0.0.1", 0, one.allocated)
        assert one.allocated == first
        with pytest.raises(ConcurrentAllocation) as overtaken:
            await other.commit_allocating("/registry/things/b", b"10.0.0.1", 0, allocated)
        assert overtaken.value.seen_at >= first
        with pytest.raises(CompareFailed) as failed:
            await other.commit_allocating("/registry/things/a", b"10.0.0.1", 0, first)
        assert not isinstance(failed.value, ConcurrentAllocation)
        await until(lambda: other.allocated == first)
        await other.commit_allocating("/registry/things/b", b"10.0.0.2", 0, other.allocated)


async def test_both_sides_know_each_other_by_certificates(tmp_path: Path) -> None:
    leaves = [certificates.Subject("etcd", "etcd", names=["127.0.0.1", "localhost"]), certificates.Subject("client", "client")]
    certificates.make(tmp_path, leaves, SystemClock(), Entropy())
    files = {name: str(tmp_path / name) for name in ("ca.crt", "etcd.crt", "etcd.key", "client.crt", "client.key")}
    flags = ("--cert-file", files["etcd.crt"], "--key-file", files["etcd.key"])
    trust = ("--client-cert-auth", "--trusted-ca-file", files["ca.crt"])
    server = EtcdServer(tmp_path / "etcd", *flags, *trust, scheme="https")
    await asyncio.to_thread(server.start)
    try:
        known = EtcdStorage(EtcdServers((server.url,), files["ca.crt"], files["client.crt"], files["client.key"]))
        assert await known.commit(KEY, b"1", 0)
        await known.close()
        for stranger in (EtcdServers((server.url,), files["ca.crt"]), EtcdServers((server.url,))):
            storage = EtcdStorage(stranger)
            with pytest.raises((TimeoutError, StorageUnavailable)):
                await asyncio.wait_for(storage.revision(), 1)
            await storage.close()
    finally:
        server.kill()


async def test_another_member_is_asked_when_one_is_away(etcd: EtcdServer) -> None:
    gone = EtcdServer(etcd.folder.with_name("gone"))
    storage = EtcdStorage(EtcdServers((gone.url, etcd.url)))
    assert await asyncio.wait_for(storage.commit(KEY, b"1", 0), SECONDS)
    assert await asyncio.wait_for(storage.get(KEY), SECONDS) is not None
    await storage.close()


async def test_nothing_is_lost_or_told_twice_when_the_leader_ends(tmp_path: Path) -> None:
    servers = members(tmp_path, 3)
    await asyncio.gather(*(asyncio.to_thread(server.start) for server in servers))
    storage = EtcdStorage(EtcdServers([server.url for server in servers]))
    seen = Followed(storage)
    acknowledged: dict[str, int] = {}
    failures: set[str] = set()
    try:
        async with asyncio.timeout(4 * SECONDS), asyncio.TaskGroup() as group:
            writers = [group.create_task(write_on(storage, name, acknowledged, failures)) for name in "abcd"]
            for _ in range(2):
                before = len(acknowledged)
                leader = await leader_of(servers)
                leader.kill()
                await until(lambda before=before: len(acknowledged) > before + 20)  # type: ignore[misc]
                await asyncio.to_thread(leader.start)
            for writer in writers:
                writer.cancel()
        there = {item.key: item.revision for item in (await storage.range("/registry/things/")).items}
        assert {key: there.get(key) for key in acknowledged} == acknowledged
        await until(lambda: seen.reached >= max(there.values()))
        revisions = [event.revision for event in seen.events if event.key.startswith("/registry/things/")]
        assert revisions == sorted(set(revisions))
        assert set(there.values()) <= set(revisions)
        assert seen.missed == []
        assert all(failure.startswith(("etcdserver: ", "rpc error: code = Unavailable desc = ")) for failure in failures), failures
    finally:
        await storage.close()
        for server in servers:
            server.kill()


async def write_on(storage: EtcdStorage, name: str, acknowledged: dict[str, int], failures: set[str]) -> None:
    """Write without end; what is acknowledged, and how others failed."""
    for number in itertools.count():
        key = f"/registry/things/{name}-{number}"
        try:
            acknowledged[key] = await storage.commit(key, b"", 0)
        except StorageUnavailable as failure:
            failures.add(str(failure))
            await asyncio.sleep(0.05)


async def leader_of(servers: Sequence[EtcdServer]) -> EtcdServer:
    async with asyncio.timeout(SECONDS):
        while True:
            for server in servers:
                channel = grpc.aio.insecure_channel(server.url.removeprefix("http://"))
                with contextlib.suppress(grpc.aio.AioRpcError):
                    status = await pb.MaintenanceStub(channel).Status(pb.StatusRequest(), timeout=2)
                    if status.leader and status.leader == status.header.member_id:
                        return server
                await channel.close()
            await asyncio.sleep(0.1)


async def test_a_value_that_is_no_text_and_a_key_that_is_none_pass(etcd: EtcdServer) -> None:
    async with opened(etcd.url) as storage, kv(etcd.url) as raw:
        seen = Followed(storage)
        await storage.revision()
        await raw.Put(pb.PutRequest(key=b"/registry/things/\xff", value=b"\xff\0"))
        await until(lambda: bool(seen.events))
        items = (await storage.range("/registry/things/")).items
        assert [item.value for item in items] == [b"\xff\0"]
        await storage.commit(items[0].key, None, items[0].revision)
        assert (await raw.Range(pb.RangeRequest(key=b"/", range_end=b"0"))).kvs == []


async def test_a_large_list_is_read_in_pages_of_one_revision(etcd: EtcdServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pilothouse.apiserver.storage.etcd.PAGE", 7)
    async with opened(etcd.url) as storage:
        await storage.create({f"/registry/things/{number:03}": b"" for number in range(250)})
        found = await storage.range("/registry/things/")
        assert [item.key[-3:] for item in found.items] == [f"{number:03}" for number in range(250)]
        page = await storage.range("/registry/things/", "/registry/things/100", 20, found.revision)
        assert [item.key[-3:] for item in page.items] == [f"{number:03}" for number in range(100, 120)]
        assert page.more


@pytest.mark.parametrize(
    ("version", "tells"),
    [
        *((version, False) for version in ("3.3.99", "3.4.23", "3.4.30", "3.5.12", "")),
        *((version, True) for version in ("3.4.31", "3.5.13", "3.6.0", "3.7.1-rc.0", "4.0.0")),
    ],
)
def test_progress_is_asked_for_where_it_is_reliable(version: str, tells: bool) -> None:
    assert supports_progress_requests(version) is tells


@pytest.mark.parametrize(
    ("code", "details", "kind", "text"),
    [
        ("UNAVAILABLE", "etcdserver: leader changed", StorageUnavailable, ""),
        ("UNAVAILABLE", "etcdserver: request timed out", StorageUnavailable, ""),
        ("RESOURCE_EXHAUSTED", "etcdserver: mvcc: database space exceeded", StorageUnavailable, ""),
        ("UNAVAILABLE", "Socket closed", StorageUnavailable, "rpc error: code = Unavailable desc = Socket closed"),
        ("DEADLINE_EXCEEDED", "Deadline Exceeded", StorageTimedOut, "context deadline exceeded"),
    ],
)
def test_what_etcd_says_is_told_as_upstream_tells_it(code: str, details: str, kind: type[Exception], text: str) -> None:
    failure = Refused(code, details).failure()
    assert type(failure) is kind
    assert str(failure) == (text or details)


@pytest.mark.parametrize(
    ("servers", "problem"),
    [
        (EtcdServers(()), "must be specified"),
        (EtcdServers(("ftp://a:1",)), "the scheme ftp is not known"),
        (EtcdServers(("http://a:99999",)), "99999|out of range"),
        (EtcdServers(("https://a:1",), cert_file="/nowhere"), "given together"),
        (EtcdServers(("https://a:1",), ca_file="/nowhere"), "/nowhere: No such file"),
    ],
)
async def test_addresses_and_files_that_cannot_be_used_are_named(servers: EtcdServers, problem: str) -> None:
    with pytest.raises(BadServers, match=problem):
        EtcdStorage(servers)


def test_seeds_are_written_in_parts_that_etcd_takes() -> None:
    parts = list(parts_of({str(number): b"x" * 400_000 for number in range(5)} | {f"s{number}": b"" for number in range(250)}))
    assert [len(part) for part in parts] == [2, 2, 100, 100, 51]
    assert list(parts_of({})) == []
