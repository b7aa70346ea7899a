"""`Impersonate-User`, `-Group`, `-Uid`, `-Extra-*`: act as somebody else, when the asker may impersonate each of them.

Groups, a UID or extra keys without a user are refused (upstream's endpoints/filters/impersonation).
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Iterator
from urllib.parse import unquote

from pilothouse.apiserver.auth.authorizer import Attributes, denied
from pilothouse.apiserver.auth.user import (
    ANONYMOUS_USER,
    AUTHENTICATED,
    SERVICE_ACCOUNT_PREFIX,
    UNAUTHENTICATED,
    User,
    service_account_groups,
)
from pilothouse.apiserver.http.request import Handler, Request, Response
from pilothouse.machinery import errors, names
from pilothouse.machinery.quoting import go_quoted

USER, GROUP, UID, EXTRA = "Impersonate-User", "Impersonate-Group", "Impersonate-Uid", "impersonate-extra-"
PREFIX = "impersonate-"
MALFORMED = re.compile("%(?![0-9a-fA-F]{2})")


def impersonate(request: Request, next: Handler) -> Awaitable[Response]:
    """Replace `request.user` by the user of the Impersonate headers, when there are any. Raises a 403 when that is not permitted."""
    for header in request.http.headers:
        if header[:12].lower() == PREFIX:
            request.user = impersonated(request)
            break
    return next(request)


def impersonated(request: Request) -> User:
    """The user to act as, the asker himself when nobody is named; StatusError when the asker may not, or has named no user."""
    headers = request.http.headers
    name, uid = headers.get(USER, ""), headers.get(UID, "")
    groups = tuple(headers.getall(GROUP, ()))
    extra: dict[str, tuple[str, ...]] = {}
    for header, value in headers.items():
        if header.lower().startswith(EXTRA):
            key = extra_key(header[len(EXTRA) :].lower())
            extra[key] = (*extra.get(key, ()), value)
    if not name:
        if groups or extra or uid:
            raise errors.bad_request(f"requested {go_user(uid, groups, extra)} without impersonating a user name")
        return request.user
    for attributes in needed(name, groups, uid, extra):
        decision = request.api.authorizer.authorize(request.user, attributes)
        if not decision.allowed:
            raise denied(request.user, attributes, decision)
    return User(name, uid, with_known_groups(name, groups), extra)


def extra_key(text: str) -> str:
    """The key of a header; with percent signs that stand for nothing it is what was written."""
    return text if MALFORMED.search(text) else unquote(text)


def go_user(uid: str, groups: tuple[str, ...], extra: dict[str, tuple[str, ...]]) -> str:
    """A user.DefaultInfo without a name as Go's %#v prints it."""
    shown = ", ".join(f"{go_quoted(key)}:{go_strings(extra[key])}" for key in sorted(extra))
    map_ = f"map[string][]string{{{shown}}}" if extra else "map[string][]string(nil)"
    return f'&user.DefaultInfo{{Name:"", UID:{go_quoted(uid)}, Groups:{go_strings(groups)}, Extra:{map_}}}'


def go_strings(values: tuple[str, ...]) -> str:
    """A list of texts as Go's `%#v` prints a []string."""
    return f"[]string{{{', '.join(map(go_quoted, values))}}}" if values else "[]string(nil)"


def account_of(name: str) -> tuple[str, str] | None:
    """Namespace and name of the ServiceAccount that a user is."""
    if not name.startswith(SERVICE_ACCOUNT_PREFIX):
        return None
    namespace, colon, account = name.removeprefix(SERVICE_ACCOUNT_PREFIX).partition(":")
    return None if not colon or names.dns_label(namespace) or names.dns_subdomain(account) else (namespace, account)


def needed(name: str, groups: tuple[str, ...], uid: str, extra: dict[str, tuple[str, ...]]) -> Iterator[Attributes]:
    """What the asker must be allowed to do."""
    if (account := account_of(name)) is not None:
        yield Attributes("impersonate", resource="serviceaccounts", namespace=account[0], name=account[1])
    else:
        yield Attributes("impersonate", resource="users", name=name)
    for group in groups:
        yield Attributes("impersonate", resource="groups", name=group)
    if uid:
        yield Attributes("impersonate", "authentication.k8s.io", resource="uids", name=uid)
    for key, values in extra.items():
        for value in values:
            yield Attributes("impersonate", "authentication.k8s.io", resource="userextras", subresource=key, name=value)


def with_known_groups(name: str, groups: tuple[str, ...]) -> tuple[str, ...]:
    """The groups that follow from being that user."""
    account = account_of(name)
    if account is not None and not groups:
        return service_account_groups(account[0])
    if name == ANONYMOUS_USER:
        return groups if UNAUTHENTICATED in groups else (*groups, UNAUTHENTICATED)
    return groups if AUTHENTICATED in groups or UNAUTHENTICATED in groups else (*groups, AUTHENTICATED)
