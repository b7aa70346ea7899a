"""No controller is refused what it asks, in any test of controllers."""

from __future__ import annotations

from tests.decisions import no_component_is_refused

__all__ = ["no_component_is_refused"]
