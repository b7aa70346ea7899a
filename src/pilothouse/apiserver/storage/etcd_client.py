"""Calls to etcd v3: channels to its members, one answer or one error a call, in the words that upstream shows its clients.

- A call goes to one member; when that cannot be reached, the next is taken, until the time of the call is over: as with upstream, what
  is asked while etcd is away is answered when it is back. A write is repeated only where no member has received it.
- A refusal becomes StorageUnavailable, Compacted or FutureRevision; nothing of gRPC leaves these modules.
- Messages and method names are `aetcd`'s, generated from etcd's own definitions; its client is not used: it shows no revisions.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import grpc
from aetcd import rpc

from pilothouse.apiserver.storage.interface import StorageTimedOut, StorageUnavailable
from pilothouse.kit.clock import Clock

pb: Any = rpc

WRITE_SECONDS = 34.0
READ_SECONDS = 60.0
"""How long upstream lets a request take that changes something, and one that does not."""
PAUSES = (0.025, 0.05, 0.1, 0.2)
"""Seconds between the attempts of a call while no member can be reached."""
DEFAULT_PORT = 2379
OUT_OF_RANGE = "OUT_OF_RANGE"
"""The code by which etcd refuses a revision."""
COMPACTED = "etcdserver: mvcc: required revision has been compacted"
FUTURE = "etcdserver: mvcc: required revision is a future revision"
SECURE = ("https", "unixs")
SCHEMES = ("http", "unix", *SECURE)
WITH_LEADER = (("hasleader", "true"),)
"""A stream ends when the member that serves it has lost the leader, instead of being silent."""

OPTIONS = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_http_proxy", 0),
)
"""Keepalive as upstream's: a member that has vanished without a word is noticed."""


class BadServers(ValueError):
    """Addresses or files of etcd that cannot be used; the text says which and why."""


@dataclass(frozen=True, slots=True)
class EtcdServers:
    """Where etcd is (`--etcd-servers`), and the files by which both sides know each other; `prefix` stands before all keys."""

    urls: Sequence[str]
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    prefix: str = "/registry"


class Refused(Exception):
    """What etcd said of a call: `code` as gRPC names it ("OUT_OF_RANGE"), `details` in etcd's words."""

    def __init__(self, code: str, details: str) -> None:
        super().__init__(details)
        self.code = code
        self.details = details

    @property
    def is_unsent(self) -> bool:
        """Whether the call has not reached a member: it may be repeated."""
        return self.code == "UNAVAILABLE" and "failed to connect" in self.details.lower()

    def failure(self) -> StorageUnavailable:
        """The refusal as upstream tells its clients of it."""
        if self.code == "DEADLINE_EXCEEDED":
            return StorageTimedOut("context deadline exceeded")
        if self.details.startswith("etcdserver:"):
            return StorageUnavailable(self.details)
        code = self.code.title().replace("_", "")
        return StorageUnavailable(f"rpc error: code = {code} desc = {self.details}")


class _Member:
    """One address of etcd: its channel and the calls that are made there."""

    def __init__(self, channel: Any) -> None:
        self.channel = channel
        kv, lease, maintenance = pb.KVStub(channel), pb.LeaseStub(channel), pb.MaintenanceStub(channel)
        self.watch: Callable[..., Any] = pb.WatchStub(channel).Watch
        self.stubs: dict[str, Callable[..., Any]] = {
            "Range": kv.Range,
            "Put": kv.Put,
            "Txn": kv.Txn,
            "Compact": kv.Compact,
            "LeaseGrant": lease.LeaseGrant,
            "LeaseRevoke": lease.LeaseRevoke,
            "LeaseKeepAlive": lease.LeaseKeepAlive,
            "Status": maintenance.Status,
        }


@dataclass(frozen=True, slots=True)
class Stream:
    """One call of Watch, and the member that serves it."""

    member: _Member
    call: Any

    def cancel(self) -> None:
        """End the call; who reads it is told."""
        self.call.cancel()


class EtcdClient:
    """One per store; made in a running loop."""

    def __init__(self, servers: EtcdServers, clock: Clock) -> None:
        self._clock = clock
        credentials = _credentials(servers)
        self._members = [_Member(_channel(url, credentials)) for url in servers.urls]
        if not self._members:
            raise BadServers("--etcd-servers must be specified")
        self._current = 0

    async def read(self, method: str, request: Any) -> Any:
        """The answer to a call that changes nothing. StorageUnavailable, or Refused for a revision."""
        return await self._call(method, request, READ_SECONDS, lambda refused: refused.code == "UNAVAILABLE")

    async def write(self, method: str, request: Any) -> Any:
        """The answer to a call that changes something: it is received once at most. StorageUnavailable, or Refused for a revision."""
        return await self._call(method, request, WRITE_SECONDS, lambda refused: refused.is_unsent)

    async def _call(self, method: str, request: Any, seconds: float, may_repeat: Callable[[Refused], bool]) -> Any:
        until = self._clock.monotonic() + seconds
        for attempt in itertools.count():
            member = self._members[self._current]
            left = until - self._clock.monotonic()
            try:
                return await member.stubs[method](request, timeout=left)
            except grpc.aio.AioRpcError as error:
                refused = Refused(error.code().name, error.details() or "")
            if refused.code == OUT_OF_RANGE:
                raise refused
            self._leave(member)
            pause = PAUSES[min(attempt // len(self._members), len(PAUSES) - 1)]
            if not may_repeat(refused):
                raise refused.failure() from refused
            if pause >= left:
                raise StorageTimedOut("context deadline exceeded") from refused
            await self._clock.sleep(pause)
        raise AssertionError

    def _leave(self, member: _Member) -> None:
        """The next call goes to another member, unless it does already."""
        if self._members[self._current] is member:
            self._current = (self._current + 1) % len(self._members)

    def watch(self) -> Stream:
        """A stream of watches at a member that has a leader."""
        member = self._members[self._current]
        return Stream(member, member.watch(metadata=WITH_LEADER))

    async def next(self, stream: Stream) -> Any:
        """The next message of a watch's stream. Refused when the stream broke or ended."""
        try:
            message = await stream.call.read()
        except grpc.aio.AioRpcError as error:
            raise self._broken(stream, error) from error
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            raise Refused("CANCELLED", "the watch was closed") from None  # the stream was cancelled, not who reads it
        if message is grpc.aio.EOF:
            raise Refused("UNAVAILABLE", "the stream of the watch has ended")
        return message

    async def send(self, stream: Stream, request: Any) -> None:
        """Write to a watch's stream. Refused when it broke."""
        try:
            await stream.call.write(request)
        except grpc.aio.AioRpcError as error:
            raise self._broken(stream, error) from error
        except grpc.aio.UsageError as error:  # it has ended, and who reads it is told why
            raise Refused("UNAVAILABLE", str(error)) from error

    def _broken(self, stream: Stream, error: grpc.aio.AioRpcError) -> Refused:
        self._leave(stream.member)
        return Refused(error.code().name, error.details() or "")

    async def close(self) -> None:
        """Close the connections to all members."""
        for member in self._members:
            await member.channel.close()


def _channel(url: str, credentials: Any) -> Any:
    """A channel to one of --etcd-servers. BadServers for what is no address of etcd."""
    parts = urlsplit(url if "://" in url else f"http://{url}")
    if parts.scheme not in SCHEMES:
        raise BadServers(f"--etcd-servers {url}: the scheme {parts.scheme} is not known, one of {', '.join(SCHEMES)} is")
    if parts.scheme.startswith("unix"):
        target = f"unix:{parts.netloc}{parts.path}"
    else:
        try:
            port = parts.port or DEFAULT_PORT
        except ValueError as error:
            raise BadServers(f"--etcd-servers {url}: {error}") from error
        host = parts.hostname or "localhost"
        target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    if parts.scheme in SECURE:
        return grpc.aio.secure_channel(target, credentials, options=OPTIONS)
    return grpc.aio.insecure_channel(target, options=OPTIONS)


def _credentials(servers: EtcdServers) -> Any:
    """Of TLS: the authority of etcd's certificate, and what shows who we are. BadServers for files that cannot be read."""
    if bool(servers.cert_file) != bool(servers.key_file):
        raise BadServers("--etcd-certfile and --etcd-keyfile are given together or not at all")
    try:
        authority, certificate, key = (
            Path(file).read_bytes() if file else None for file in (servers.ca_file, servers.cert_file, servers.key_file)
        )
    except OSError as error:
        raise BadServers(f"{error.filename}: {error.strerror}") from error
    return grpc.ssl_channel_credentials(authority, key, certificate)
