"""EncryptionConfigurations for tests, and stores encrypted by them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pilothouse.apiserver.registry.encryption import encrypted
from pilothouse.apiserver.storage.encryption.effective import Encryption
from pilothouse.apiserver.storage.encryption.storage import EncryptedStorage
from pilothouse.apiserver.storage.interface import Storage
from pilothouse.apiserver.storage.memory import MemoryStorage
from pilothouse.kit.clock import Clock, SystemClock
from pilothouse.kit.entropy import Entropy

KEY16, KEY32 = "c2VjcmV0IGlzIHNlY3VyZQ==", "YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXoxMjM0NTY="
IDENTITY: Mapping[str, Any] = {"identity": {}}


def keys(provider: str, *named: tuple[str, str]) -> Mapping[str, Any]:
    """A local provider with its keys."""
    return {provider: {"keys": [{"name": name, "secret": secret} for name, secret in named]}}


def rule(resources: list[str], *providers: Mapping[str, Any]) -> Mapping[str, Any]:
    """Resources and their providers."""
    return {"resources": resources, "providers": providers}


def write(file: Path, *rules: Mapping[str, Any]) -> Path:
    """A file with these rules."""
    head = {"apiVersion": "apiserver.config.k8s.io/v1", "kind": "EncryptionConfiguration"}
    file.write_text(json.dumps({**head, "resources": rules}))
    return file


async def store(
    file: Path,
    *rules: Mapping[str, Any],
    inner: Storage | None = None,
    reloads: bool = False,
    clock: Clock | None = None,
    prefix: str = "/registry",
) -> EncryptedStorage:
    """A store encrypted by these rules, in memory unless another is given."""
    encryption = Encryption(clock or SystemClock(), Entropy(1), write(file, *rules), reloads)
    await encryption.start()
    return encrypted(inner or MemoryStorage(), encryption, prefix)
