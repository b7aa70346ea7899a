"""The port of a provider: how a value is written to the store and read from it. Upstream: storage/value, Transformer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple, Protocol

ENCRYPTED = b"k8s:enc:"
"""How every encrypted value begins."""


class Context(NamedTuple):
    """Where a value stands: `key` is authenticated with it, so that it cannot be moved to another one; `resource` is for metrics."""

    key: bytes
    resource: str


class Opened(NamedTuple):
    """A value in plain; `stale` says that it should be written anew although nothing else changes."""

    value: bytes
    stale: bool


class TransformationFailed(Exception):
    """A value that cannot be encrypted or decrypted; the text says why, in upstream's words."""


class KeyMissing(TransformationFailed):
    """A value whose key only a plugin knows: after `fetch` has returned, it can be opened. `fetch` raises TransformationFailed."""

    def __init__(self, fetch: Callable[[], Awaitable[None]]) -> None:
        super().__init__("the key is to be fetched first")
        self.fetch = fetch


class Transformer(Protocol):
    """One way of keeping values. Both methods are quick, and never wait."""

    def seal(self, value: bytes, context: Context) -> bytes:
        """What is stored of a value. Raises TransformationFailed."""
        ...

    def open(self, value: bytes, context: Context) -> Opened:
        """The value of what is stored. Raises TransformationFailed, or KeyMissing."""
        ...


class Undecryptable(bytes):
    """Stands for a stored value that could not be decrypted: it is empty, so that no decoder takes it, and says why in `problem`."""

    problem: str

    def __new__(cls, problem: str) -> Undecryptable:
        made = super().__new__(cls)
        made.problem = problem
        return made


class Identity:
    """`identity`: the value itself. What is encrypted is not taken for one."""

    def seal(self, value: bytes, context: Context) -> bytes:
        """The value."""
        return value

    def open(self, value: bytes, context: Context) -> Opened:
        """The value; TransformationFailed for what another provider has encrypted."""
        if value.startswith(ENCRYPTED):
            raise TransformationFailed("identity transformer tried to read encrypted data")
        return Opened(value, stale=False)
