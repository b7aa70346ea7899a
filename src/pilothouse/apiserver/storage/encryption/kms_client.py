"""Calls of a KMS plugin (version 2) over gRPC on a Unix socket, each with a deadline. Upstream: envelope/kmsv2/grpc_service.go."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import grpc

from pilothouse.apiserver.storage.encryption.kms_messages import CLASSES, SERVICE, Encrypted, Status
from pilothouse.apiserver.storage.encryption.metrics import EncryptionMetrics
from pilothouse.kit.clock import Clock

CODES = {
    "OK": "OK", "CANCELLED": "Canceled", "UNKNOWN": "Unknown", "INVALID_ARGUMENT": "InvalidArgument",
    "DEADLINE_EXCEEDED": "DeadlineExceeded", "NOT_FOUND": "NotFound", "ALREADY_EXISTS": "AlreadyExists",
    "PERMISSION_DENIED": "PermissionDenied", "RESOURCE_EXHAUSTED": "ResourceExhausted", "FAILED_PRECONDITION": "FailedPrecondition",
    "ABORTED": "Aborted", "OUT_OF_RANGE": "OutOfRange", "UNIMPLEMENTED": "Unimplemented", "INTERNAL": "Internal",
    "UNAVAILABLE": "Unavailable", "DATA_LOSS": "DataLoss", "UNAUTHENTICATED": "Unauthenticated",
}  # fmt: skip
"""gRPC's codes as Go prints them."""


class KmsFailed(Exception):
    """A call that failed; the text is Go's."""


def target_of(endpoint: str) -> str:
    """The address of `unix:///path`, or `unix:///@name` in the abstract namespace, as gRPC has it."""
    path = urlsplit(endpoint).path
    return f"unix-abstract:{path[2:]}" if path.startswith("/@") else f"unix:{path}"


class KmsClient:
    """One plugin. Made in a running loop; nothing is called before the first use."""

    def __init__(self, name: str, endpoint: str, seconds: float, clock: Clock, metrics: EncryptionMetrics) -> None:
        self._name, self._seconds, self._clock, self._metrics = name, seconds, clock, metrics
        self._channel = grpc.aio.insecure_channel(target_of(endpoint), options=[("grpc.default_authority", "localhost")])

    async def status(self) -> Status:
        """How the plugin is. KmsFailed."""
        said = await self._call("Status")
        return Status(said.version, said.healthz, said.key_id)

    async def encrypt(self, uid: str, plaintext: bytes) -> Encrypted:
        """A seed, encrypted. KmsFailed."""
        said = await self._call("Encrypt", plaintext=plaintext, uid=uid)
        return Encrypted(said.ciphertext, said.key_id, dict(said.annotations))

    async def decrypt(self, uid: str, ciphertext: bytes, key_id: str, annotations: Mapping[str, bytes]) -> bytes:
        """A seed in plain. KmsFailed."""
        said = await self._call("Decrypt", ciphertext=ciphertext, uid=uid, key_id=key_id, annotations=dict(annotations))
        plaintext: bytes = said.plaintext
        return plaintext

    async def _call(self, method: str, **fields: Any) -> Any:
        path, since, code = f"/{SERVICE}/{method}", self._clock.monotonic(), "OK"
        call = self._channel.unary_unary(path, CLASSES[f"{method}Request"].SerializeToString, CLASSES[f"{method}Response"].FromString)
        try:
            return await call(CLASSES[f"{method}Request"](**fields), timeout=self._seconds, wait_for_ready=True)
        except grpc.aio.AioRpcError as error:
            code = CODES.get(error.code().name, error.code().name)
            details = "context deadline exceeded" if code == "DeadlineExceeded" else error.details()
            raise KmsFailed(f"rpc error: code = {code} desc = {details}") from error
        finally:
            self._metrics.kms_seconds.observe((self._name, path, code), self._clock.monotonic() - since)

    async def close(self) -> None:
        """End the connection."""
        await self._channel.close()
