"""Audit events sent to a server: an EventList in each POST, where a kubeconfig says (`--audit-webhook-config-file`).

Every failure is tried again, after ten seconds and then half as long again each time, four times in all; then the events are lost.
Upstream: plugin/pkg/audit/webhook.
"""

from __future__ import annotations

import base64
import ssl
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector

from pilothouse import API_LEVEL
from pilothouse.apiserver.audit.backends import lost
from pilothouse.apiserver.audit.event import Event, encoded
from pilothouse.apiserver.audit.metrics import AuditMetrics
from pilothouse.kit.clock import Clock
from pilothouse.kit.entropy import Entropy
from pilothouse.machinery.configfile import BadConfiguration

HEAD = b'{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":['
INITIAL_SECONDS, FACTOR, JITTER, ATTEMPTS = 10.0, 1.5, 0.2, 5
CALL_SECONDS = 30.0
ANSWER_LIMIT_BYTES = 64 * 1024


class Target:
    """Where events go, as the current context of a kubeconfig says. BadConfiguration for a file that cannot be used."""

    def __init__(self, file: Path) -> None:
        try:
            config = yaml.safe_load(file.read_bytes())
            if not isinstance(config, dict):
                raise BadConfiguration("it is no kubeconfig")
            context = _named(config, "contexts", str(config.get("current-context") or ""), "context")
            cluster = _named(config, "clusters", str(context.get("cluster") or ""), "cluster")
            user = _named(config, "users", str(context["user"]), "user") if context.get("user") else {}
            self.url = str(cluster["server"])
            self.tls = _tls(cluster, user, file.parent) if self.url.startswith("https:") else None
            self.headers = {
                "Content-Type": "application/json",
                "User-Agent": f"kube-apiserver v{API_LEVEL}",
                **_credentials(user, file.parent),
            }
        except (OSError, KeyError, ValueError, yaml.YAMLError, ssl.SSLError) as error:
            raise BadConfiguration(f"initializing audit webhook: {file}: {error}") from error


def _named(config: Mapping[str, Any], section: str, name: str, field: str) -> dict[str, Any]:
    entries = [entry for entry in config.get(section) or () if isinstance(entry, dict)]
    chosen = next((entry for entry in entries if entry.get("name") == name), entries[0] if len(entries) == 1 and not name else None)
    value = None if chosen is None else chosen.get(field)
    if not isinstance(value, dict):
        raise BadConfiguration(f'{field} "{name}" does not exist')
    return value


def _credentials(user: Mapping[str, Any], folder: Path) -> dict[str, str]:
    if token := user.get("token") or (user.get("tokenFile") and (folder / str(user["tokenFile"])).read_text().strip()):
        return {"Authorization": f"Bearer {token}"}
    if user.get("username"):
        pair = f"{user['username']}:{user.get('password') or ''}".encode()
        return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
    return {}


def _tls(cluster: Mapping[str, Any], user: Mapping[str, Any], folder: Path) -> ssl.SSLContext:
    """What the server must show, and what is shown to it."""
    authority = _bytes(cluster, "certificate-authority", folder)
    context = ssl.create_default_context(cadata=authority.decode() if authority else None)
    if cluster.get("insecure-skip-tls-verify"):
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    certificate, key = _bytes(user, "client-certificate", folder), _bytes(user, "client-key", folder)
    if certificate and key:
        with tempfile.TemporaryDirectory() as private:  # Python reads a chain from files alone; the folder is its owner's
            place = Path(private) / "client.pem"
            place.touch(mode=0o600)
            place.write_bytes(certificate + b"\n" + key)
            context.load_cert_chain(place)
    return context


def _bytes(section: Mapping[str, Any], name: str, folder: Path) -> bytes:
    if data := section.get(f"{name}-data"):
        return base64.b64decode(str(data))
    return (folder / str(section[name])).read_bytes() if section.get(name) else b""


class Webhook:
    """Sends events. Made in a running loop."""

    name = "webhook"

    def __init__(
        self, target: Target, clock: Clock, entropy: Entropy, metrics: AuditMetrics, initial_seconds: float = INITIAL_SECONDS
    ) -> None:
        self._target, self._clock, self._entropy, self._metrics, self._initial = target, clock, entropy, metrics, initial_seconds
        self._session: ClientSession | None = None

    async def keep(self, events: Sequence[Event]) -> bool:
        """Send events as one list, again and again for a while; whether they have arrived."""
        body = HEAD + b",".join(encoded(bare(event)) for event in events) + b"]}"
        delay, problem = self._initial, ""
        for attempt in range(ATTEMPTS):
            if attempt:
                await self._clock.sleep(self._entropy.jitter(delay, JITTER))
                delay *= FACTOR
            problem = await self._post(body)
            if not problem:
                return True
        lost(self._metrics, self.name, problem, events)
        return False

    async def _post(self, body: bytes) -> str:
        """What went wrong, or ""."""
        if self._session is None:
            self._session = ClientSession(connector=TCPConnector(ssl=self._target.tls or True), timeout=ClientTimeout(total=CALL_SECONDS))
        try:
            async with self._session.post(self._target.url, data=body, headers=self._target.headers, allow_redirects=False) as answer:
                await answer.content.read(ANSWER_LIMIT_BYTES)
                return "" if answer.status < 300 else f"the server answered {answer.status}"
        except (ClientError, OSError, TimeoutError) as error:
            return str(error) or type(error).__name__

    async def close(self) -> None:
        """End the connections."""
        if self._session is not None:
            await self._session.close()


def bare(event: Event) -> Event:
    """An event as it stands in a list, where kind and version are said once."""
    import msgspec

    return msgspec.structs.replace(event, kind="", apiVersion="")
