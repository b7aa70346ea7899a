"""Authentication by client certificate: the common name is the user, the organizations are the groups.

The TLS handshake has verified the certificate against the cluster's CA; here only its subject is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pilothouse.apiserver.auth.user import AUTHENTICATED, User

CERTIFICATES_REMEMBERED = 4096


class CertificateAuthenticator:
    """Remembers the user of each connection's certificate: `ssl` hands out the same object for all requests of a connection."""

    def __init__(self) -> None:
        self._users: dict[int, tuple[Mapping[str, Any], User | None]] = {}

    def authenticate(self, certificate: Mapping[str, Any]) -> User | None:
        """The user that a verified certificate names; None when it names nobody."""
        known = self._users.get(id(certificate))
        if known is not None and known[0] is certificate:
            return known[1]
        user = user_of(certificate)
        if len(self._users) >= CERTIFICATES_REMEMBERED:
            self._users.clear()
        self._users[id(certificate)] = (certificate, user)
        return user


def user_of(certificate: Mapping[str, Any]) -> User | None:
    """The user in the subject of a certificate in the form of `ssl.SSLSocket.getpeercert()`."""
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
    return User(name, groups=(*groups, AUTHENTICATED))
