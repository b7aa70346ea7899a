"""A configuration file that takes effect while the server runs.

- The file is read again every SECONDS; what is the same as before changes nothing.
- A file that cannot be read or used leaves what is in effect as it is: the log says why, and the metrics count it
  (`apiserver_NAME_config_controller_automatic_reloads_total`, upstream's names).
- A file that can never be used is not tried again until it changes; what may come right by itself (an issuer that is down) is.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

from pilothouse.kit.clock import Clock
from pilothouse.machinery.digests import digest_of

log = logging.getLogger(__name__)

SECONDS = 1.0
RETRY_SECONDS = 60.0
SUCCESS, FAILURE = "success", "failure"


class NotNow(Exception):
    """The file is right, but cannot take effect yet; it is tried again."""


class Reloads:
    """What is counted of one configuration file; a collector of prometheus-client. `name`: authentication or authorization."""

    def __init__(self, name: str, server_id: str) -> None:
        self._name = name
        self._server = digest_of(server_id)
        self._hash = ""
        self._counts: dict[str, tuple[int, float]] = {}

    def applied(self, data: bytes) -> None:
        """Note what is in effect."""
        self._hash = digest_of(data)

    def count(self, status: str, now: float) -> None:
        """Count one reload, at `now` (seconds since 1970)."""
        self._counts[status] = self._counts.get(status, (0, 0.0))[0] + 1, now

    def collect(self) -> Iterator[Any]:
        """The families of prometheus-client."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        prefix, labels = f"apiserver_{self._name}_config_controller", ("status", "apiserver_id_hash")
        what = f"{self._name} configuration"
        text = f"Total number of automatic reloads of {what} split by status and apiserver identity."
        total = CounterMetricFamily(f"{prefix}_automatic_reloads_total", text, labels=labels)
        text = f"Timestamp of the last automatic reload of {what} split by status and apiserver identity."
        last = GaugeMetricFamily(f"{prefix}_automatic_reload_last_timestamp_seconds", text, labels=labels)
        for status, (number, moment) in self._counts.items():
            total.add_metric((status, self._server), number)
            last.add_metric((status, self._server), moment)
        text = f"Information about the last applied {what} with hash as label, split by apiserver identity."
        info = GaugeMetricFamily(f"{prefix}_last_config_info", text, labels=("apiserver_id_hash", "hash"))
        if self._hash:
            info.add_metric((self._server, self._hash), 1)
        yield from (total, last, info)


class WatchedFile:
    """Reads the file again and again, and has `apply` make it take effect: it raises ValueError for a file that never will, NotNow for one
    that may later."""

    def __init__(self, path: Path, data: bytes, apply: Callable[[bytes], Awaitable[None]], clock: Clock, reloads: Reloads) -> None:
        self._path, self._seen, self._apply = path, data, apply
        self._clock, self._reloads = clock, reloads
        self._next_try = float("-inf")
        self._failed = b""
        reloads.applied(data)

    async def run(self) -> None:
        """Look at the file until cancelled."""
        while True:
            await self._clock.sleep(SECONDS)
            await self.look()

    async def look(self) -> None:
        """Read the file, and have it take effect where it changed."""
        try:
            data = await asyncio.to_thread(self._path.read_bytes)
        except OSError as error:
            if self._is_due(b""):
                self._fail(f"failed to read {self._path}", error)
            return
        if data == self._seen or not self._is_due(data):
            return
        try:
            await self._apply(data)
        except NotNow as error:
            self._fail("failed to update", error)
            return
        except ValueError as error:
            self._seen = data
            self._fail("failed to load", error)
            return
        self._seen = data
        self._reloads.applied(data)
        self._reloads.count(SUCCESS, self._clock.now().timestamp())
        log.info("reloaded configuration", extra={"file": str(self._path)})

    def _is_due(self, data: bytes) -> bool:
        """Whether it is time to try `data`: what failed before waits."""
        now = self._clock.monotonic()
        if data == self._failed and now < self._next_try:
            return False
        self._failed, self._next_try = data, now + RETRY_SECONDS
        return True

    def _fail(self, what: str, error: Exception) -> None:
        self._reloads.count(FAILURE, self._clock.now().timestamp())
        log.error(what, extra={"file": str(self._path), "error": str(error)})
