"""The keys of ServiceAccount tokens: one to sign with, all that are believed.

Read from PEM files at first use; `cryptography` is imported then, which keeps it out of the start.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pilothouse.machinery.jsonwebkeys import ALGORITHM, algorithm_of, base64url, key_id

BLOCK = re.compile(rb"-----BEGIN [A-Z0-9 ]+-----.*?-----END [A-Z0-9 ]+-----\s*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that is believed, and the algorithm of its signatures."""

    public: Any
    algorithm: str


class ServiceAccountKeys:
    """`signing_file` holds a private key, RSA or elliptic. Believed are the keys in `verification_files`, or its public
    half where there are none."""

    def __init__(self, signing_file: str | Path, verification_files: Sequence[str | Path] = ()) -> None:
        self._signing_file = Path(signing_file)
        self._verification_files = tuple(Path(path) for path in verification_files)

    @cached_property
    def private(self) -> Any:
        """The private key that signs tokens. Reads its file on first use; raises OSError or ValueError when that fails."""
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        return load_pem_private_key(self._signing_file.read_bytes(), None)

    @cached_property
    def public(self) -> dict[str, PublicKey]:
        """The believed keys by their ids. OSError or ValueError for a file that cannot be read or holds none."""
        keys = [key for file in self._verification_files for key in _keys_in(file)] or [self.private.public_key()]
        return {key_id(key): PublicKey(key, algorithm_of(key)) for key in keys}

    @cached_property
    def id(self) -> str:
        """The id of the key that signs."""
        return key_id(self.private.public_key())

    @cached_property
    def algorithm(self) -> str:
        """The algorithm that the key that signs is for."""
        return algorithm_of(self.private.public_key())

    def jwks(self) -> dict[str, Any]:
        """The believed keys as a JSON Web Key Set."""
        return {"keys": [jwk(name, key) for name, key in self.public.items()]}


def _keys_in(file: Path) -> list[Any]:
    try:
        return public_keys_in(file.read_bytes())
    except ValueError as error:
        raise ValueError(f"error reading public key file {file}: {error}") from error


def public_keys_in(pem: bytes) -> list[Any]:
    """The public keys of a PEM text with one or more blocks. ValueError for none."""
    read = [public_key_in(block) for block in BLOCK.findall(pem)]
    keys = [key for key in read if hasattr(key, "verify")]
    if not keys:
        raise ValueError("data does not contain any valid RSA or ECDSA public keys")
    return keys


def public_key_in(pem: bytes) -> Any:
    """The public key of a PEM text: itself, or that of a certificate or of a private key, as upstream takes them. ValueError for none."""
    from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
    from cryptography.x509 import load_pem_x509_certificate

    if b"-----BEGIN CERTIFICATE-----" in pem:
        return load_pem_x509_certificate(pem).public_key()
    if b"PRIVATE KEY-----" in pem:
        return load_pem_private_key(pem, None).public_key()
    return load_pem_public_key(pem)


def jwk(name: str, key: PublicKey) -> dict[str, str]:
    """A public key as a JSON Web Key (RFC 7517) with key id `name`."""
    numbers = key.public.public_numbers()
    head = {"use": "sig", "kty": "RSA" if key.algorithm == ALGORITHM else "EC", "kid": name}
    if key.algorithm == ALGORITHM:
        return {**head, "alg": key.algorithm, "n": _octets(numbers.n), "e": _octets(numbers.e)}
    size = (key.public.key_size + 7) // 8
    curve = f"P-{key.public.key_size}"
    return {**head, "crv": curve, "alg": key.algorithm, "x": _octets(numbers.x, size), "y": _octets(numbers.y, size)}


def _octets(number: int, size: int = 0) -> str:
    return base64url(number.to_bytes(size or (number.bit_length() + 7) // 8, "big"))
