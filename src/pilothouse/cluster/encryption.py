"""The key by which a cluster encrypts its Secrets at rest: `pki/encryption-config.yaml`, readable by its owner only.

- Made at the first start, also of a cluster that had none: what was written before is read as it stands, and encrypted when it is written
  again (`pilothouse secrets rewrite`).
- Never made anew in silence: a store with encrypted values whose file is gone is refused.
- The owner may change it, or take another provider: it is upstream's file, and read again while the cluster runs.
"""

from __future__ import annotations

import base64
import os
import sqlite3
from contextlib import closing
from urllib.parse import quote

import msgspec

from pilothouse.apiserver.storage.encryption.configuration import EncryptionConfiguration
from pilothouse.cluster.failure import ClusterFailure
from pilothouse.cluster.state import Places
from pilothouse.kit.secure_random import SecureRandom
from pilothouse.machinery import strconv

KEY_BYTES = 32
SECRETS = "/registry/secrets/"


def with_new_key(configuration: EncryptionConfiguration, random: SecureRandom) -> EncryptionConfiguration:
    """The configuration with another key that writes; those before still read."""
    made = msgspec.convert(msgspec.to_builtins(configuration), EncryptionConfiguration)
    for each in made.resources:
        for provider in each.providers:
            keys = provider.aesgcm or provider.aescbc or provider.secretbox
            if keys is not None:
                numbers = (strconv.unsigned(key.name.removeprefix("key")) or 0 for key in keys.keys)
                first = type(keys.keys[0])(f"key{max(numbers) + 1}", base64.b64encode(random.bytes(KEY_BYTES)).decode())
                keys.keys.insert(0, first)
                break
    return made


def first_configuration(random: SecureRandom) -> bytes:
    """EncryptionConfiguration that encrypts Secrets with a new key, and reads unencrypted ones."""
    key = base64.b64encode(random.bytes(KEY_BYTES)).decode()
    return (
        "# The key of this cluster's Secrets. Whoever has it and the store can read them; without it nobody can: keep a copy.\n"
        "apiVersion: apiserver.config.k8s.io/v1\n"
        "kind: EncryptionConfiguration\n"
        "resources:\n"
        "- resources: [secrets]\n"
        "  providers:\n"
        f"  - aesgcm: {{keys: [{{name: key1, secret: {key}}}]}}\n"
        "  - identity: {}\n"
    ).encode()


def ensure(places: Places) -> None:
    """Make the file when there is none. ClusterFailure when it is gone and values need it."""
    if places.encryption.exists():
        return
    if has_encrypted_values(places):
        problem = f"the key of this cluster's Secrets, {places.encryption}, is missing, and its store has encrypted values"
        raise ClusterFailure(problem, f"put a copy of it back, or give the Secrets up: pilothouse down --purge --name {places.name}")
    places.encryption.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write(places, first_configuration(SecureRandom()))


def write(places: Places, content: bytes) -> None:
    """Put a configuration in place, whole or not at all, readable by its owner only."""
    temporary = places.encryption.with_name(f".{places.encryption.name}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(places.encryption)


def has_encrypted_values(places: Places) -> bool:
    """Whether the store has a Secret that is encrypted; False for one that is not there, or no database."""
    if not places.store.exists():
        return False
    query = "SELECT 1 FROM entry WHERE key >= ? AND key < ? AND substr(value, 1, 8) = CAST('k8s:enc:' AS BLOB) LIMIT 1"
    try:
        with closing(sqlite3.connect(f"file:{quote(str(places.store))}?mode=ro", uri=True, timeout=1)) as connection:
            return connection.execute(query, (SECRETS, SECRETS + "\U0010ffff")).fetchone() is not None
    except sqlite3.DatabaseError:
        return False
