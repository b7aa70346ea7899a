"""What a validating webhook costs the creation of a Pod with two containers, beside the bare round trip: a POST of the same bytes to the
same server by the same client library, over a connection that is kept. In turns within one run; the server is a process of its own.

    python tests/bench/admission_webhook.py
"""

from __future__ import annotations

import asyncio
import base64
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import msgspec
from aiohttp import web

from pilothouse.api.catalogue import built_in
from pilothouse.api.types.admissionregistration_v1 import ValidatingWebhookConfiguration
from pilothouse.apiserver.admission.metrics import AdmissionMetrics
from pilothouse.apiserver.admission.plugins.validatingadmissionwebhook import ValidatingAdmissionWebhook
from pilothouse.apiserver.server import ServerTLS, context_of, new_event_loop
from pilothouse.apiserver.webhooks.client import WebhookClient
from pilothouse.cluster import certificates
from pilothouse.cmd.process import freeze_memory
from pilothouse.kit.clock import SystemClock
from pilothouse.kit.entropy import Entropy
from pilothouse.machinery.codec import from_dict
from tests.bench.admission_policies import NAMESPACE, RULE, request
from tests.bench.figure import p50, report
from tests.bench.processes import processor_seconds

CALLS, ROUNDS = 100, 12


class World:
    """A cluster with one webhook."""

    catalogue, clock, metrics, entropy = built_in(), SystemClock(), AdmissionMetrics(), Entropy()

    def __init__(self, url: str, bundle: str) -> None:
        hook = {
            "name": "pods.example.com",
            "clientConfig": {"url": url, "caBundle": bundle},
            "rules": [RULE],
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
            "failurePolicy": "Fail",
            "matchPolicy": "Equivalent",
            "timeoutSeconds": 10,
        }
        configuration = {"metadata": {"name": "bench", "resourceVersion": "1"}, "webhooks": [hook]}
        self.configurations = [from_dict(configuration, ValidatingWebhookConfiguration)]

        async def resolve(service: Any) -> Any:
            raise NotImplementedError

        self.webhooks = WebhookClient(resolve)

    async def get(self, kind: type[Any], name: str, namespace: str = "") -> Any:
        return NAMESPACE

    async def list(self, kind: type[Any], namespace: str = "") -> list[Any]:
        return self.configurations

    def changed(self, kind: type[Any]) -> int:
        return 1


async def serve(folder: Path) -> None:
    """The webhook: allows everything."""

    async def answer(http: web.BaseRequest) -> web.StreamResponse:
        uid = msgspec.json.decode(await http.read())["request"]["uid"]
        response = {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "response": {"uid": uid, "allowed": True}}
        return web.Response(body=msgspec.json.encode(response), content_type="application/json")

    tls = ServerTLS("", *(str(folder / name) for name in ("apiserver.crt", "apiserver.key")))
    loop = asyncio.get_running_loop()
    server = await loop.create_server(web.Server(answer, access_log=None), "127.0.0.1", 0, ssl=context_of(tls))
    freeze_memory()
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()


async def timed(call: Callable[[], Awaitable[Any]]) -> tuple[float, float]:
    """Microseconds of a call, and of this process's processor."""
    begin, used = time.perf_counter(), time.process_time()
    for _ in range(CALLS):
        await call()
    return (time.perf_counter() - begin) / CALLS * 1e6, (time.process_time() - used) / CALLS * 1e6


async def measure(folder: Path, port: int, pid: int) -> None:
    bundle = base64.b64encode((folder / "ca.crt").read_bytes()).decode()
    world: Any = World(f"https://127.0.0.1:{port}/", bundle)
    plugin, sent = ValidatingAdmissionWebhook(), list[bytes]()
    asked = world.webhooks.call

    async def noting(endpoint: Any, review: bytes, seconds: float) -> bytes:
        sent.append(review)
        answer: bytes = await asked(endpoint, review, seconds)
        return answer

    world.webhooks = SimpleNamespace(call=noting, now=world.webhooks.now, aclose=world.webhooks.aclose)
    await plugin.validate(request(), world)
    world.webhooks.call = asked
    context = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=client_context(folder)))
    async with context as session:

        async def bare() -> bytes:
            async with session.post(f"https://127.0.0.1:{port}/?timeout=10s", data=sent[0]) as response:
                return await response.read()

        rounds = [(await timed(bare), await timed(lambda: plugin.validate(request(), world))) for _ in range(ROUNDS)]
    await world.webhooks.aclose()
    report("admission_webhook_bare", p50([bare[0] for bare, _ in rounds]), "us")
    report("admission_webhook_bare_cpu", min(bare[1] for bare, _ in rounds), "us")
    report("admission_webhook_cpu", min(ours[1] for _, ours in rounds), "us")
    report("admission_webhook_server_cpu", processor_seconds(pid) / (2 * CALLS * ROUNDS) * 1e6, "us")
    report("admission_webhook", p50([ours[0] / bare[0] for bare, ours in rounds]), "of the bare round trip", at_most=1.3)


def client_context(folder: Path) -> Any:
    import ssl

    context = ssl.create_default_context(cafile=str(folder / "ca.crt"))
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        leaf = certificates.Subject("apiserver", "webhook", names=["127.0.0.1"], client=False)
        certificates.make(Path(name), [leaf], SystemClock(), Entropy())
        server = subprocess.Popen([sys.executable, __file__, name], stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout is not None
            port = int(server.stdout.readline())  # of our own child
            with asyncio.Runner(loop_factory=new_event_loop) as runner:
                runner.run(measure(Path(name), port, server.pid))
        finally:
            server.terminate()
            server.wait(10)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            runner.run(serve(Path(sys.argv[1])))
    else:
        main()
