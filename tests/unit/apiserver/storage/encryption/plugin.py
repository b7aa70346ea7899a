"""A KMS plugin (version 2) for tests: gRPC on a Unix socket; it encrypts by turning bytes around, and does what it is told to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc

from pilothouse.apiserver.storage.encryption.kms_messages import CLASSES, SERVICE


class KmsPlugin:
    """Its key is `key_id`; it is well while `healthz` is "ok". `calls` has the methods that were called."""

    def __init__(self) -> None:
        self.key_id, self.said_key_id, self.healthz, self.version = "1", "", "ok", "v2"
        self.fails_to = ""
        self.calls: list[str] = []

    async def _status(self, request: Any, context: Any) -> Any:
        self.calls.append("Status")
        return CLASSES["StatusResponse"](version=self.version, healthz=self.healthz, key_id=self.said_key_id or self.key_id)

    async def _encrypt(self, request: Any, context: Any) -> Any:
        self.calls.append("Encrypt")
        if self.fails_to == "Encrypt":
            await context.abort(grpc.StatusCode.INTERNAL, "no key")
        answer = CLASSES["EncryptResponse"](ciphertext=request.plaintext[::-1], key_id=self.key_id)
        answer.annotations["made.example.com"] = b"\0by"
        return answer

    async def _decrypt(self, request: Any, context: Any) -> Any:
        self.calls.append("Decrypt")
        if self.fails_to == "Decrypt":
            await context.abort(grpc.StatusCode.UNAVAILABLE, "asleep")
        assert dict(request.annotations) == {"made.example.com": b"\0by"}
        return CLASSES["DecryptResponse"](plaintext=request.ciphertext[::-1])

    @asynccontextmanager
    async def serving(self, socket: Path) -> AsyncIterator[None]:
        """Serve on a socket until the end of the block."""
        server = grpc.aio.server()
        methods = {"Status": self._status, "Encrypt": self._encrypt, "Decrypt": self._decrypt}
        handlers = {
            name: grpc.unary_unary_rpc_method_handler(
                method, CLASSES[f"{name}Request"].FromString, CLASSES[f"{name}Response"].SerializeToString
            )
            for name, method in methods.items()
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
        server.add_insecure_port(f"unix:{socket}")
        await server.start()
        try:
            yield
        finally:
            await server.stop(None)
