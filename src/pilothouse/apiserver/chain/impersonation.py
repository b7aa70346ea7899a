"""`Impersonate-User`, `-Group`, `-Uid`, `-Extra-*`: act as somebody else, when the asker may (auth/impersonation.py).

Groups, a UID or extra keys without a user are refused (upstream's endpoints/filters/impersonation).
"""

from __future__ import annotations

import re
from collections.abc import Awaitable
from urllib.parse import unquote

from pilothouse.apiserver.auth.authorizer import ALLOWED, Attributes, Decision
from pilothouse.apiserver.auth.modes import decide
from pilothouse.apiserver.auth.user import MASTERS, User
from pilothouse.apiserver.http.attributes import requested
from pilothouse.apiserver.http.request import NO_SNIFFING, Handler, Request, Response
from pilothouse.machinery import errors
from pilothouse.machinery.quoting import go_quoted

USER, GROUP, UID, EXTRA = "Impersonate-User", "Impersonate-Group", "Impersonate-Uid", "impersonate-extra-"
PREFIX = "impersonate-"
MALFORMED = re.compile("%(?![0-9a-fA-F]{2})")


def impersonate(request: Request, next: Handler) -> Awaitable[Response]:
    """Replace `request.user` by the user of the Impersonate headers, when there are any. Raises a 403 when that is not permitted."""
    for header in request.http.headers:
        if header[:12].lower() == PREFIX:
            try:
                wanted = wanted_user(request)
            except errors.StatusError:
                request.answer_headers.append(NO_SNIFFING)
                raise
            if wanted is not None:
                return as_somebody_else(request, next, wanted)
            break
    return next(request)


async def as_somebody_else(request: Request, next: Handler, wanted: User) -> Response:
    """Continue as `wanted`. Raises a 403 when the asker may not."""

    async def check(user: User, attributes: Attributes) -> Decision:
        return ALLOWED if MASTERS in user.groups else await decide(request.api.authorizer, user, attributes)

    asker = request.user
    try:
        request.user = await request.api.impersonation.user(check, asker, wanted, requested(request))
        if request.audit is not None:
            request.audit.impersonated(request.user, request.api.impersonation.constraint_of(asker))
    except errors.StatusError:
        request.answer_headers.append(NO_SNIFFING)
        raise
    return await next(request)


def wanted_user(request: Request) -> User | None:
    """The user to act as, None when nobody is named. StatusError 400 when something but no user is named."""
    headers = request.http.headers
    name, uid = headers.get(USER, ""), headers.get(UID, "")
    groups = tuple(headers.getall(GROUP, ()))
    extra: dict[str, tuple[str, ...]] = {}
    for header, value in headers.items():
        if header.lower().startswith(EXTRA):
            key = extra_key(header[len(EXTRA) :].lower())
            extra[key] = (*extra.get(key, ()), value)
    if name:
        return User(name, uid, groups, extra)
    if groups or extra or uid:
        raise errors.bad_request(f"requested {go_user(uid, groups, extra)} without impersonating a user name")
    return None


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
