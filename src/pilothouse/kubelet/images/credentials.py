"""Selecting the Pod's image pull secrets for an image, as upstream's keyring does. Pure.

Longer and more exact entries come first; an entry may name a registry, one with a path, or have `*` in its host's parts.
"""

from __future__ import annotations

import base64
import fnmatch
from collections.abc import Iterable
from typing import Any

import orjson

from pilothouse.api.types.core_v1 import Secret
from pilothouse.kubelet.images.references import parse
from pilothouse.kubelet.runtime.images import Credentials

DOCKER_CONFIG_JSON = "kubernetes.io/dockerconfigjson"
DOCKER_CONFIG = "kubernetes.io/dockercfg"
DEFAULT_REGISTRIES = {"index.docker.io", "docker.io"}


def credentials_for(image: str, secrets: Iterable[Secret]) -> list[Credentials]:
    """Credentials that match `image`, in the order in which they are tried."""
    entries = {key: value for secret in secrets for key, value in _entries(secret).items()}
    reference = parse(image)
    target = reference.name
    matching = [(key, value) for key, value in entries.items() if _matches(key, target)]
    return [_credentials(value) for _, value in sorted(matching, key=lambda entry: entry[0], reverse=True)]


def _entries(secret: Secret) -> dict[str, Any]:
    try:
        if secret.type == DOCKER_CONFIG_JSON:
            whole = orjson.loads(base64.b64decode(secret.data.get(".dockerconfigjson", "")))
            auths = whole.get("auths", {})
        elif secret.type == DOCKER_CONFIG:
            auths = orjson.loads(base64.b64decode(secret.data.get(".dockercfg", "")))
        else:
            return {}
    except (ValueError, AttributeError):
        return {}
    return {_location(key): value for key, value in auths.items() if isinstance(value, dict)}


def _location(key: str) -> str:
    """`https://index.docker.io/v1/` -> `docker.io`; the version of the registry's API is no path."""
    plain = key.removeprefix("https://").removeprefix("http://").rstrip("/")
    for version in ("/v1", "/v2"):
        plain = plain.removesuffix(version)
    host, slash, path = plain.partition("/")
    return ("docker.io" if host in DEFAULT_REGISTRIES else host) + slash + path


def _matches(entry: str, target: str) -> bool:
    host, _, path = entry.partition("/")
    target_host, _, target_path = target.partition("/")
    wanted, given = host.split("."), target_host.split(".")
    if len(wanted) != len(given) or not all(fnmatch.fnmatchcase(have, want) for have, want in zip(given, wanted, strict=True)):
        return False
    return target_path.startswith(path)


def _credentials(value: dict[str, Any]) -> Credentials:
    """Without the registry's name: containerd takes that for a URL, and with one that is none it leaves the credentials unused."""
    username, password = str(value.get("username", "")), str(value.get("password", ""))
    auth = str(value.get("auth", ""))
    if auth and not username:
        try:
            username, _, password = base64.b64decode(auth).decode().partition(":")
        except ValueError:
            username = password = ""
    return Credentials(
        username,
        password,
        identity_token=str(value.get("identitytoken", "")),
        registry_token=str(value.get("registrytoken", "")),
    )
