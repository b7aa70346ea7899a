"""Exits that containerd has reported before its CRI plugin shows them. Pure.

containerd publishes an exit before its plugin has come to it: by milliseconds, under load by seconds, and by the plugin's own
back-off where it failed at it. Until then CRI calls the container running (or created, where it was over before its start was
booked), and who believed that would never look again. So each is looked for again, after pauses that double up to a bound, for as
long as it takes; none waits for another.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field

from pilothouse.kubelet.runtime.cri_events import Notice

FIRST_SECONDS, LONGEST_SECONDS = 0.002, 5.0
STOPPING_SECONDS = 0.25
"""How long to leave alone what somebody is being waited for to end: whoever ended it looks by itself."""


@dataclass(slots=True)
class Recheck:
    """Next check of an exit that CRI does not show yet; `pause` in seconds, growing."""

    at: float
    pause: float


@dataclass(slots=True)
class PendingExits:
    """Reported exits that CRI does not show yet. Times are seconds of a monotonic clock."""

    _looks: dict[Notice, Recheck] = field(default_factory=dict)

    def add(self, told: Notice, now: float) -> None:
        """Note an exit that containerd has told; `now` is a monotonic clock's seconds."""
        self._looks[told] = Recheck(now, FIRST_SECONDS)

    def due(self, now: float, stopping: Container[str] = ()) -> list[Notice]:
        """Exits to check now; call `confirmed` when CRI shows one. Containers in `stopping` are checked later."""
        notices = []
        for told, look in self._looks.items():
            if look.at > now:
                continue
            if told.container_id in stopping:
                look.at = now + STOPPING_SECONDS
            else:
                notices.append(told)
        for told in notices:
            look = self._looks[told]
            self._looks[told] = Recheck(now + look.pause, min(look.pause * 2, LONGEST_SECONDS))
        return notices

    def confirmed(self, told: Notice) -> None:
        """Forget an exit that CRI shows now."""
        self._looks.pop(told, None)

    def seconds(self, now: float) -> float | None:
        """Seconds until the next check; None when nothing is pending."""
        return max(min(look.at for look in self._looks.values()) - now, 0.0) if self._looks else None
