"""TLS towards extension API servers: which certificate they must show, and the certificate that makes them believe our headers."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from functools import lru_cache

from pilothouse.apiserver.webhooks import tls

CONTEXTS_KEPT = 64


@dataclass(frozen=True, slots=True)
class FrontProxy:
    """The files of the client certificate that extension API servers know this server by."""

    certificate_file: str
    key_file: str


@lru_cache(maxsize=CONTEXTS_KEPT)
def context_of(ca_bundle: str, *, insecure: bool, front_proxy: FrontProxy | None) -> ssl.SSLContext:
    """`ca_bundle` is base64 of PEM; without one the machine's own authorities are believed. CallFailed for one that is none."""
    context = tls.open_context() if insecure else tls.context_of(ca_bundle)
    if front_proxy is not None:
        context.load_cert_chain(front_proxy.certificate_file, front_proxy.key_file)
    return context
