"""Which webhooks or policies are asked a second time because something changed the object after them.

Upstream: the reinvocation contexts of webhook/mutating and policy/mutating. Lives as long as a request.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any


class Reinvocations:
    """Of those of one plugin that have reinvocationPolicy IfNeeded; each has a key of its own."""

    def __init__(self) -> None:
        self._invoked: set[Hashable] = set()
        self._again: set[Hashable] = set()
        self._last: Any = None

    def begin(self, obj: Any, *, is_second: bool) -> None:
        """A pass begins: when others have changed the object since the last one, all that may be asked again are."""
        if is_second and obj != self._last:
            self.require()

    def end(self, obj: Any) -> None:
        """A pass ends with this object."""
        self._last = obj

    def is_due(self, key: Hashable) -> bool:
        """Whether one is asked in the second pass."""
        return key in self._again

    def invoked(self, key: Hashable) -> None:
        """One with reinvocationPolicy IfNeeded has been asked."""
        self._invoked.add(key)

    def require(self) -> None:
        """The object changed: all that were asked before are asked again in the second pass."""
        self._again |= self._invoked
        self._invoked.clear()
