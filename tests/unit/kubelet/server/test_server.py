"""Who may use the kubelet's server."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import aiohttp
import pytest

from pilothouse.api.types.authentication_v1 import TokenRequest
from pilothouse.api.types.core_v1 import Pod, ServiceAccount
from pilothouse.api.types.rbac_v1 import ClusterRole, ClusterRoleBinding, PolicyRule, RoleRef, Subject
from pilothouse.apiserver.auth.user import User
from pilothouse.client.call import Call, Transport, WatchEvent
from pilothouse.client.client import Client
from pilothouse.cluster import certificates
from pilothouse.kit.clock import SystemClock
from pilothouse.kit.entropy import Entropy
from pilothouse.kit.virtual_clock import VirtualClock
from pilothouse.kubelet.runtime.port import Runtime
from pilothouse.kubelet.server.access import Access
from pilothouse.kubelet.server.server import KubeletServer, KubeletTLS
from pilothouse.machinery.meta_v1 import ObjectMeta
from pilothouse.testing.control_plane import ControlPlane

LEAVES = (
    certificates.Subject("kubelet", "system:node:n1", ["system:nodes"], ["127.0.0.1"]),
    certificates.Subject("apiserver", "kube-apiserver-kubelet-client"),
    certificates.Subject("developer", "jane", ["developers"]),
    certificates.Subject("doctor", "doctor"),
    certificates.Subject("auditor", "auditor", ["pod-readers"]),
)
ROLES = {
    "doctor": ["nodes/healthz", "nodes/metrics", "nodes/stats", "nodes/configz"],
    "auditor": ["nodes/pods", "nodes/log"],
    "kube-apiserver-kubelet-client": ["nodes/proxy", "nodes/stats", "nodes/metrics", "nodes/log"],
    "system:serviceaccount:default:robot": ["nodes/metrics"],
}
RBAC = "rbac.authorization.k8s.io"


class NoPods:
    def pods(self) -> list[Pod]:
        return []


class Line:
    """The way to the API server, which counts what it carries and may be cut."""

    def __init__(self, client: Client) -> None:
        self._transport: Transport = client.transport
        self.catalogue = client.catalogue
        self.asked: list[str] = []
        self.is_cut = False

    async def call(self, call: Call) -> Any:
        self.asked.append(call.resource.kind)
        if self.is_cut:
            raise ConnectionError("the API is not there")
        return await self._transport.call(call)

    def watch(self, call: Call) -> AsyncIterator[WatchEvent[Any]]:
        return self._transport.watch(call)


@dataclass
class Guarded:
    """A kubelet's server, and who guards it."""

    port: int
    line: Line
    clock: VirtualClock
    token: str
    folder: Path

    async def get(self, who: str, path: str, token: str = "", method: str = "GET") -> tuple[int, str]:
        context = ssl.create_default_context(cafile=str(self.folder / "ca.crt"))
        if who:
            context.load_cert_chain(str(self.folder / f"{who}.crt"), str(self.folder / f"{who}.key"))
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        url = f"https://127.0.0.1:{self.port}{path}"
        async with aiohttp.ClientSession() as session, session.request(method, url, ssl=context, headers=headers) as answer:
            return answer.status, await answer.text()


async def grant(client: Client, user: str, resources: list[str]) -> None:
    name = user.replace(":", "-")
    rules = [PolicyRule(verbs=["get"], apiGroups=[""], resources=resources)]
    await client.create(ClusterRole(metadata=ObjectMeta(name=name), rules=rules))
    subject = Subject(kind="User", apiGroup=RBAC, name=user)
    ref = RoleRef(apiGroup=RBAC, kind="ClusterRole", name=name)
    await client.create(ClusterRoleBinding(metadata=ObjectMeta(name=name), roleRef=ref, subjects=[subject]))


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Guarded]:
    certificates.make(tmp_path, LEAVES, SystemClock(), Entropy())
    tls = KubeletTLS(str(tmp_path / "ca.crt"), str(tmp_path / "kubelet.crt"), str(tmp_path / "kubelet.key"))
    clock = VirtualClock()
    plane = ControlPlane(clock, Entropy(1), controllers=False, scheduler=False)
    running = asyncio.create_task(plane.run())
    await plane.registry.start()
    for user, resources in ROLES.items():
        await grant(plane.client, user, resources)
    account = await plane.client.create(ServiceAccount(metadata=ObjectMeta(name="robot", namespace="default")))
    issued = await plane.registry.store.token_issuer(account, TokenRequest(), User("x"))  # type: ignore[misc]
    line = Line(plane.client_of("system:node:n1", "system:nodes"))
    made = KubeletServer(NoPods(), cast(Runtime, None), SystemClock(), tls=tls, access=Access(Client(line), "n1", clock))
    task = asyncio.create_task(made.run())
    await made.started.wait()
    yield Guarded(made.port, line, clock, issued.status.token, tmp_path)
    for each in (task, running):
        each.cancel()
    await asyncio.gather(task, running, return_exceptions=True)


@pytest.mark.parametrize(
    ("who", "path", "status", "text"),
    [
        ("", "/healthz", 401, "Unauthorized"),
        ("doctor", "/healthz", 200, "ok"),
        ("doctor", "/healthz/syncloop", 200, "ok"),
        ("doctor", "/healthz?verbose", 200, "[+]ping ok\n[+]log ok\n[+]syncloop ok\nhealthz check passed\n"),
        ("doctor", "/healthz/nothing", 404, "404 page not found"),
        ("doctor", "/configz", 200, '"evictionHard":{"memory.available":"100Mi"'),
        ("doctor", "/pods", 403, "Forbidden (user=doctor, verb=get, resource=nodes, subresource(s)=[pods proxy])\n"),
        ("doctor", "/containerLogs/a/b/c", 403, "Forbidden (user=doctor, verb=get, resource=nodes, subresource(s)=[proxy])\n"),
        ("doctor", "/exec/a/b/c?command=x", 403, "subresource(s)=[proxy])"),
        ("doctor", "/healthzx", 403, "subresource(s)=[proxy])"),
        ("auditor", "/pods", 200, '"kind":"PodList"'),
        ("auditor", "/runningpods/", 404, "404 page not found"),
        ("auditor", "/logs/", 404, "404 page not found"),
        ("auditor", "/healthz", 403, "Forbidden (user=auditor, verb=get, resource=nodes, subresource(s)=[healthz proxy])\n"),
        ("auditor", "/configz", 403, "subresource(s)=[configz proxy])"),
        ("auditor", "/metrics", 403, "subresource(s)=[metrics])"),
        ("auditor", "/stats/summary", 403, "subresource(s)=[stats])"),
        ("developer", "/pods", 403, "Forbidden (user=jane, verb=get, resource=nodes, subresource(s)=[pods proxy])\n"),
        ("kubelet", "/pods", 403, "Forbidden (user=system:node:n1, verb=get, resource=nodes, subresource(s)=[pods proxy])\n"),
        ("apiserver", "/configz", 200, '"cpuCFSQuotaPeriod":"100ms"'),
        ("apiserver", "/pods", 200, '"kind":"PodList"'),
        ("apiserver", "/nowhere", 404, "404 page not found"),
        ("apiserver", "/containerLogs/default/gone/c", 404, 'pod "gone" does not exist'),
        ("apiserver", "/exec/default/gone/c?command=x&output=1", 404, 'pod "gone" does not exist'),
    ],
)
async def test_who_may_ask_what(server: Guarded, who: str, path: str, status: int, text: str) -> None:
    code, told = await server.get(who, path)
    assert code == status
    assert text in told


async def test_the_verb_is_that_of_the_method(server: Guarded) -> None:
    told = "Forbidden (user=doctor, verb=create, resource=nodes, subresource(s)=[proxy])\n"
    assert await server.get("doctor", "/exec/default/gone/c?command=x", method="POST") == (403, told)


async def test_a_token_says_who_asks(server: Guarded) -> None:
    assert (await server.get("", "/metrics", server.token))[0] == 200
    assert (await server.get("", "/pods", server.token)) == (
        403,
        "Forbidden (user=system:serviceaccount:default:robot, verb=get, resource=nodes, subresource(s)=[pods proxy])\n",
    )
    assert (await server.get("", "/metrics", "not a token"))[0] == 401


async def test_answers_are_kept_for_some_time(server: Guarded) -> None:
    for _ in range(3):
        assert (await server.get("", "/metrics", server.token))[0] == 200
    assert server.line.asked == ["TokenReview", "SubjectAccessReview"]
    await server.clock.advance(121)
    assert (await server.get("", "/metrics", server.token))[0] == 200
    assert server.line.asked == ["TokenReview", "SubjectAccessReview", "TokenReview"]
    await server.clock.advance(301)
    server.line.is_cut = True
    assert (await server.get("", "/metrics", server.token)) == (401, "Unauthorized")
    assert await server.get("doctor", "/metrics") == (
        500,
        "Authorization error (user=doctor, verb=get, resource=nodes, subresource=metrics)",
    )
