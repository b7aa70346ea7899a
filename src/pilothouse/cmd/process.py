"""Shared by both processes of a cluster: arguments, start signals, logs, event loop, and ending.

- `--go`: a pipe on which the starter says that everything stands; importing goes on before. `--ready`: one on which the
  process says that it serves. Started by hand there are neither.
- SIGTERM and SIGINT cancel the main task, once; the process ends with status 0 when everything has been put away.
- A failure before it serves ends it, for the starter to tell. A later one is a bug: it is logged, and the process becomes itself
  anew, under the same id, after a back-off that doubles up to a minute.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import os
import resource
import signal
import sys
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from pilothouse.cluster.state import ClusterState, Places, load
from pilothouse.cmd.refusals import explanation
from pilothouse.kit import logs
from pilothouse.kit.clock import SystemClock

log = logging.getLogger(__name__)

GARBAGE_THRESHOLD = 50_000
"""Objects made between two looks of the collector at the young: caches hold many that live long."""


FILES_WANTED = 65536
LONGEST_BACK_OFF_SECONDS = 60.0
STARTERS_WORDS = ("--go", "--ready", "--restarts")


@dataclass(slots=True)
class Begin:
    """Arguments of a process."""

    places: Places
    go_descriptor: int | None
    ready_descriptor: int | None
    restarts: int = 0
    served: bool = False

    def wait(self) -> None:
        """Return when the starter says that everything stands."""
        if self.go_descriptor is not None:
            told = os.read(self.go_descriptor, 1)
            os.close(self.go_descriptor)
            if not told:
                sys.exit("the starter gave up")

    def state(self) -> ClusterState:
        """The cluster on record: there before any process of it is started."""
        state = load(self.places)
        if state is None:
            sys.exit(f"no cluster is recorded in {self.places.state}")
        return state

    def serving(self) -> None:
        """Say that this process does what it is for."""
        self.served = True
        if self.ready_descriptor is not None:
            with suppress(BrokenPipeError):  # the starter was killed meanwhile
                os.write(self.ready_descriptor, b"ready\n")
            os.close(self.ready_descriptor)
            self.ready_descriptor = None


def begin(description: str) -> Begin:
    """Parse the arguments of a process and prepare its logs; the result waits for the starter's signal."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--name", default="pilothouse", help="of the cluster")
    parser.add_argument("--root", type=Path, default=Path("/"), help="below which its directories are")
    parser.add_argument("--go", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--ready", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--restarts", type=int, default=0, help=argparse.SUPPRESS)
    parsed = parser.parse_args()
    logs.set_up()
    gc.disable()
    allow_many_files()
    return Begin(Places(parsed.name, parsed.root), parsed.go, parsed.ready, parsed.restarts)


def allow_many_files() -> None:
    """Every watch and connection is one: take what the machine grants."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES_WANTED if hard == resource.RLIM_INFINITY else min(hard, FILES_WANTED)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def freeze_memory() -> None:
    """Exclude the objects made at the start from garbage collection."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_THRESHOLD, 20, 20)
    gc.enable()


def run(begin: Begin, main: Callable[[], Coroutine[Any, Any, None]], loop_factory: Callable[[], Any] | None = None) -> None:
    """Run `main` until it ends or a signal asks to end."""

    async def guarded() -> None:
        task = asyncio.current_task()
        assert task is not None
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        try:
            await main()
        except asyncio.CancelledError:
            log.info("asked to end, and everything is put away")

    try:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.run(guarded())
    except Exception as error:
        if not begin.served:
            if words := explanation(error):
                raise SystemExit(words) from error  # the last line of its log, which the starter shows
            raise
        log.exception("this is a bug; starting anew")
        asyncio.run(SystemClock().sleep(min(2.0**begin.restarts, LONGEST_BACK_OFF_SECONDS)))
        os.execv(sys.executable, again(sys.orig_argv, begin.restarts + 1))


def again(words: Sequence[str], restarts: int) -> list[str]:
    """The command line of the next life: without the starter's pipes."""
    kept = [words[0]]
    for before, word in pairwise(words):
        if word not in STARTERS_WORDS and before not in STARTERS_WORDS:
            kept.append(word)
    return [*kept, "--restarts", str(restarts)]
