"""An OpenID Connect issuer over TLS: discovery, keys that rotate, tokens, endpoints of distributed claims; it can be down."""

from __future__ import annotations

import contextlib
import json
import ssl
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from pilothouse.cluster import certificates
from pilothouse.kit.clock import SystemClock
from pilothouse.kit.entropy import Entropy

LEAF = certificates.Subject("issuer", "issuer", names=["127.0.0.1", "localhost"], client=False)


@dataclass(slots=True)
class Signer:
    """A key of the issuer."""

    key_id: str
    key: Any
    algorithm: str

    def jwk(self) -> dict[str, Any]:
        """Its public half."""
        maker = jwt.algorithms.ECAlgorithm if self.algorithm.startswith("ES") else jwt.algorithms.RSAAlgorithm
        return {**json.loads(maker.to_jwk(self.key.public_key())), "kid": self.key_id, "alg": self.algorithm, "use": "sig"}


@dataclass(slots=True)
class IssuerServer:
    """What it answers can be changed while it runs."""

    folder: Path
    signers: list[Signer] = field(default_factory=list)
    is_down: bool = False
    document: dict[str, Any] = field(default_factory=dict)
    """Changes of the discovery document."""
    headers: dict[str, str] = field(default_factory=dict)
    """Of the keys' answer."""
    claims_token: str = ""
    asked: list[str] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        """The issuer's name."""
        return f"https://127.0.0.1:{self.port}"

    @property
    def authority(self) -> str:
        """PEM of who vouches for it."""
        return (self.folder / "ca.crt").read_text()

    def rotate(self, algorithm: str = "ES256", *, keep: bool = False) -> Signer:
        """Sign with a new key, in place of those before or beside them."""
        key: Any = ec.generate_private_key(ec.SECP256R1()) if algorithm == "ES256" else rsa.generate_private_key(65537, 2048)
        signer = Signer(f"key-{len(self.asked)}-{len(self.signers)}-{algorithm}", key, algorithm)
        self.signers = [signer, *(self.signers if keep else ())]
        return signer

    def token(self, signer: Signer | None = None, **claims: Any) -> str:
        """A token for audience `x`, of `jane`, for an hour; a claim that is None is left out."""
        signer = signer or self.signers[0]
        now = int(time.time())
        said = {"iss": self.url, "sub": "jane", "aud": "x", "iat": now, "exp": now + 3600, **claims}
        left = {name: value for name, value in said.items() if value is not None}
        return jwt.encode(left, signer.key, signer.algorithm, headers={"kid": signer.key_id})

    async def answer(self, request: web.BaseRequest) -> web.Response:
        """Any request."""
        self.asked.append(request.path)
        if self.is_down:
            return web.Response(status=503, text="down")
        if request.path == "/keys":
            return web.json_response({"keys": [signer.jwk() for signer in self.signers]}, headers=self.headers)
        if request.path == "/claims":
            return web.Response(text=self.claims_token)
        if request.path == "/redirect":
            return web.Response(status=302, headers={"Location": f"{self.url}/keys"})
        return web.json_response({"issuer": self.url, "jwks_uri": f"{self.url}/keys", **self.document})


@contextlib.asynccontextmanager
async def issuer_server(folder: Path) -> AsyncIterator[IssuerServer]:
    """An issuer that runs until the end of the block."""
    certificates.make(folder, [LEAF], SystemClock(), Entropy())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "issuer.crt", folder / "issuer.key")
    issuer = IssuerServer(folder)
    issuer.rotate()
    runner = web.ServerRunner(web.Server(issuer.answer))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    issuer.port = runner.addresses[0][1]
    try:
        yield issuer
    finally:
        await runner.cleanup()
