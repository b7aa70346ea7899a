"""CRI's images, credentials of a pull, and image filesystem.

Part of the port to container runtimes (port.py): plain values, names and meanings are CRI's.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True, frozen=True)
class Image:
    """`user` is the image's own numeric user (None when not numeric or unset), `username` the non-numeric one."""

    id: str
    tags: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()
    size: int = 0
    user: int | None = None
    username: str = ""
    pinned: bool = False


@dataclass(slots=True, frozen=True)
class Credentials:
    """AuthConfig of a pull."""

    username: str = ""
    password: str = ""
    auth: str = ""
    identity_token: str = ""
    registry_token: str = ""


@dataclass(slots=True, frozen=True)
class FilesystemUsage:
    """The filesystem of images (`mountpoint`), and their usage of it."""

    mountpoint: str
    used: int = 0
    inodes_used: int = 0
