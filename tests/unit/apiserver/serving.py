"""A served API for tests: registry on a memory store, API server on loopback, certificates, in the machine's own time."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from pilothouse.apiserver.aggregation.tls import FrontProxy
from pilothouse.apiserver.auth.authenticator import Authenticators
from pilothouse.apiserver.auth.feed import Feeds
from pilothouse.apiserver.auth.keys import ServiceAccountKeys
from pilothouse.apiserver.auth.modes import DEFAULT_MODES, authorizer_of
from pilothouse.apiserver.auth.node.graph import KINDS
from pilothouse.apiserver.auth.requestheader import RequestHeaderAuthenticator, RequestHeaders
from pilothouse.apiserver.auth.reviews import reviews
from pilothouse.apiserver.auth.serviceaccounts import ServiceAccountAuthenticator
from pilothouse.apiserver.auth.tokenfile import TokenFile
from pilothouse.apiserver.auth.tokens import ServiceAccountTokens
from pilothouse.apiserver.auth.user import ADMIN, ANONYMOUS, User
from pilothouse.apiserver.registry.registry import Registry
from pilothouse.apiserver.registry.roles import feeds_of, role_feeds
from pilothouse.apiserver.server import ApiServer, ServerTLS, new_event_loop
from pilothouse.apiserver.storage.interface import Storage
from pilothouse.apiserver.storage.memory import MemoryStorage
from pilothouse.cluster import certificates
from pilothouse.kit.clock import Clock, SystemClock
from pilothouse.kit.entropy import Entropy

LEAVES = (
    certificates.Subject("apiserver", "kube-apiserver", names=["127.0.0.1", "localhost"], client=False),
    certificates.Subject("admin", "kubernetes-admin", ["system:masters"]),
    certificates.Subject("developer", "jane", ["developers"]),
    certificates.Subject("scheduler", "system:kube-scheduler"),
)


@dataclass
class Served:
    """A running API server."""

    registry: Registry
    server: ApiServer
    tokens: ServiceAccountTokens
    folder: Path
    scheme: str

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server.port}"

    def kubeconfig(self, user: str = "admin", *, token: str = "") -> Path:
        """A kubeconfig of one of LEAVES, or of a token."""
        credentials = (
            {"token": token}
            if token
            else {
                "client-certificate": str(self.folder / f"{user}.crt"),
                "client-key": str(self.folder / f"{user}.key"),
            }
        )
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": {"server": self.url, "certificate-authority": str(self.folder / "ca.crt")}}],
            "users": [{"name": "test", "user": credentials}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
            "current-context": "test",
        }
        path = self.folder / f"kubeconfig-{user}{'-token' if token else ''}"
        path.write_bytes(msgspec.json.encode(config))
        return path


@contextlib.asynccontextmanager
async def serving(
    folder: Path,
    *,
    tls: bool = False,
    user: User | None = None,
    clock: Clock | None = None,
    storage: Storage | None = None,
    front_proxy: Path | None = None,
    ready: bool = True,
    local_services: Mapping[tuple[str, str], tuple[str, int]] | None = None,
    request_headers: RequestHeaders | None = None,
    token_file: TokenFile | None = None,
) -> AsyncIterator[Served]:
    """Serve until the end of the block; without TLS every request is an administrator's. `front_proxy`: the folder of its certificate.

    `local_services`: where programs answer for Services, by namespace and name.
    `request_headers`: what is believed of front proxies, for which it then has an authority.
    `ready`: the block begins when everything stands, and not already when the server listens.
    """
    clock, entropy = clock or SystemClock(), Entropy()
    certificates.make(folder, LEAVES if tls else (), SystemClock(), entropy)
    if request_headers is not None:
        certificates.make_leaves(folder, [certificates.FRONT_PROXY_CLIENT], SystemClock(), entropy)
    registry: Registry

    async def lookup(kind: type[Any], name: str, namespace: str) -> Any:
        return await registry.store.get(kind, name, namespace)

    tokens = ServiceAccountTokens(ServiceAccountKeys(folder / "sa.key"), lookup, clock, entropy)
    believed = ServiceAccountAuthenticator(tokens.keys, lookup, clock)
    files = [str(folder / name) for name in ("ca.crt", "apiserver.crt", "apiserver.key")]
    known = Authenticators((believed, *([token_file] if token_file else [])), audiences=believed.audiences)
    if request_headers is not None:
        files.append(str(folder / "front-proxy-ca.crt"))
        front = RequestHeaderAuthenticator((folder / "front-proxy-ca.crt").read_text(), request_headers)
        known = Authenticators((believed,), front, (folder / "ca.crt").read_text(), audiences=believed.audiences)
    of_roles: Feeds = {}
    of_nodes: Feeds = {}
    authorizer = authorizer_of(DEFAULT_MODES, of_roles, of_nodes)
    registry = Registry(
        storage or MemoryStorage(),
        clock,
        entropy,
        token_issuer=tokens.issue,
        reviews=reviews(authorizer, clock, known),
        authorizer=authorizer,
        loaded=KINDS,
    )
    of_roles |= role_feeds(registry.store.caches)
    of_nodes |= feeds_of(registry.store.caches, KINDS)
    registry.store.local_services.update(local_services or {})
    server = ApiServer(
        registry,
        clock=clock,
        entropy=entropy,
        tls=ServerTLS(*files) if tls else None,
        tokens=tokens,
        authenticators=known,
        authorizer=authorizer,
        default_user=user or (ANONYMOUS if tls else ADMIN),
        front_proxy=proxy_of(front_proxy) if front_proxy is not None else None,
    )
    tasks = [asyncio.create_task(registry.run()), asyncio.create_task(server.run())]
    try:
        if ready:
            await registry.start()
            for hook in registry.hooks.values():
                await hook.reconciled.wait()
        await server.started.wait()
        yield Served(registry, server, tokens, folder, "https" if tls else "http")
    finally:
        for task in reversed(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def proxy_of(folder: Path) -> FrontProxy:
    return FrontProxy(str(folder / "front-proxy-client.crt"), str(folder / "front-proxy-client.key"))


@contextlib.contextmanager
def serving_in_thread(folder: Path, *, tls: bool = True, user: User | None = None) -> Iterator[Served]:
    """The same over TLS, on a loop of its own: for clients that block."""
    ready, found, ending = threading.Event(), [], []

    async def main() -> None:
        end = asyncio.Event()
        ending.append((asyncio.get_running_loop(), end))
        async with serving(folder, tls=tls, user=user) as served:
            found.append(served)
            ready.set()
            await end.wait()

    def run() -> None:
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            runner.run(main())

    thread = threading.Thread(target=run, name="api server")
    thread.start()
    assert ready.wait(30), "the API server does not start"
    try:
        yield found[0]
    finally:
        loop, end = ending[0]
        loop.call_soon_threadsafe(end.set)
        thread.join(30)


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: Any
    body: bytes

    def json(self) -> Any:
        return msgspec.json.decode(self.body)


class Caller:
    """Sends requests to a served API: `await call("GET", "/api/v1/pods")`."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url = url
        self.session = session

    async def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """`body` is an object, or bytes as they are; `headers` are written with underscores."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None and not isinstance(body, bytes):
            body = msgspec.json.encode(body)
            named.setdefault("Content-Type", "application/json")
        async with self.session.request(method, self.url + path, data=body, headers=named) as response:
            return Answer(response.status, response.headers, await response.read())


@contextlib.asynccontextmanager
async def calling_served(folder: Path) -> AsyncIterator[tuple[Served, Caller]]:
    """The server and who calls it."""
    async with serving(folder) as served, aiohttp.ClientSession() as session:
        yield served, Caller(served.url, session)


@contextlib.asynccontextmanager
async def calling(folder: Path, *, user: User | None = None, storage: Storage | None = None) -> AsyncIterator[Caller]:
    async with serving(folder, user=user, storage=storage) as served, aiohttp.ClientSession() as session:
        yield Caller(served.url, session)
