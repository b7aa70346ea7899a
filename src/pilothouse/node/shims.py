"""The shims of a containerd: a process beside each pod sandbox, which outlives containerd and keeps the sandbox's containers.

A shim is known by the id in its command line and by the socket of the containerd that started it: those of other containerds on the machine
are nobody's business here.
"""

from __future__ import annotations

import itertools
from pathlib import Path

from pilothouse.node import processes

PROGRAM = "containerd-shim"


class Shims:
    """Shims of the containerd that listens at `socket`. The calls read /proc and may block briefly."""

    def __init__(self, socket: Path) -> None:
        self._socket = str(socket)

    def ids(self) -> set[str]:
        """Ids of the sandboxes (or containers) that a shim runs for."""
        return {*self._found()}

    def end(self, identifier: str) -> None:
        """Kill a shim and what it started; a missing shim is no error."""
        shim = self._found().get(identifier)
        if shim is not None:
            children = processes.children(shim)
            processes.kill([*children, shim])

    def _found(self) -> dict[str, processes.Process]:
        by_id = {}
        for shim in processes.with_name(PROGRAM):
            words = processes.command_line(shim)
            values = dict(itertools.pairwise(words))
            if values.get("-address") == self._socket and values.get("-id"):
                by_id[values["-id"]] = shim
        return by_id
