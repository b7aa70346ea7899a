"""Authentication by client certificate: the common name is the user, the organizations are the groups.

- The TLS handshake has verified the certificate against the cluster's CA; its time is judged here, so that an expired one is
  answered with 401 instead of a connection that breaks.
- Where a front proxy has an authority of its own the handshake believes both, and which of them it was is looked at here.
- Certificates live in the machine's own time, also where a cluster's time is virtual: clients outside check them, too.
"""

from __future__ import annotations

import ssl
from asyncio import BaseTransport
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from pilothouse.apiserver.auth.user import AUTHENTICATED, CREDENTIAL_ID, User
from pilothouse.kit.clock import Clock, SystemClock
from pilothouse.machinery import errors

CERTIFICATES_REMEMBERED = 4096
BEGIN, END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
DER = 2
"""The `ssl` module's own name of the encoding."""


class Authority:
    """Certificates, in PEM, of those who sign the certificates of clients."""

    def __init__(self, pem: str) -> None:
        self._roots = frozenset(
            ssl.PEM_cert_to_DER_cert(f"{BEGIN}{part.partition(END)[0]}{END}\n") for part in pem.split(BEGIN)[1:] if END in part
        )

    def vouches_for(self, connection: BaseTransport) -> bool:
        """Whether the client's certificate, which the handshake has verified, leads to one of them."""
        chain = verified_chain(connection.get_extra_info("ssl_object"))
        return bool(chain) and chain[-1] in self._roots


def verified_chain(ssl_object: Any) -> list[bytes]:
    """The certificates (DER) from the client's to the one that is believed; none without a certificate."""
    if ssl_object is None:
        return []
    if hasattr(ssl_object, "get_verified_chain"):  # Python 3.13
        return list(ssl_object.get_verified_chain() or ())
    return [each.public_bytes(DER) for each in ssl_object._sslobj.get_verified_chain() or ()]


class CertificateAuthenticator:
    """Remembers the user of each connection's certificate: `ssl` hands out the same object for all requests of a connection."""

    def __init__(self, clock: Clock | None = None, authority: Authority | None = None) -> None:
        """`authority` is that of clients; None where the handshake believes no other."""
        self._clock = clock or SystemClock()
        self._authority = authority
        self._users: dict[int, tuple[Mapping[str, Any], User | None]] = {}

    def authenticate(self, connection: BaseTransport) -> User | None:
        """The user that the client's verified certificate names; None when there is none or it names nobody, StatusError 401 when
        it is not valid now.

        As upstream before it has credentials reloaded, a connection that began in time lives on.
        """
        certificate = connection.get_extra_info("peercert")
        if not certificate:
            return None
        known = self._users.get(id(certificate))
        if known is not None and known[0] is certificate:
            return known[1]
        if not is_valid(certificate, self._clock.now().timestamp()) or (self._authority and not self._authority.vouches_for(connection)):
            raise errors.unauthorized()
        user = user_of(certificate, connection.get_extra_info("ssl_object").getpeercert(binary_form=True))
        if len(self._users) >= CERTIFICATES_REMEMBERED:
            self._users.clear()
        self._users[id(certificate)] = (certificate, user)
        return user


def is_valid(certificate: Mapping[str, Any], now: float) -> bool:
    """Whether `now` (seconds since 1970) lies in the time of a certificate in the form of `getpeercert()`."""
    begin, end = certificate.get("notBefore"), certificate.get("notAfter")
    return (not begin or ssl.cert_time_to_seconds(begin) <= now) and (not end or now <= ssl.cert_time_to_seconds(end))


def common_name_of(certificate: Mapping[str, Any]) -> str:
    """The last common name in the subject of a certificate."""
    names = [value for relative in certificate.get("subject", ()) for key, value in relative if key == "commonName"]
    return names[-1] if names else ""


def user_of(certificate: Mapping[str, Any], encoded: bytes) -> User | None:
    """The user in the subject of a certificate in the form of `ssl.SSLSocket.getpeercert()`; by its digest audits tell it from others."""
    name = ""
    groups = []
    for relative in certificate.get("subject", ()):
        for key, value in relative:
            if key == "commonName":
                name = value
            elif key == "organizationName":
                groups.append(value)
    if not name:
        return None
    return User(name, groups=(*groups, AUTHENTICATED), extra={CREDENTIAL_ID: (f"X509SHA256={sha256(encoded).hexdigest()}",)})
