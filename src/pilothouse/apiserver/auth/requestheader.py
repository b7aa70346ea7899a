"""Authentication by a front proxy: who shows its certificate may say in headers for whom it asks.

- The certificate must be of the front proxy's own authority, and bear one of the allowed names where there are any.
- Without a name of a user in the headers nobody is authenticated by them.

Upstream: apiserver/pkg/authentication/request/headerrequest.
"""

from __future__ import annotations

from asyncio import BaseTransport
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from multidict import CIMultiDictProxy

from pilothouse.apiserver.auth.user import ANONYMOUS_USER, AUTHENTICATED, UNAUTHENTICATED, User
from pilothouse.apiserver.auth.x509 import Authority, common_name_of


@dataclass(frozen=True, slots=True)
class RequestHeaders:
    """Which headers of a front proxy are believed, and of whom: without `allowed_names` of everybody that its authority vouches for."""

    allowed_names: tuple[str, ...] = ("front-proxy-client",)
    username_headers: tuple[str, ...] = ("X-Remote-User",)
    uid_headers: tuple[str, ...] = ("X-Remote-Uid",)
    group_headers: tuple[str, ...] = ("X-Remote-Group",)
    extra_prefixes: tuple[str, ...] = ("X-Remote-Extra-",)

    def user_of(self, headers: Mapping[str, list[str]]) -> User | None:
        """The user that headers (their values by names in lower case) name; None when they name nobody."""
        name = _first(headers, self.username_headers)
        if not name:
            return None
        groups = tuple(value for header in self.group_headers for value in headers.get(header.lower(), ()) if value)
        if name != ANONYMOUS_USER and AUTHENTICATED not in groups and UNAUTHENTICATED not in groups:
            groups = (*groups, AUTHENTICATED)
        return User(name, _first(headers, self.uid_headers), groups, self._extra(headers))

    def _extra(self, headers: Mapping[str, list[str]]) -> dict[str, tuple[str, ...]]:
        extra: dict[str, tuple[str, ...]] = {}
        for prefix in map(str.lower, self.extra_prefixes):
            for header, values in headers.items():
                if header.startswith(prefix):
                    key = unquote(header[len(prefix) :])
                    extra[key] = (*extra.get(key, ()), *values)
        return extra


def _first(headers: Mapping[str, list[str]], names: tuple[str, ...]) -> str:
    return next((values[0] for name in names if (values := headers.get(name.lower())) and values[0]), "")


STANDARD = RequestHeaders()
"""What clusters of kubeadm believe."""


class RequestHeaderAuthenticator:
    """Believes the front proxies of an authority (the PEM of its certificates)."""

    def __init__(self, authority: str, believed: RequestHeaders) -> None:
        self._authority = Authority(authority)
        self._believed = believed

    def authenticate(self, connection: BaseTransport, headers: CIMultiDictProxy[str]) -> User | None:
        """The user for whom a front proxy asks; None for who is no front proxy, or names nobody."""
        if not self._authority.vouches_for(connection):
            return None
        allowed = self._believed.allowed_names
        if allowed and common_name_of(connection.get_extra_info("peercert")) not in allowed:
            return None
        named: dict[str, list[str]] = {}
        for name, value in headers.items():
            named.setdefault(name.lower(), []).append(value)
        return self._believed.user_of(named)
