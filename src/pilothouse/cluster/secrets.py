"""`pilothouse secrets rewrite`: every Secret of a running cluster is encrypted by the key that writes now, a new one with `--new-key`.

An update that changes nothing is written all the same where what is stored is stale (upstream's storage migration works so). Nothing of a
Secret is shown. A key that no value needs any more may be taken out of the file by its owner.
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from typing import Any

import msgspec

from pilothouse.apiserver.storage.encryption import configuration
from pilothouse.apiserver.storage.encryption.configuration import EncryptionConfiguration
from pilothouse.cluster import encryption
from pilothouse.cluster.failure import ClusterFailure
from pilothouse.cluster.readiness import Api
from pilothouse.cluster.state import ClusterState, Places
from pilothouse.kit.clock import Clock
from pilothouse.kit.secure_random import SecureRandom
from pilothouse.machinery.configfile import BadConfiguration
from pilothouse.machinery.digests import digest_of

PAGE = 200
TAKEN_SECONDS = 30.0
"""How long a running cluster may take until a new key counts."""
PAUSE_SECONDS = 0.2
CONFLICT = " 409 "
MISSING = " 404 "
ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Rewritten:
    """How many Secrets there are, and how many of them were stale."""

    count: int
    changed: int


def rewrite(state: ClusterState, places: Places, clock: Clock, *, new_key: bool = False) -> Rewritten:
    """Have all Secrets encrypted by the key that writes; ClusterFailure when the cluster does not answer or its file cannot be used."""
    api = Api(state, places)
    if new_key:
        add_key(places)
    try:
        await_taken(api, places, clock)
        return _rewritten(api)
    except OSError as error:
        raise ClusterFailure(f"the cluster {state.name} did not do it: {error}", "see that it runs: pilothouse status") from error


def add_key(places: Places) -> None:
    """Put another key before those of each local provider: it writes from now on, the others still read."""
    current = _configuration(places)
    made = encryption.with_new_key(current, SecureRandom())
    if made == current:
        problem = f"{places.encryption} has no provider with keys of its own"
        raise ClusterFailure(problem, "a plugin's keys are changed where the plugin is")
    encryption.write(places, msgspec.json.format(msgspec.json.encode(made), indent=2) + b"\n")


def _configuration(places: Places) -> EncryptionConfiguration:
    try:
        return configuration.parse(places.encryption.read_bytes(), str(places.encryption), reloads=True)
    except (OSError, BadConfiguration) as error:
        raise ClusterFailure(f"{places.encryption} cannot be used: {error}", "put a copy of it back, or mend it") from error


def await_taken(api: Api, places: Places, clock: Clock) -> None:
    """Return when the API server has the file as it is now."""
    wanted = f'hash="{digest_of(places.encryption.read_bytes())}"'
    until = clock.monotonic() + TAKEN_SECONDS
    while wanted not in str(api.get("/metrics", TAKEN_SECONDS)):
        if clock.monotonic() >= until:
            problem = f"the API server has not taken {places.encryption} within {TAKEN_SECONDS:g} s"
            raise ClusterFailure(problem, f"see why: {places.log('control-plane')}")
        threading.Event().wait(PAUSE_SECONDS)


def _rewritten(api: Api) -> Rewritten:
    count = changed = 0
    following = ""
    while True:
        page = api.get(f"/api/v1/secrets?limit={PAGE}{following}")
        for item in page["items"]:
            count += 1
            changed += _rewrite(api, item)
        if not (token := page["metadata"].get("continue")):
            return Rewritten(count, changed)
        following = f"&continue={token}"


def _rewrite(api: Api, secret: dict[str, Any]) -> bool:
    """Whether a Secret was written anew. One that is gone, or was written meanwhile by another, needs nothing."""
    meta = secret["metadata"]
    path = f"/api/v1/namespaces/{meta['namespace']}/secrets/{meta['name']}"
    body = json.dumps({**secret, "kind": "Secret", "apiVersion": "v1"}).encode()
    try:
        written = api.send("PUT", path, body, "application/json")
    except OSError as error:
        if CONFLICT in str(error) or MISSING in str(error):
            return False
        raise
    return bool(written["metadata"]["resourceVersion"] != meta["resourceVersion"])
