"""TLS contexts for webhooks: the CAs of the caBundle, or the machine's.

As Go verifies: any certificate of the bundle is an anchor, also one that is no root; names count only as subject alternative names.
"""

from __future__ import annotations

import base64
import binascii
import re
import ssl
import tempfile
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any

from pilothouse.apiserver.webhooks.endpoint import NOBODY, Identity
from pilothouse.apiserver.webhooks.failure import NoClient
from pilothouse.client.neterrors import UNKNOWN_AUTHORITY

PEM = re.compile(rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
FAILED = "tls: failed to verify certificate: x509: "


def context_of(ca_bundle: str, identity: Identity = NOBODY) -> ssl.SSLContext:
    """A client's context that believes the bundle (base64 of PEM) alone, or without one the machine's authorities. NoClient when
    there is no certificate in the bundle, or the client's own cannot be used."""
    context = open_context() if identity.believes_anybody else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if identity.certificate:
        _show(context, identity)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.hostname_checks_common_name = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.set_alpn_protocols(["http/1.1"])
    if not ca_bundle:
        context.load_default_certs()
        return context
    try:
        blocks = PEM.findall(base64.b64decode(ca_bundle))
        if not blocks:
            raise NoClient("unable to load root certificates: unable to parse bytes as PEM block")
        context.load_verify_locations(cadata="\n".join(each.decode("ascii") for each in blocks))
    except (ssl.SSLError, binascii.Error, ValueError) as error:
        raise NoClient(f"unable to load root certificates: {error}") from error
    return context


def _show(context: ssl.SSLContext, identity: Identity) -> None:
    """Have the context show the client's certificate. Python reads it from a file alone: others cannot read it, and it goes at once."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(identity.certificate + b"\n" + identity.key)
        file.flush()
        try:
            context.load_cert_chain(file.name)
        except (ssl.SSLError, ValueError) as error:
            raise NoClient(f"unable to load client certificate: {error}") from error


def open_context() -> ssl.SSLContext:
    """A context that believes anybody: to look at a certificate that has been refused, never to send anything."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def complaint(certificate: bytes, host: str, now: datetime) -> str:
    """Go's error for a certificate (DER) that OpenSSL has refused for `host`."""
    from cryptography import x509

    try:
        parsed = x509.load_der_x509_certificate(certificate)
    except ValueError:
        return UNKNOWN_AUTHORITY
    for is_wrong, where, limit in (
        (now > parsed.not_valid_after_utc, "after", parsed.not_valid_after_utc),
        (now < parsed.not_valid_before_utc, "before", parsed.not_valid_before_utc),
    ):
        if is_wrong:
            return f"{FAILED}certificate has expired or is not yet valid: current time {_shown(now)} is {where} {_shown(limit)}"
    return f"{FAILED}{_name_complaint(parsed, host)}"


def _shown(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _name_complaint(parsed: Any, host: str) -> str:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    try:
        names = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        names = None
    addresses = [str(each) for each in names.get_values_for_type(x509.IPAddress)] if names is not None else []
    dns = list(names.get_values_for_type(x509.DNSName)) if names is not None else []
    common = [str(each.value) for each in parsed.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if _is_address(host):
        if not addresses:
            return f"cannot validate certificate for {host} because it doesn't contain any IP SANs"
        return f"certificate is valid for {', '.join(addresses)}, not {host}"
    if dns:
        return f"certificate is valid for {', '.join(dns)}, not {host}"
    if names is None and host in common:
        return "certificate relies on legacy Common Name field, use SANs instead"
    return f"certificate is not valid for any names, but wanted to match {host}"


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
