"""`kms`, version 2: values are encrypted under seeds of this server's own, which a plugin behind a Unix socket encrypts.

- A seed is made when the plugin names another key (`Status` is asked every minute, every ten seconds while it fails). While the plugin
  fails, the last seed may be used for three minutes; reading goes on for ever.
- Seeds of other servers, and of earlier ones, are decrypted by the plugin once, and kept.

Upstream: storage/value/encrypt/envelope/kmsv2 and kmsv2PluginProbe of encryptionconfig/config.go.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pilothouse.apiserver.storage.encryption import kms_messages as pb
from pilothouse.apiserver.storage.encryption.ciphers import SEED_BYTES, Gcm, SeededGcm
from pilothouse.apiserver.storage.encryption.kms_client import KmsClient, KmsFailed
from pilothouse.apiserver.storage.encryption.metrics import FROM_STORAGE, TO_STORAGE, EncryptionMetrics
from pilothouse.apiserver.storage.encryption.transformers import join_problems
from pilothouse.apiserver.storage.encryption.transforming import Context, KeyMissing, Opened, TransformationFailed, Transformer
from pilothouse.kit.clock import Clock
from pilothouse.kit.entropy import Entropy
from pilothouse.kit.secure_random import SecureRandom
from pilothouse.machinery import names, time
from pilothouse.machinery.digests import digest_of

POSITIVE_SECONDS, NEGATIVE_SECONDS = 60.0, 10.0
"""Between two looks at a plugin that is well, and at one that is not."""
WRITE_LIFE = timedelta(minutes=3)
ANSWER_KEPT = {True: 20.0, False: 3.0}
"""How long a health check repeats the last answer, by whether that was good."""
VERSIONS = ("v2", "v2beta1")
KEY_ID_BYTES, SEED_CIPHERTEXT_BYTES, ANNOTATIONS_BYTES = 1024, 1024, 32 * 1024
CACHE_SECONDS = 24 * 3600.0
"""How long a seed that is not used is kept."""
CacheKey = tuple[int, bytes, str, tuple[tuple[str, bytes], ...]]


@dataclass(frozen=True, slots=True)
class Seed:
    """What values are encrypted under now. Valid for reading always, for writing until `expires`."""

    transformer: Transformer
    key_id: str
    ciphertext: bytes
    annotations: Mapping[str, bytes]
    expires: datetime

    @property
    def cache_key(self) -> CacheKey:
        """By which a reader finds the transformer again."""
        return cache_key(pb.SEED, self.ciphertext, self.key_id, self.annotations)


@dataclass(slots=True)
class Answer:
    """The last answer of a plugin to a health check; `problem` is "" when it was well."""

    problem: str = ""
    at: float = float("-inf")


def cache_key(kind: int, ciphertext: bytes, key_id: str, annotations: Mapping[str, bytes]) -> CacheKey:
    """All that tells an encrypted seed from another."""
    return (kind, ciphertext, key_id, tuple(sorted(annotations.items())))


def key_id_problem(key_id: str) -> tuple[str, str]:
    """Upstream's code and text of what is wrong with a key's id; ("ok", "") when nothing is."""
    size = len(key_id.encode())
    if not size:
        return "empty", "keyID is empty"
    return ("too_long", f"keyID is {size} bytes, which exceeds the max size of {KEY_ID_BYTES}") if size > KEY_ID_BYTES else ("ok", "")


def envelope_problem(kind: int, data: bytes, ciphertext: bytes, key_id: str, annotations: Mapping[str, bytes]) -> str:
    """What is wrong with an encrypted object, in upstream's order; "" when nothing is."""
    if kind not in (pb.KEY, pb.SEED):
        return f"unknown encryptedDEKSourceType: {kind}"
    if not data:
        return "encrypted data is empty"
    if not ciphertext:
        return "failed to validate encrypted DEK source: encrypted DEK source is empty"
    if len(ciphertext) > SEED_CIPHERTEXT_BYTES:
        text = f"encrypted DEK source is {len(ciphertext)} bytes, which exceeds the max size of {SEED_CIPHERTEXT_BYTES}"
        return f"failed to validate encrypted DEK source: {text}"
    if problem := key_id_problem(key_id)[1]:
        return f"failed to validate key id: {problem}"
    return _annotations_problem(annotations)


def _annotations_problem(annotations: Mapping[str, bytes]) -> str:
    wrong = "should be a domain with at least two segments separated by dots"
    problems = [f'annotations: Invalid value: "{name}": {wrong}' for name in annotations if "." not in name or names.dns_subdomain(name)]
    size = sum(len(name.encode()) + len(value) for name, value in annotations.items())
    if size > ANNOTATIONS_BYTES:
        problems.append(f"total size of annotations is {size}, which exceeds the max size of {ANNOTATIONS_BYTES}")
    return f"failed to validate annotations: {join_problems(problems)}" if problems else ""


@dataclass(slots=True)
class KmsProvider:
    """One plugin. `probe` first, and again and again (`run`); then it transforms."""

    name: str
    client: KmsClient
    clock: Clock
    entropy: Entropy
    random: SecureRandom
    metrics: EncryptionMetrics
    _seed: Seed | None = None
    _version: str = ""
    _answer: Answer = field(default_factory=Answer)
    _known: dict[CacheKey, tuple[Transformer, float]] = field(default_factory=dict)

    # Transforming.

    def seal(self, value: bytes, context: Context) -> bytes:
        """Encrypt under the seed that counts now; TransformationFailed when there is none, or the plugin has been failing for too long."""
        seed, now = self._current(), self.clock.now()
        if now > seed.expires:
            expired = f"encryptedDEKSource with keyID hash {quoted_hash(seed.key_id)} expired at {time.text(seed.expires)}"
            raise TransformationFailed(f"{expired} (current time is {time.text(now)})")
        self._keep(seed.cache_key, seed.transformer)
        sealed = seed.transformer.seal(value, context)
        self.metrics.used_key(TO_STORAGE, self.name, digest_of(seed.key_id), now.timestamp())
        return pb.encrypted_object(sealed, seed.key_id, seed.ciphertext, seed.annotations)

    def open(self, value: bytes, context: Context) -> Opened:
        """Decrypt; KeyMissing when the plugin must decrypt the seed first. What another key of the plugin has encrypted is stale."""
        try:
            message = pb.EncryptedObject.FromString(value)
        except Exception as error:  # DecodeError of protobuf
            raise TransformationFailed("proto: cannot parse invalid wire-format data") from error
        kind, annotations = message.encryptedDEKSourceType, dict(message.annotations)
        if problem := envelope_problem(kind, message.encryptedData, message.encryptedDEKSource, message.keyID, annotations):
            raise TransformationFailed(problem)
        current = self._current()
        key = cache_key(kind, message.encryptedDEKSource, message.keyID, annotations)
        known = self._known.get(key)
        if known is None:
            if key != current.cache_key:
                self.metrics.cache_misses += 1
                raise KeyMissing(self._fetching(key, message.encryptedDEKSource, message.keyID, annotations))
            known = (current.transformer, 0.0)
        self._keep(key, known[0])
        self.metrics.used_key(FROM_STORAGE, self.name, digest_of(message.keyID), self.clock.now().timestamp())
        opened = known[0].open(message.encryptedData, context)
        return Opened(opened.value, opened.stale or message.keyID != current.key_id or kind != pb.SEED)

    def _current(self) -> Seed:
        if self._seed is None:
            raise TransformationFailed("got unexpected nil transformer")
        return self._seed

    def _keep(self, key: CacheKey, transformer: Transformer) -> None:
        now = self.clock.monotonic()
        self._known[key] = (transformer, now)
        if len(self._known) > 1 and now - min(since for _, since in self._known.values()) > CACHE_SECONDS:
            self._known = {each: kept for each, kept in self._known.items() if now - kept[1] <= CACHE_SECONDS}
        self.metrics.cached_seeds[self.name] = len(self._known)

    def _fetching(self, key: CacheKey, ciphertext: bytes, key_id: str, annotations: Mapping[str, bytes]) -> Callable[[], Awaitable[None]]:
        async def fetch() -> None:
            if key in self._known:
                return
            try:
                plain = await self.client.decrypt(self.entropy.uid(), ciphertext, key_id, annotations)
            except KmsFailed as failed:
                raise TransformationFailed(f"failed to decrypt DEK, error: {failed}") from failed
            try:
                made = SeededGcm(plain, self.random) if key[0] == pb.SEED else Gcm(plain, self.random)
            except ValueError as error:
                raise TransformationFailed(f"crypto/aes: invalid key size {len(plain)}") from error
            self._keep(key, made)

        return fetch

    # Looking after the plugin.

    async def run(self) -> None:
        """Look at the plugin from time to time until cancelled."""
        while True:
            problem = await self.probe()
            await self.clock.sleep(NEGATIVE_SECONDS if problem else POSITIVE_SECONDS)

    async def check(self) -> str:
        """What is wrong with the plugin, "" when nothing is; the last answer counts for a while."""
        if self.clock.monotonic() - self._answer.at < ANSWER_KEPT[not self._answer.problem]:
            return self._answer.problem
        return await self.probe()

    async def probe(self) -> str:
        """Ask the plugin how it is, and make a new seed when it names another key. What is wrong, or ""."""
        try:
            status = await self.client.status()
        except KmsFailed as failed:
            kept = str(failed)
            problem = f"failed to perform status section of the healthz check for KMS Provider {self.name}, error: {failed}"
        else:
            kept = problem = await self._judged(status)
        self._answer = Answer(kept, self.clock.monotonic())
        return problem

    async def _judged(self, status: pb.Status) -> str:
        problems = []
        if status.healthz != "ok":
            problems.append(f"got unexpected healthz status: {status.healthz}")
        if status.version not in VERSIONS:
            problems.append(f"expected KMSv2 API version v2, got {status.version}")
        else:
            self._version = self._version or status.version
            if status.version != self._version:
                text = f"KMSv2 API version should not change after the initial status response version {self._version}"
                problems.append(f"{text}, got {status.version}")
        code, wrong = key_id_problem(status.key_id)
        if wrong:
            self.metrics.invalid_key_ids[self.name, code] += 1
            problems.append(f"got invalid KMSv2 KeyID hash {quoted_hash(status.key_id)}: {wrong}")
        else:
            self.metrics.saw_key(self.name, digest_of(status.key_id), self.clock.now().timestamp())
            if failed := await self._rotate(status.key_id):
                problems.append(failed)
        return f"kmsv2 Provider {self.name} is not healthy, error: {join_problems(problems)}" if problems else ""

    async def _rotate(self, key_id: str) -> str:
        """Take the key that the plugin names for new values; what went wrong, or ""."""
        expires, seed = self.clock.now() + WRITE_LIFE, self._seed
        if seed is not None and seed.key_id == key_id:
            self._seed = Seed(seed.transformer, seed.key_id, seed.ciphertext, seed.annotations, expires)
            return ""
        uid, since = self.entropy.uid(), self.clock.monotonic()
        plain = self.random.bytes(SEED_BYTES)
        self.metrics.generation_seconds.observe((), self.clock.monotonic() - since)
        said_id, problem = "", "<nil>"
        try:
            said = await self.client.encrypt(uid, plain)
            said_id = said.key_id
            wrong = envelope_problem(pb.SEED, b"\0", said.ciphertext, said.key_id, said.annotations)
            if not wrong and said.key_id == key_id:
                self._seed = Seed(SeededGcm(plain, self.random), key_id, said.ciphertext, said.annotations, expires)
                return ""
            problem = wrong or problem
        except KmsFailed as failed:
            problem = f"failed to encrypt DEK, error: {failed}"
        hashes = f"statusKeyIDHash={quoted_hash(key_id)}, encryptKeyIDHash={quoted_hash(said_id)}"
        was = "got unexpected nil transformer" if seed is None else "<nil>"
        old, expired = ("", "0001-01-01T00:00:00Z") if seed is None else (seed.key_id, time.text(seed.expires))
        state = f"stateKeyIDHash={quoted_hash(old)}, expirationTimestamp={expired}"
        return f'failed to rotate DEK uid="{uid}", useSeed=true, errState={was}, errGen={problem}, {hashes}, {state}'


def quoted_hash(text: str) -> str:
    """The hash of a key's id in quotes."""
    return f'"{digest_of(text)}"'
