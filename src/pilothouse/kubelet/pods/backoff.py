"""Exponential backoff from 10 s to 300 s, reset after twice the maximum (upstream's flowcontrol.Backoff). Pure.

Used for restarts of containers (CrashLoopBackOff) and for image pulls (ImagePullBackOff).
"""

from __future__ import annotations

from pilothouse.kubelet.pods.observed import BackOff

FIRST_SECONDS = 10.0
LONGEST_SECONDS = 300.0
CLOCK_STEP_SECONDS = 1.0
"""What clocks of one machine may differ by, as the runtime and the kubelet read them."""


def waits_until(entry: BackOff | None, since: float, now: float) -> float | None:
    """End of the backoff that began at `since`, when the container exited; None when there is none."""
    if entry is None or since - entry.used_at > 2 * LONGEST_SECONDS:
        return None
    until = since + entry.seconds
    return until if is_pending(until, now) else None


def is_pending(until: float, now: float) -> bool:
    """Whether a backoff until `until` continues. One longer than the maximum is over: the clock was set back."""
    return now < until <= now + LONGEST_SECONDS + CLOCK_STEP_SECONDS


def used(entry: BackOff | None, since: float, now: float) -> BackOff:
    """The entry after one more use, with the delay doubled; reset when the container ran long enough."""
    if entry is None or since - entry.used_at > 2 * LONGEST_SECONDS:
        return BackOff(FIRST_SECONDS, now)
    return BackOff(min(entry.seconds * 2, LONGEST_SECONDS), now)
