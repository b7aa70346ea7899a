"""Reading and following a container's log file.

- A file that was rotated away is read to its end, then the new one from its beginning.
- Following waits for inotify, and looks at the container at least every STATE_CHECK_SECONDS; it ends when the container has
  ended and everything was read.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import BinaryIO

from pilothouse.kit.clock import Clock, wait_for
from pilothouse.kubelet.server.logs import LogOptions, LogWriter, tail_offset

BLOCK_BYTES = 64 * 1024
STATE_CHECK_SECONDS = 1.0
ROTATION_SECONDS = 5.0
"""How long the file may be missing between a rotation and the runtime's new file."""

Running = Callable[[], Awaitable[bool]]
ReadLog = Callable[[Path, LogOptions, Clock, Running], AsyncIterator[bytes]]
"""`read_log` and what may stand in its place."""


async def read_log(path: Path, options: LogOptions, clock: Clock, running: Running) -> AsyncIterator[bytes]:
    """Parts of the log, as the client requested. Raises FileNotFoundError."""
    writer = LogWriter(options)
    with await asyncio.to_thread(open, path, "rb") as file:
        if options.tail_lines is not None:
            number = file.fileno()
            size, lines = os.fstat(number).st_size, options.tail_lines
            file.seek(await asyncio.to_thread(tail_offset, size, lines, lambda at, count: os.pread(number, count, at)))
        if not options.follow:
            async for piece in _pieces(file, writer, final=True):
                yield piece
            return
        async for piece in _follow(path, file, writer, clock, running):
            yield piece


async def _pieces(file: BinaryIO, writer: LogWriter, *, final: bool) -> AsyncIterator[bytes]:
    """Everything up to the file's present end; a line without its end is left for later unless this is `final`."""
    rest = b""
    while not writer.full:
        block, piece, rest = await asyncio.to_thread(_next, file, writer, rest)  # a large file must not hold up everybody else
        if piece:
            yield piece
        if not block:
            break
    if rest and final:
        if piece := writer.render([rest]):
            yield piece
    elif rest:
        file.seek(-len(rest), os.SEEK_CUR)


def _next(file: BinaryIO, writer: LogWriter, rest: bytes) -> tuple[bool, bytes, bytes]:
    """Whether there was a block to read, what the client gets of it, and the beginning of the line that it ends in."""
    block = file.read(BLOCK_BYTES)
    *lines, rest = (rest + block).split(b"\n")
    return bool(block), writer.render(lines), rest


async def _follow(path: Path, file: BinaryIO, writer: LogWriter, clock: Clock, running: Running) -> AsyncIterator[bytes]:
    from asyncinotify import Inotify, Mask  # late: only whoever follows needs it

    current = file
    try:
        with Inotify() as inotify:
            inotify.add_watch(path.parent, Mask.MODIFY | Mask.CREATE | Mask.MOVED_TO | Mask.CLOSE_WRITE)
            while not writer.full:
                alive = await running()  # asked before reading: what it wrote last is then in the file
                async for piece in _pieces(current, writer, final=False):
                    yield piece
                if rotated(path, current):
                    async for piece in _pieces(current, writer, final=True):
                        yield piece
                    fresh = await _reopened(path, clock, running)
                    if fresh is None:
                        return
                    if current is not file:
                        current.close()
                    current = fresh
                elif not alive:
                    return
                else:
                    await _changed(inotify.get, clock)
    finally:
        if current is not file:
            current.close()


async def _changed(get: Callable[[], Awaitable[object]], clock: Clock) -> None:
    try:
        await wait_for(clock, get(), STATE_CHECK_SECONDS)
    except TimeoutError:
        return


def rotated(path: Path, file: BinaryIO) -> bool:
    """Whether `path` no longer names the open file."""
    try:
        return not os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return True


async def _reopened(path: Path, clock: Clock, running: Running) -> BinaryIO | None:
    """The runtime's new file; None when none comes, as when the log went with its container."""
    deadline = clock.monotonic() + ROTATION_SECONDS
    while True:
        try:
            return await asyncio.to_thread(open, path, "rb")
        except FileNotFoundError:
            if clock.monotonic() >= deadline or not await running():
                return None
            await clock.sleep(0.1)
