"""The local providers, in upstream's form on disk: AES-GCM (with a nonce, or with a key derived from a seed), AES-CBC, secretbox.

Upstream: storage/value/encrypt. AES-GCM authenticates the key in the store with the value; AES-CBC and secretbox do not.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from pilothouse.apiserver.storage.encryption.transforming import Context, Opened, TransformationFailed
from pilothouse.kit.secure_random import SecureRandom

NONCE_BYTES, TAG_BYTES, BLOCK_BYTES = 12, 16, 16
SEED_BYTES = INFO_BYTES = 32
SECRETBOX_NONCE_BYTES = 24
TOO_SHORT = "the stored data was shorter than the required size"
NOT_AUTHENTIC = "cipher: message authentication failed"


class Gcm:
    """`aesgcm`: a nonce of 12 bytes, then the value and its tag."""

    def __init__(self, key: bytes, random: SecureRandom) -> None:
        self._cipher = AESGCM(key)
        self._random = random

    def seal(self, value: bytes, context: Context) -> bytes:
        """Encrypt with a nonce of its own."""
        nonce = self._random.bytes(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, value, context.key)

    def open(self, value: bytes, context: Context) -> Opened:
        """Decrypt; TransformationFailed for what was changed, or stood at another key."""
        if len(value) < NONCE_BYTES:
            raise TransformationFailed(TOO_SHORT)
        try:
            return Opened(self._cipher.decrypt(value[:NONCE_BYTES], value[NONCE_BYTES:], context.key), stale=False)
        except (InvalidTag, ValueError) as error:
            raise TransformationFailed(NOT_AUTHENTIC) from error


class SeededGcm:
    """AES-GCM under a key derived for each value from a seed and 32 random bytes, which stand before it: a seed never wears out."""

    def __init__(self, seed: bytes, random: SecureRandom) -> None:
        if len(seed) < SEED_BYTES:
            raise TransformationFailed(f"invalid seed length {len(seed)} used for key generation")
        self._seed = seed
        self._random = random

    def _derived(self, info: bytes) -> Gcm:
        return Gcm(HKDFExpand(hashes.SHA256(), 32, info).derive(self._seed), self._random)

    def seal(self, value: bytes, context: Context) -> bytes:
        """Encrypt under a key of its own."""
        info = self._random.bytes(INFO_BYTES)
        return info + self._derived(info).seal(value, context)

    def open(self, value: bytes, context: Context) -> Opened:
        """Decrypt; raises TransformationFailed as Gcm does."""
        if len(value) < INFO_BYTES:
            raise TransformationFailed(TOO_SHORT)
        return self._derived(value[:INFO_BYTES]).open(value[INFO_BYTES:], context)


class Cbc:
    """`aescbc`: an initialization vector of 16 bytes, then the value with PKCS#7 padding."""

    def __init__(self, key: bytes, random: SecureRandom) -> None:
        self._key = AES(key)
        self._random = random

    def seal(self, value: bytes, context: Context) -> bytes:
        """Encrypt under a vector of its own; nothing is authenticated."""
        vector = self._random.bytes(BLOCK_BYTES)
        padding = BLOCK_BYTES - len(value) % BLOCK_BYTES
        encryptor = Cipher(self._key, CBC(vector)).encryptor()
        return vector + encryptor.update(value + bytes((padding,)) * padding) + encryptor.finalize()

    def open(self, value: bytes, context: Context) -> Opened:
        """Decrypt; TransformationFailed for what cannot have been encrypted so."""
        if len(value) < BLOCK_BYTES:
            raise TransformationFailed(TOO_SHORT)
        if len(value) % BLOCK_BYTES:
            raise TransformationFailed("the stored data is not a multiple of the block size")
        decryptor = Cipher(self._key, CBC(value[:BLOCK_BYTES])).decryptor()
        padded = decryptor.update(value[BLOCK_BYTES:]) + decryptor.finalize()
        padding = padded[-1] if padded else 0
        if not 0 < padding <= len(padded):
            raise TransformationFailed("invalid PKCS7 data (empty or not padded)")
        if padded[-padding:] != bytes((padding,)) * padding:
            raise TransformationFailed("invalid padding on input")
        return Opened(padded[:-padding], stale=False)


class Secretbox:
    """`secretbox`: XSalsa20 and Poly1305 under a nonce of 24 bytes, which stands before."""

    def __init__(self, key: bytes, random: SecureRandom) -> None:
        from nacl.bindings import crypto_secretbox, crypto_secretbox_open

        self._key = key
        self._random = random
        self._seal, self._open = crypto_secretbox, crypto_secretbox_open

    def seal(self, value: bytes, context: Context) -> bytes:
        """Encrypt with a nonce of its own; the key in the store is not authenticated."""
        nonce = self._random.bytes(SECRETBOX_NONCE_BYTES)
        sealed: bytes = self._seal(value, nonce, self._key)
        return nonce + sealed

    def open(self, value: bytes, context: Context) -> Opened:
        """Decrypt; TransformationFailed for what was changed."""
        if len(value) < SECRETBOX_NONCE_BYTES + TAG_BYTES:
            raise TransformationFailed(TOO_SHORT)
        try:
            return Opened(self._open(value[SECRETBOX_NONCE_BYTES:], value[:SECRETBOX_NONCE_BYTES], self._key), stale=False)
        except Exception as error:  # CryptoError of a library that is only imported here
            raise TransformationFailed("output array was not large enough for encryption") from error
