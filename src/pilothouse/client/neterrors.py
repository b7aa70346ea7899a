"""Connection errors in the words of Go's net, tls and x509 packages."""

from __future__ import annotations

import os
import re
import ssl
from urllib.parse import urlsplit

from aiohttp import ClientConnectorDNSError, ClientConnectorError, ClientOSError, ClientResponseError, ServerDisconnectedError

UNKNOWN_AUTHORITY = "tls: failed to verify certificate: x509: certificate signed by unknown authority"
CERTIFICATE_EXPIRED, CERTIFICATE_NOT_YET_VALID, HOST_MISMATCH, ADDRESS_MISMATCH = 10, 9, 62, 64
"""OpenSSL's codes of what is wrong with a certificate, as far as the text is in the certificate itself."""
DIALLED = re.compile(r"\('([0-9a-fA-F.:]+)', (\d+)")
ALERTS = ("TLSV1_ALERT_", "TLSV13_ALERT_", "SSLV3_ALERT_")


def why(error: Exception, url: str) -> str:
    """Text of a connection error for `url`."""
    authority = urlsplit(url).netloc
    if isinstance(error, ClientConnectorDNSError):
        return f"dial tcp: lookup {error.host}: no such host"
    certificate_error = getattr(error, "certificate_error", None)
    cause = certificate_error or (error.os_error if isinstance(error, ClientConnectorError) else error)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return UNKNOWN_AUTHORITY
    if isinstance(cause, ssl.SSLError):
        return _tls_error(cause)
    if isinstance(cause, TimeoutError):
        return f"dial tcp {authority}: i/o timeout"
    if isinstance(error, ServerDisconnectedError):
        return "EOF"
    if isinstance(error, ClientResponseError):
        return "net/http: HTTP/1.x transport connection broken: malformed HTTP response"
    if isinstance(cause, OSError) and cause.errno:
        authority = _dialled(cause) or authority
        step = (
            f"dial tcp {authority}: connect"
            if isinstance(error, ClientConnectorError) or not isinstance(error, ClientOSError)
            else "read tcp: read"
        )
        return f"{step}: {os.strerror(cause.errno).lower()}"
    return str(error) or type(error).__name__


def _dialled(cause: OSError) -> str:
    """The address that was dialled for a name, as asyncio tells it."""
    match = DIALLED.search(str(cause))
    if match is None:
        return ""
    host, port = match.groups()
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _tls_error(cause: ssl.SSLError) -> str:
    reason = cause.reason or ""
    if reason == "WRONG_VERSION_NUMBER":
        return "http: server gave HTTP response to HTTPS client"
    for alert in ALERTS:
        if reason.startswith(alert):
            return f"remote error: tls: {reason.removeprefix(alert).lower().replace('_', ' ')}"
    return f"tls: {reason}"
