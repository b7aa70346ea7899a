"""Undoes what a command has started when the command fails."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

from pilothouse.cluster import launch, teardown
from pilothouse.cluster.failure import ClusterFailure
from pilothouse.cluster.launch import Started
from pilothouse.cluster.state import ClusterState, Places
from pilothouse.node import network


@dataclass(slots=True)
class Rollback:
    """What this command has started: processes, and perhaps a cluster that nobody has used yet (`new`)."""

    new: bool
    started: dict[str, Started] = field(default_factory=dict)

    @contextlib.contextmanager
    def used(self) -> Iterator[None]:
        """From here on the cluster may be in use, and is not removed unless the block fails."""
        new, self.new = self.new, False
        try:
            yield
        except ClusterFailure:
            self.new = new
            raise


@contextlib.contextmanager
def cleaned_up_on_failure(places: Places, state: ClusterState, *, new: bool) -> Iterator[Rollback]:
    """Processes that this command started do not outlive its failure; nor does the node, unless some of it ran before; nor the
    state of a new cluster. Of that only the logs stay that a failed process left."""
    ran_before = any(launch.running(places, name) for name in launch.PROCESSES)
    rollback = Rollback(new)
    try:
        yield rollback
    except BaseException as failure:
        with uninterrupted():
            for process in rollback.started.values():
                process.abandon()
            if not ran_before:
                teardown.stop_processes(places, gently=False)
                with contextlib.suppress(network.NetworkFailure):  # what failed first is told
                    teardown.take_down_node(places, state)
                teardown.remove_run_files(places)
                if rollback.new:
                    teardown.forget(places, logs=not isinstance(failure, launch.ProcessFailure))
        raise


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Ignore further Ctrl-C while the block cleans up. Only the main thread can set signal handlers."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in INTERRUPTING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


INTERRUPTING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
