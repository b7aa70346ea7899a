"""The process under load: an API server on a memory store, and beside it bare servers that return the same bytes.

    python -m tests.bench.api.served FOLDER PODS

One loop, one core. Prints one line of JSON when it is ready: the ports, and how long each answer is. FOLDER gets the certificates.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import msgspec
from aiohttp import web

from pilothouse.api.catalogue import resource_of
from pilothouse.api.types.core_v1 import Container, EnvVar, Pod, PodSpec, ResourceRequirements
from pilothouse.apiserver.auth.user import ADMIN
from pilothouse.apiserver.http.encoding import list_body
from pilothouse.apiserver.registry.registry import Registry
from pilothouse.apiserver.server import ApiServer, ServerTLS, context_of, new_event_loop
from pilothouse.apiserver.storage.memory import MemoryStorage
from pilothouse.client.call import Call
from pilothouse.cluster import certificates
from pilothouse.cmd.process import freeze_memory
from pilothouse.kit.clock import SystemClock
from pilothouse.kit.entropy import Entropy
from pilothouse.machinery.meta_v1 import ObjectMeta

ENVIRONMENT = 40
"""Variables of each pod: they make it about as large as a real one (3.5 kB)."""


def pod(number: int) -> Pod:
    variables = [EnvVar(name=f"VARIABLE_{each}", value=f"a value of ordinary length {each}") for each in range(ENVIRONMENT)]
    requests = ResourceRequirements(requests={"cpu": "100m"})
    container = Container(name="app", image="registry.local/app:1", env=variables, resources=requests)
    metadata = ObjectMeta(name=f"pod-{number:05d}", namespace="default", labels={"app": "web"})
    return Pod(metadata=metadata, spec=PodSpec(containers=[container]))


async def fill(registry: Registry, count: int) -> None:
    for number in range(count):
        await registry.execute(Call("create", resource_of(Pod), "default", body=pod(number)), ADMIN)


async def bare(body: bytes, tls: ServerTLS) -> int:
    """A server that does nothing but return `body`; its port."""

    async def serve(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(body=body, content_type="application/json")

    loop = asyncio.get_running_loop()
    server = await loop.create_server(web.Server(serve, access_log=None), "127.0.0.1", 0, ssl=context_of(tls), backlog=4096)
    port: int = server.sockets[0].getsockname()[1]
    return port


async def main(folder: Path, pods: int) -> None:
    clock, entropy = SystemClock(), Entropy()
    leaves = [
        certificates.Subject("apiserver", "kube-apiserver", names=["127.0.0.1"], client=False),
        certificates.Subject("admin", "kubernetes-admin", ["system:masters"]),
    ]
    certificates.make(folder, leaves, clock, entropy)
    tls = ServerTLS(*(str(folder / name) for name in ("ca.crt", "apiserver.crt", "apiserver.key")))
    registry = Registry(MemoryStorage(), clock, entropy)
    server = ApiServer(registry, clock=clock, entropy=entropy, tls=tls)
    plain = ApiServer(registry, clock=clock, entropy=entropy, default_user=ADMIN)
    async with asyncio.TaskGroup() as group:
        group.create_task(registry.run())
        await registry.start()
        group.create_task(server.run())
        group.create_task(plain.run())
        await server.started.wait()
        await plain.started.wait()
        await fill(registry, pods)
        one = await registry.execute(Call("get", resource_of(Pod), "default", "pod-00000"), ADMIN)
        many = await registry.execute(Call("list", resource_of(Pod), "default"), ADMIN)
        whole = list_body(resource_of(Pod), many)
        ports = {"api": server.port, "plain": plain.port, "bare_get": await bare(one.encoded, tls)}
        ports["bare_list"] = await bare(whole, tls)
        freeze_memory()  # as the control plane's process does
        print(msgspec.json.encode(ports).decode(), flush=True)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(main(Path(sys.argv[1]), int(sys.argv[2])))
