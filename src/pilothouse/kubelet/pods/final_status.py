"""Final container statuses of an ended Pod, and the limit of termination messages. Pure.

- A container of which the node knows no end counts as failed: it may have done part of its work.
- Init containers after the last one that was ever tried are left waiting: that is where the pod came to.
- The termination message of all containers of a pod together are no more than 12 KiB.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from pilothouse.api.types.core_v1 import ContainerState, ContainerStateTerminated, ContainerStatus, Pod
from pilothouse.kubelet.pods.spec import every_container

UNKNOWN = ContainerStateTerminated(
    reason="ContainerStatusUnknown", message="The container could not be located when the pod was terminated", exitCode=137
)
POD_MESSAGES_LIMIT = 12 * 1024


def end_unfinished(pod: Pod, init: list[ContainerStatus], main: list[ContainerStatus]) -> None:
    """Set a terminated state for every container of an ended Pod; changes the statuses."""
    if _is_initialized(pod, init, main):
        _end(main)
    tried = [place for place, status in enumerate(init) if _was_tried(status)]
    _end(init[: max([0, *tried]) + 1])


def _end(statuses: Sequence[ContainerStatus]) -> None:
    for status in statuses:
        if status.state.terminated is None:
            status.state = ContainerState(terminated=UNKNOWN)


def _was_tried(status: ContainerStatus) -> bool:
    return status.state.waiting is None or status.lastState.terminated is not None


def _is_initialized(pod: Pod, init: Sequence[ContainerStatus], main: Sequence[ContainerStatus]) -> bool:
    if not pod.spec.initContainers or any(_was_tried(status) for status in main):
        return True
    last = init[-1].state.terminated if init else None
    return last is not None and last.exitCode == 0


def limit_messages(pod: Pod, statuses: Sequence[ContainerStatus]) -> None:
    """Cut termination messages so that the sum stays within upstream's limit; changes the statuses."""
    share = POD_MESSAGES_LIMIT // max(len(every_container(pod)), 1)
    for status in statuses:
        status.state, status.lastState = _shortened(status.state, share), _shortened(status.lastState, share)


def _shortened(state: ContainerState, limit: int) -> ContainerState:
    ended = state.terminated
    words = ended.message.encode() if ended is not None else b""
    if ended is None or len(words) <= limit:
        return state
    return ContainerState(terminated=replace(ended, message=words[:limit].decode(errors="ignore")))
