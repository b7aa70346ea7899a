"""What transformations are counted by; names and labels are upstream's (storage/value, envelope and encryptionconfig).

Plain numbers, as cheap as can be: paths/encryption_metrics.py turns them into families of prometheus-client.
"""

from __future__ import annotations

from collections import Counter

from pilothouse.kit.histogram import Histograms

SECONDS = tuple(5e-6 * 2**step for step in range(25))
GENERATION_SECONDS = SECONDS[:14]
KMS_SECONDS = tuple(1e-4 * 2**step for step in range(20))
FROM_STORAGE, TO_STORAGE = "from_storage", "to_storage"
KEYS_LIMIT = 100
"""Key ids that are told apart, as upstream."""


class EncryptionMetrics:
    """One per API server."""

    def __init__(self) -> None:
        self.seconds = Histograms(SECONDS, ("transformation_type", "transformer_prefix"))
        self.operations: Counter[tuple[str, str, str, str]] = Counter()
        """By resource, transformation type, prefix and status."""
        self.cache_misses = 0
        self.generation_seconds = Histograms(GENERATION_SECONDS, ())
        self.kms_seconds = Histograms(KMS_SECONDS, ("provider_name", "method_name", "grpc_status_code"))
        self.key_uses: Counter[tuple[str, str, str]] = Counter()
        """By transformation type, provider and the hash of the key's id."""
        self.key_last_used: dict[tuple[str, str, str], float] = {}
        self.key_last_seen: dict[tuple[str, str], float] = {}
        """When a plugin's Status named a key last, by provider and hash."""
        self.invalid_key_ids: Counter[tuple[str, str]] = Counter()
        self.cached_seeds: dict[str, int] = {}
        self.reloads: Counter[str] = Counter()
        """By "success" and "failure"."""
        self.last_reload: dict[str, float] = {}
        self.configuration_hash = ""

    def transformed(self, resource: str, kind: str, prefix: str, seconds: float, status: str = "OK") -> None:
        """Count a transformation."""
        self.operations[resource, kind, prefix, status] += 1
        if status == "OK":
            self.seconds.observe((kind, prefix), seconds)

    def used_key(self, kind: str, provider: str, hashed: str, now: float) -> None:
        """Count the use of a plugin's key."""
        labels = (kind, provider, hashed)
        if labels not in self.key_uses and len(self.key_uses) >= KEYS_LIMIT:
            oldest = min(self.key_last_used, key=self.key_last_used.__getitem__)
            del self.key_uses[oldest], self.key_last_used[oldest]
        self.key_uses[labels] += 1
        self.key_last_used[labels] = now

    def saw_key(self, provider: str, hashed: str, now: float) -> None:
        """Note the key that a plugin's Status names."""
        if (provider, hashed) not in self.key_last_seen and len(self.key_last_seen) >= KEYS_LIMIT:
            del self.key_last_seen[min(self.key_last_seen, key=self.key_last_seen.__getitem__)]
        self.key_last_seen[provider, hashed] = now

    def reloaded(self, outcome: str, now: float) -> None:
        """Count that a changed file was taken, or not."""
        self.reloads[outcome] += 1
        self.last_reload[outcome] = now
