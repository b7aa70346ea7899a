"""`Impersonate-User`, `-Group`, `-Uid`, `-Extra-*`: act as somebody else, when the asker may impersonate each of them."""

from __future__ import annotations

from collections.abc import Awaitable, Iterator
from urllib.parse import unquote

from pilothouse.apiserver.auth.authorizer import Attributes, denial
from pilothouse.apiserver.auth.user import (
    ANONYMOUS_USER,
    AUTHENTICATED,
    MASTERS,
    SERVICE_ACCOUNT_PREFIX,
    UNAUTHENTICATED,
    User,
    service_account_groups,
)
from pilothouse.apiserver.http.request import Handler, Request, Response
from pilothouse.machinery import errors

USER, GROUP, UID, EXTRA = "Impersonate-User", "Impersonate-Group", "Impersonate-Uid", "impersonate-extra-"


def impersonate(request: Request, next: Handler) -> Awaitable[Response]:
    headers = request.http.headers
    if USER in headers or GROUP in headers or UID in headers:
        request.user = impersonated(request)
    return next(request)


def impersonated(request: Request) -> User:
    """The user to act as; StatusError when the asker may not, or has named nobody."""
    headers = request.http.headers
    name = headers.get(USER, "")
    if not name:
        raise errors.internal_error("requested impersonation without impersonating a user")
    groups = tuple(headers.getall(GROUP, ()))
    uid = headers.get(UID, "")
    extra: dict[str, tuple[str, ...]] = {}
    for header, value in headers.items():
        if header.lower().startswith(EXTRA):
            key = unquote(header[len(EXTRA) :].lower())
            extra[key] = (*extra.get(key, ()), value)
    for attributes in needed(name, groups, uid, extra):
        allowed = MASTERS in request.user.groups or request.api.authorizer.authorize(request.user, attributes).allowed
        if not allowed:
            raise errors.forbidden(attributes.resource, attributes.group, attributes.name, denial(request.user, attributes))
    return User(name, uid, with_known_groups(name, groups), extra)


def needed(name: str, groups: tuple[str, ...], uid: str, extra: dict[str, tuple[str, ...]]) -> Iterator[Attributes]:
    """What the asker must be allowed to do."""
    if name.startswith(SERVICE_ACCOUNT_PREFIX) and name.count(":") == 3:
        _, _, namespace, account = name.split(":")
        yield Attributes("impersonate", resource="serviceaccounts", namespace=namespace, name=account)
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
    if name.startswith(SERVICE_ACCOUNT_PREFIX) and name.count(":") == 3 and not groups:
        return service_account_groups(name.split(":")[2])
    if name == ANONYMOUS_USER:
        return groups if UNAUTHENTICATED in groups else (*groups, UNAUTHENTICATED)
    return groups if AUTHENTICATED in groups else (*groups, AUTHENTICATED)
