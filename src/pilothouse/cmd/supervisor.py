"""The supervisor as one process, in the host's network: cluster/supervision.py in a loop of its own.

One supervisor a cluster: it holds a lock, and a second one ends at once.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import sys

from pilothouse.cluster.launch import SUPERVISOR
from pilothouse.cluster.supervision import Supervision
from pilothouse.cmd import process
from pilothouse.kit.clock import SystemClock
from pilothouse.node import processes

log = logging.getLogger(__name__)


def main() -> None:
    """Entry point of the supervisor's process; it ends at once when another runs."""
    begin = process.begin("The supervisor of a Pilothouse cluster.")
    with begin.places.supervisor_lock.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit("another supervisor has this cluster")
        own = processes.identify(os.getpid())
        assert own is not None
        processes.write_pid_file(begin.places.pid(SUPERVISOR), own)
        process.freeze_memory()
        log.info("supervisor started", extra={"cluster": begin.places.name})
        asyncio.run(Supervision(begin.places, SystemClock()).run())
        log.info("the cluster is taken down: the supervisor ends")


if __name__ == "__main__":
    main()
