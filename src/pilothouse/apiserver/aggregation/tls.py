"""TLS towards extension API servers: which certificate they must show, and the certificate that makes them believe our headers."""

from __future__ import annotations

import base64
import binascii
import ssl
from dataclasses import dataclass
from functools import lru_cache

CONTEXTS_KEPT = 64


@dataclass(frozen=True, slots=True)
class FrontProxy:
    """The files of the client certificate that extension API servers know this server by."""

    certificate_file: str
    key_file: str


class BadBundle(ValueError):
    """A caBundle in which there is no certificate."""


@lru_cache(maxsize=CONTEXTS_KEPT)
def context_of(ca_bundle: str, *, insecure: bool, front_proxy: FrontProxy | None) -> ssl.SSLContext:
    """`ca_bundle` is base64 of PEM; without one the machine's own authorities are believed. BadBundle for one that is none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif ca_bundle:
        try:
            context.load_verify_locations(cadata=base64.b64decode(ca_bundle, validate=True).decode())
        except (ssl.SSLError, binascii.Error, UnicodeDecodeError, ValueError) as error:
            raise BadBundle("unable to load root certificates: unable to parse bytes as PEM block") from error
    else:
        context.load_default_certs()
    if front_proxy is not None:
        context.load_cert_chain(front_proxy.certificate_file, front_proxy.key_file)
    return context
