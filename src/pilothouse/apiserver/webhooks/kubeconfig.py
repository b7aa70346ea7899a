"""Webhooks configured by a kubeconfig file."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pilothouse.apiserver.auth.webhookcalls import AskFailed
from pilothouse.apiserver.webhooks.client import WebhookClient
from pilothouse.apiserver.webhooks.endpoint import Endpoint, Identity, Service
from pilothouse.apiserver.webhooks.failure import CallFailed
from pilothouse.apiserver.webhooks.services import Address
from pilothouse.client import kubeconfig
from pilothouse.machinery import strconv, url

SECONDS = 30.0
PORTS = {"http": 80, "https": 443}


def endpoint_in(path: Path) -> Endpoint:
    """The endpoint of the current context of a kubeconfig file. ValueError with the file and the reason."""
    try:
        config = kubeconfig.load([path]) if path.exists() else _missing(path)
        cluster, user = _current(config)
        return _endpoint(cluster, user)
    except (kubeconfig.KubeconfigError, OSError, ValueError, KeyError) as error:
        raise ValueError(f"{path}: {error}") from error


def _missing(path: Path) -> kubeconfig.Config:
    raise ValueError("no such file or directory")


def _current(config: Mapping[str, Any]) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    name = config.get("current-context") or ""
    context = _named(config, "contexts", "context", name)
    if context is None:
        raise ValueError(f'invalid configuration: context "{name}" does not exist' if name else "invalid configuration: no current-context")
    cluster = _named(config, "clusters", "cluster", str(context.get("cluster", "")))
    if not cluster or not cluster.get("server"):
        raise ValueError(f'invalid configuration: no server found for cluster "{context.get("cluster", "")}"')
    return cluster, _named(config, "users", "user", str(context.get("user", ""))) or {}


def _named(config: Mapping[str, Any], section: str, kind: str, name: str) -> Mapping[str, Any] | None:
    return next((each.get(kind) or {} for each in config.get(section) or [] if each.get("name") == name), None)


def _content(entry: Mapping[str, Any], name: str) -> bytes:
    """What an entry holds itself, or names the file of."""
    if data := entry.get(f"{name}-data"):
        return base64.b64decode(data)
    return Path(entry[name]).read_bytes() if entry.get(name) else b""


def _endpoint(cluster: Mapping[str, Any], user: Mapping[str, Any]) -> Endpoint:
    parsed = url.parse(str(cluster["server"]))
    if parsed.scheme not in PORTS or not parsed.host:
        raise ValueError(f'invalid configuration: server "{cluster["server"]}" is no URL')
    port = strconv.unsigned(parsed.port, range(1, 65536)) or PORTS[parsed.scheme]
    identity = Identity(
        _content(user, "client-certificate"),
        _content(user, "client-key"),
        _authorization(user),
        bool(cluster.get("insecure-skip-tls-verify")),
        str(cluster.get("tls-server-name") or ""),
    )
    authority = base64.b64encode(_content(cluster, "certificate-authority")).decode()
    return Endpoint(
        parsed.host,
        parsed.hostname,
        port,
        parsed.escaped_path or "/",
        authority,
        scheme=parsed.scheme,
        identity=identity,
        by_administrator=True,
    )


def _authorization(user: Mapping[str, Any]) -> str:
    """The header by which the webhook knows a user of a kubeconfig."""
    token = user.get("token") or (Path(user["tokenFile"]).read_text().strip() if user.get("tokenFile") else "")
    if token:
        return f"Bearer {token}"
    pair = f"{user.get('username') or ''}:{user.get('password') or ''}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}" if user.get("username") else ""


async def no_service(service: Service) -> Address:
    """A kubeconfig names no Service."""
    raise CallFailed(f'service "{service.name}" not found')


class ConfiguredWebhook:
    """A webhook of a kubeconfig file, asked within `seconds`."""

    def __init__(self, client: WebhookClient, endpoint: Endpoint, seconds: float = SECONDS) -> None:
        self._client, self._endpoint, self._seconds = client, endpoint, seconds

    async def post(self, review: bytes) -> bytes:
        """The answer to a review. AskFailed without one."""
        try:
            return await self._client.call(self._endpoint, review, self._seconds)
        except CallFailed as error:
            code = error.status.code if error.status is not None else 0
            text = str(error)
            raise AskFailed(text, code, is_late="deadline exceeded" in text, was_reset="connection reset" in text) from error
