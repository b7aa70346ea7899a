"""The key that signs ServiceAccount tokens in tests: one a process, since making one takes longer than starting a cluster."""

from __future__ import annotations

from functools import cache, cached_property
from typing import Any

from pilothouse.apiserver.auth.keys import ServiceAccountKeys


@cache
def process_key() -> Any:
    """The RSA key of this process, made once."""
    from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

    return generate_private_key(public_exponent=65537, key_size=2048)


class ProcessKeys(ServiceAccountKeys):
    """Signing keys shared by all clusters of this process, and trusted by no others."""

    def __init__(self) -> None:
        super().__init__("")

    @cached_property
    def private(self) -> Any:
        """The key that signs."""
        return process_key()
