"""Endpoint: where a webhook answers, as the clientConfig of its configuration says."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from pilothouse.apiserver.webhooks.failure import NoClient

HTTPS_PORT = 443


class ServiceReference(Protocol):
    """The Service of a clientConfig."""

    namespace: str
    name: str
    path: str | None
    port: int | None


class ClientConfig(Protocol):
    """Common fields of client configurations of admission, conversion and authentication webhooks. `caBundle` is base64."""

    url: str | None
    caBundle: str

    @property
    def service(self) -> ServiceReference | None:
        """The Service that serves the webhook; None when `url` is set."""


@dataclass(frozen=True, slots=True)
class Service:
    """A Service by its namespace and name, and which of its ports is meant."""

    namespace: str
    name: str
    port: int


@dataclass(frozen=True, slots=True)
class Identity:
    """Credentials of the API server for a webhook in a kubeconfig, and how the webhook's certificate is verified."""

    certificate: bytes = b""
    key: bytes = b""
    authorization: str = ""
    believes_anybody: bool = False
    server_name: str = ""


NOBODY = Identity()


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a webhook is called.

    `authority` is for URL and Host, `host` the name in its certificate; `ca_bundle` is base64 of PEM, "" for the machine's CAs.

    `authority` is for URL and Host, `host` the name in its certificate; `ca_bundle` is base64 of PEM, "" for the machine's CAs.
    """

    authority: str
    host: str
    port: int
    path: str
    ca_bundle: str = ""
    service: Service | None = None
    scheme: str = "https"
    identity: Identity = NOBODY
    by_administrator: bool = False
    """Whether a file on the machine names it, and no object of the API."""

    def url(self, seconds: float) -> str:
        """The whole URL of a call that may take so long."""
        return f"{self.scheme}://{self.authority}{self.path}?timeout={duration(seconds)}"


def duration(seconds: float) -> str:
    """Whole seconds, rounded up, as Go's Duration writes them: `10s`, `1m30s`."""
    whole = -int(-seconds // 1)
    minutes, rest = divmod(whole, 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"


def endpoint_of(config: ClientConfig) -> Endpoint:
    """The endpoint that a clientConfig means; NoClient when it means none."""
    said = config.service
    if said is not None:
        port = said.port or HTTPS_PORT
        host = f"{said.name}.{said.namespace}.svc"
        return Endpoint(f"{host}:{port}", host, port, _path(said.path or ""), config.caBundle, Service(said.namespace, said.name, port))
    if not config.url:
        raise NoClient("webhook configuration must have either service or URL")
    try:
        parts = urlsplit(config.url)
        port = parts.port or HTTPS_PORT
    except ValueError as error:
        raise NoClient(f"Unparsable URL: {error}") from error
    return Endpoint(parts.netloc.rpartition("@")[2], parts.hostname or "", port, _path(parts.path), config.caBundle, scheme=parts.scheme)


def _path(text: str) -> str:
    """As Go's path.Join: one slash at the beginning, none at the end, no dots."""
    return posixpath.normpath(f"/{text.lstrip('/')}")
