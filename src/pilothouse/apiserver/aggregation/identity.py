"""Headers with the user's identity for extension API servers. Pure.

Upstream: client-go's transport.SetAuthProxyHeaders.
"""

from __future__ import annotations

from collections.abc import Iterator

from pilothouse.apiserver.auth.user import User

TOKEN = frozenset("!#$&'*+-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ^_`abcdefghijklmnopqrstuvwxyz|~")
"""What may stand in the name of a header, but the percent sign, which escapes."""


def headers_of(user: User) -> Iterator[tuple[str, str]]:
    """X-Remote-User, -Uid, -Group and -Extra-<key>, in that order."""
    yield "X-Remote-User", user.name
    if user.uid:
        yield "X-Remote-Uid", user.uid
    for group in user.groups:
        yield "X-Remote-Group", group
    for key, values in user.extra.items():
        for value in values:
            yield f"X-Remote-Extra-{escaped(key)}", value


def escaped(key: str) -> str:
    """A key as it can stand in the name of a header: every other byte as %XX."""
    return "".join(chr(byte) if chr(byte) in TOKEN else f"%{byte:02X}" for byte in key.encode())
