"""HTTPS servers on loopback for tests: well-behaved ones, and ones that write what a test says."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Review = dict[str, Any]
Handler = Callable[[Review], Review | web.Response | Awaitable[Review | web.Response]]


@dataclass
class Certificate:
    """A self-signed certificate, which is its own authority."""

    folder: Path
    pem: bytes

    @property
    def bundle(self) -> str:
        return base64.b64encode(self.pem).decode()

    def context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / "cert.pem", self.folder / "key.pem")
        return context


def certificate(
    folder: Path, names: Sequence[str] = ("localhost",), *, common_name: str = "webhook", days: tuple[int, int] = (-1, 30)
) -> Certificate:
    """Valid from so many days from now until so many."""
    folder.mkdir(parents=True, exist_ok=True)
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now + timedelta(days[0])).not_valid_after(now + timedelta(days[1]))
    if names:
        import ipaddress

        found = [x509.IPAddress(ipaddress.ip_address(name)) if name[0].isdigit() else x509.DNSName(name) for name in names]
        builder = builder.add_extension(x509.SubjectAlternativeName(found), critical=False)
    pem = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    (folder / "cert.pem").write_bytes(pem)
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(private)
    return Certificate(folder, pem)


@dataclass
class WebhookServer:
    """What was asked of it, and how many connections it has had."""

    port: int
    bundle: str
    reviews: list[Review] = field(default_factory=list)
    requests: list[web.Request] = field(default_factory=list)
    connections: set[int] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"


@asynccontextmanager
async def serving_webhook(handler: Handler, certificate: Certificate) -> AsyncIterator[WebhookServer]:
    """A server that answers each review with what `handler` makes of it."""
    found = WebhookServer(0, certificate.bundle)

    async def answer(request: web.Request) -> web.StreamResponse:
        review = orjson.loads(await request.read())
        found.reviews.append(review)
        found.requests.append(request)
        found.connections.add(id(request.transport))
        made = handler(review)
        if isinstance(made, Awaitable):
            made = await made
        return made if isinstance(made, web.StreamResponse) else web.Response(body=orjson.dumps(made), content_type="application/json")

    application = web.Application(client_max_size=64 << 20)
    application.router.add_post("/{tail:.*}", answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=certificate.context())
    await site.start()
    found.port = runner.addresses[0][1]
    try:
        yield found
    finally:
        await runner.cleanup()


Raw = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving_raw(talk: Raw, certificate: Certificate | None) -> AsyncIterator[int]:
    """A server that does with each connection, after the request has come, what `talk` says; without a certificate it speaks no TLS."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            await talk(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=certificate.context() if certificate else None)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
