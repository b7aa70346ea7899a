"""Which MutatingAdmissionPolicies are asked a second time because something changed the object after them.

Upstream: policy/mutating/reinvocationcontext.go. Lives as long as a request.
"""

from __future__ import annotations

from typing import Any

Key = tuple[str, str, str, str]
"""Names of the policy and its binding, namespace and name of the param."""


class Reinvocations:
    """`is_second`: whether this is the second pass over the mutating plugins."""

    def __init__(self) -> None:
        self._invoked: set[Key] = set()
        self._again: set[Key] = set()
        self._last: Any = None

    def begin(self, obj: Any, *, is_second: bool) -> None:
        """A pass begins: when others have changed the object since the last one, all that may be asked again are."""
        if is_second and obj != self._last:
            self.require()

    def end(self, obj: Any) -> None:
        """A pass ends with this object."""
        self._last = obj

    def is_due(self, key: Key) -> bool:
        """Whether a policy is asked in the second pass."""
        return key in self._again

    def invoked(self, key: Key) -> None:
        """A policy with reinvocationPolicy IfNeeded has been asked."""
        self._invoked.add(key)

    def require(self) -> None:
        """The object changed: all policies that were asked before are asked again in the second pass."""
        self._again |= self._invoked
        self._invoked.clear()
