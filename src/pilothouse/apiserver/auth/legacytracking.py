"""The ConfigMap that tells since when uses of legacy tokens are noted (upstream: pkg/controlplane/controller/legacytokentracking)."""

from __future__ import annotations

import logging
from datetime import date

from pilothouse.api import legacytokens
from pilothouse.api.types.core_v1 import ConfigMap
from pilothouse.client.client import Client
from pilothouse.kit.clock import Clock
from pilothouse.machinery import codec
from pilothouse.machinery.errors import StatusError
from pilothouse.machinery.meta_v1 import ObjectMeta

log = logging.getLogger(__name__)

SECONDS = 1800.0
"""How often it is looked for: upstream makes it anew that often at most."""
CONFLICTS = (404, 409)


class LegacyTokenTracking:
    """Keeps the ConfigMap there, with a date in it that can be read."""

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client, self._clock = client, clock

    async def run(self) -> None:
        """Look for it from time to time, until cancelled."""
        while True:
            try:
                await self.ensure()
            except StatusError as error:
                log.error("the ConfigMap of legacy tokens cannot be written", extra={"error": str(error)})
            await self._clock.sleep(SECONDS)

    async def ensure(self) -> None:
        """Make it, or put a date into it. StatusError when that fails."""
        data = {legacytokens.SINCE: f"{self._clock.now():%Y-%m-%d}"}
        place = legacytokens.TRACKING, legacytokens.TRACKING_NAMESPACE
        try:
            current = await self._client.get(ConfigMap, *place)
        except StatusError as error:
            if error.code != 404:
                raise
            meta = ObjectMeta(name=place[0], namespace=place[1])
            await self._client.create(ConfigMap(metadata=meta, data=data))
            return
        if not _is_date(current.data.get(legacytokens.SINCE, "")):
            changed = codec.clone(current)
            changed.data |= data
            await self._client.update(changed)


def _is_date(text: str) -> bool:
    try:
        return len(text) == len("2006-01-02") and bool(date.fromisoformat(text))
    except ValueError:
        return False
