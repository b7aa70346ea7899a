"""Metrics of encryption at rest, named and labelled as upstream's (storage/value, encrypt/envelope/metrics, encryptionconfig/metrics)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pilothouse.apiserver.paths.server_metrics import counter, gauge, histogram
from pilothouse.apiserver.storage.encryption.metrics import EncryptionMetrics

STORAGE, ENVELOPE, RELOADS = "apiserver_storage", "apiserver_envelope_encryption", "apiserver_encryption_config_controller"
KEY = ("transformation_type", "provider_name", "key_id_hash", "apiserver_id_hash")


class EncryptionCollector:
    """Metrics of encryption at rest, as a Prometheus collector. `identity` is the hash of the API server's id."""

    def __init__(self, metrics: EncryptionMetrics, identity: str) -> None:
        self._metrics = metrics
        self._identity = identity

    def collect(self) -> Iterator[Any]:
        """The families of prometheus-client."""
        yield from self._transformations()
        yield from self._plugins()
        yield from self._reloads()

    def _transformations(self) -> Iterator[Any]:
        metrics = self._metrics
        text = "Latencies in seconds of value transformation operations."
        yield histogram(f"{STORAGE}_transformation_duration_seconds", text, metrics.seconds)
        labels = ("resource", "transformation_type", "transformer_prefix", "status")
        text = "Total number of transformations. Successful transformation will have a status 'OK'."
        yield counter(f"{STORAGE}_transformation_operations_total", text, labels, dict(metrics.operations))
        text = "Total number of cache misses while accessing key decryption key(KEK)."
        yield counter(f"{STORAGE}_envelope_transformation_cache_misses_total", text, (), {(): metrics.cache_misses})
        text = "Latencies in seconds of data encryption key(DEK) generation operations."
        yield histogram(f"{STORAGE}_data_key_generation_duration_seconds", text, metrics.generation_seconds)

    def _plugins(self) -> Iterator[Any]:
        metrics, me = self._metrics, self._identity
        uses = {(*labels, me): count for labels, count in list(metrics.key_uses.items())}
        text = "Number of times a keyID is used split by transformation type, provider, and apiserver identity."
        yield counter(f"{ENVELOPE}_key_id_hash_total", text, KEY, uses)
        last = {(*labels, me): at for labels, at in list(metrics.key_last_used.items())}
        yield gauge(f"{ENVELOPE}_key_id_hash_last_timestamp_seconds", "The last time in seconds when a keyID was used.", last, KEY)
        seen = {(*labels, me): at for labels, at in list(metrics.key_last_seen.items())}
        text = "The last time in seconds when a keyID was returned by the Status RPC call."
        yield gauge(f"{ENVELOPE}_key_id_hash_status_last_timestamp_seconds", text, seen, KEY[1:])
        text = "Number of times an invalid keyID is returned by the Status RPC call split by error."
        yield counter(f"{ENVELOPE}_invalid_key_id_from_status_total", text, ("provider_name", "error"), dict(metrics.invalid_key_ids))
        sizes = {(provider,): size for provider, size in list(metrics.cached_seeds.items())}
        text = "Number of records in data encryption key (DEK) source cache."
        yield gauge(f"{ENVELOPE}_dek_source_cache_size", text, sizes, ("provider_name",))
        text = "KMS operation duration with gRPC error code status total."
        yield histogram(f"{ENVELOPE}_kms_operations_latency_seconds", text, metrics.kms_seconds)

    def _reloads(self) -> Iterator[Any]:
        metrics, labels = self._metrics, ("status", "apiserver_id_hash")
        counts = {(status, self._identity): count for status, count in list(metrics.reloads.items())}
        text = "Total number of reload successes and failures of encryption configuration split by apiserver identity."
        yield counter(f"{RELOADS}_automatic_reloads_total", text, labels, counts)
        times = {(status, self._identity): at for status, at in list(metrics.last_reload.items())}
        text = "Timestamp of the last successful or failed automatic reload of encryption configuration split by apiserver identity."
        yield gauge(f"{RELOADS}_automatic_reload_last_timestamp_seconds", text, times, labels)
        if metrics.configuration_hash:
            info = {(self._identity, metrics.configuration_hash): 1.0}
            text = "Information about the last applied encryption configuration with hash as label, split by apiserver identity."
            yield gauge(f"{RELOADS}_last_config_info", text, info, ("apiserver_id_hash", "hash"))
