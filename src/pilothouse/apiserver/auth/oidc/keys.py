"""The keys of an issuer, and the signatures made with them.

- Keys are fetched when a token comes that none of those at hand has signed, and are kept as long as the issuer says (`Cache-Control`,
  `Expires`) or until such a token comes; the requests of one moment share one fetch.
- Only asymmetric algorithms are known: a public key is no secret to share.

Upstream: coreos/go-oidc, remoteKeySet.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

from pilothouse.apiserver.auth.credentials import Fetch, Fetched, FetchFailed
from pilothouse.apiserver.auth.oidc.claims import decoded
from pilothouse.kit.clock import Clock
from pilothouse.kit.singleflight import SingleFlight
from pilothouse.machinery import strconv

ALGORITHMS = ("ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512")
EXPIRY_DELTA_SECONDS = 30.0
MAX_AGE = re.compile(r"(?:^|,)\s*max-age\s*=\s*\"?([0-9]+)")
MOST_KEYS = 256


@dataclass(frozen=True, slots=True)
class Key:
    """A public key of an issuer: `id` as its JWK says, "" without one."""

    id: str
    algorithm: str
    kind: str
    key: Any


def keys_in(body: bytes) -> list[Key]:
    """The keys of a JSON Web Key Set that can verify; ValueError for what is none."""
    parsed = orjson.loads(body)
    listed = parsed.get("keys") if isinstance(parsed, dict) else None
    if not isinstance(listed, list):
        raise ValueError("no keys")
    read = (key_of(each) for each in listed[:MOST_KEYS] if isinstance(each, dict))
    return [key for key in read if key is not None]


def key_of(jwk: Mapping[str, Any]) -> Key | None:
    """The public key of a JSON Web Key; None for kinds that no known algorithm uses."""
    from jwt import PyJWTError
    from jwt.algorithms import ECAlgorithm, RSAAlgorithm

    makers: dict[str, Any] = {"RSA": RSAAlgorithm, "EC": ECAlgorithm}
    maker = makers.get(str(jwk.get("kty")))
    if maker is None or jwk.get("use", "sig") != "sig":
        return None
    try:
        key: Any = maker.from_jwk(dict(jwk))
    except (PyJWTError, ValueError, TypeError, KeyError) as error:
        raise ValueError(f"invalid JSON Web Key: {error}") from error
    public = key.public_key() if hasattr(key, "private_numbers") else key
    return Key(str(jwk.get("kid") or ""), str(jwk.get("alg") or ""), str(jwk["kty"]), public)


def verifies(key: Key, algorithm: str, signed: bytes, signature: bytes) -> bool:
    """Whether `signature` over `signed` was made by the key's owner with one of ALGORITHMS."""
    from cryptography.exceptions import InvalidSignature
    from jwt.algorithms import get_default_algorithms

    if algorithm not in ALGORITHMS or key.kind != ("EC" if algorithm.startswith("ES") else "RSA"):
        return False
    try:
        return bool(get_default_algorithms()[algorithm].verify(signed, key.key, signature))
    except (ValueError, InvalidSignature, TypeError):
        return False


@dataclass(slots=True)
class RemoteKeys:
    """The keys behind a URL. `told` is told of each fetch: the body that keys came in, or None for a failure."""

    url: str
    authorities: str
    fetch: Fetch
    clock: Clock
    told: Callable[[bytes | None], None] = lambda body: None
    _keys: Sequence[Key] = ()
    _expires: float = float("-inf")
    _flight: SingleFlight[str, Sequence[Key]] = field(default_factory=SingleFlight)

    async def verify(self, token: str, key_id: str, algorithm: str) -> None:
        """ValueError in upstream's words unless the issuer has signed the token."""
        signed, _, signature = token.rpartition(".")
        octets = decoded(signature)
        if _any(self._keys, key_id, algorithm, signed.encode(), octets):
            return
        if self.clock.monotonic() + EXPIRY_DELTA_SECONDS <= self._expires:
            raise ValueError("failed to verify id token signature")
        try:
            keys = await self._flight.run(self.url, self._fetch)
        except FetchFailed as error:
            raise ValueError(f"fetching keys {error}") from error
        if not _any(keys, key_id, algorithm, signed.encode(), octets):
            raise ValueError("failed to verify id token signature")

    async def _fetch(self) -> Sequence[Key]:
        try:
            answer = await self.fetch(self.url, self.authorities, "")
            keys = _read(answer)
        except FetchFailed as error:
            self.told(None)
            raise FetchFailed(f"oidc: get keys failed {error}") from error
        except ValueError as error:
            self.told(None)
            raise FetchFailed(str(error)) from error
        self.told(answer.body)
        self._keys = keys
        self._expires = self.clock.monotonic() + seconds_kept(answer.headers, self.clock.now().timestamp())
        return keys


def _any(keys: Sequence[Key], key_id: str, algorithm: str, signed: bytes, signature: bytes) -> bool:
    return any(verifies(key, algorithm, signed, signature) for key in keys if not key_id or key.id == key_id)


def _read(answer: Fetched) -> Sequence[Key]:
    body = answer.body.decode(errors="replace")
    if not answer.status.startswith("200 "):
        raise ValueError(f"oidc: get keys failed: {answer.status} {body}")
    try:
        return keys_in(answer.body)
    except ValueError as error:
        raise ValueError(f"oidc: failed to decode keys: {error} {body}") from error


def seconds_kept(headers: Mapping[str, str], now: float) -> float:
    """How long an answer may be kept: 0 where it does not say."""
    control = headers.get("cache-control", "").lower()
    if "no-store" in control or "no-cache" in control:
        return 0.0
    if (age := MAX_AGE.search(control)) is not None:
        return (strconv.unsigned(age[1], range(1 << 31)) or 0) + 0.0
    try:
        return max(0.0, parsedate_to_datetime(headers["expires"]).timestamp() - now)
    except (KeyError, ValueError, TypeError):
        return 0.0
