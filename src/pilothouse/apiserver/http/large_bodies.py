"""Large bodies: a limit for their sum, and decoding in a thread or process so that other requests are not delayed.

- Bodies above COUNTED_BYTES count against one budget while they are read and decoded; beyond it a request is refused with 429.
- Large YAML is read by another process, one document at a time: the time that it takes is nobody else's. What takes longer than the
  request may, ends with the process.
- Other large bodies are decoded in a thread (kit/offload.py).
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from dataclasses import dataclass, field

import orjson

from pilothouse.kit.clock import SystemClock, Timer
from pilothouse.kit.offload import in_thread
from pilothouse.machinery import codec, errors

COUNTED_BYTES = 64 * 1024
"""Smaller bodies are held by the limits of requests in flight."""
BUDGET_BYTES = 96 << 20
IDLE_SECONDS = 10.0
MACHINE = SystemClock()
"""Processes live in the machine's own time."""
LARGE_BYTES, LARGE_YAML_BYTES = 96 * 1024, 32 * 1024
"""From here on a body is decoded outside the loop: some milliseconds' work."""


@dataclass(slots=True)
class LargeBodies:
    """Limit and decoding of large bodies. One per API server."""

    budget_bytes: int = BUDGET_BYTES
    held_bytes: int = 0
    _process: asyncio.subprocess.Process | None = None
    _idle: Timer | None = None
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    def reserve(self, count: int) -> None:
        """Take so many bytes from the budget; StatusError 429 when they are not there."""
        if self.held_bytes + count > self.budget_bytes:
            raise errors.too_many_requests("Too many requests, please try again later.", 1)
        self.held_bytes += count

    def release(self, count: int) -> None:
        """Return `count` bytes to the budget."""
        self.held_bytes -= count

    async def yaml(self, data: bytes) -> codec.ReadYaml:
        """A YAML body with its parsed value or error."""
        async with self._turn:
            try:
                note, value = await self._ask(data)
            except BaseException:
                self._end()  # it is in the midst of this document, and has another's answer for the next
                raise
            self._end_when_idle()
        note = orjson.loads(note)
        if "error" in note:
            return codec.ReadYaml(data, error=note["error"])
        return codec.ReadYaml(data, value=await in_thread(orjson.loads, value), repeated=note["repeated"])

    async def _ask(self, data: bytes) -> tuple[bytes, bytes]:
        if self._process is None or self._process.returncode is not None:
            command = (sys.executable, "-m", "pilothouse.machinery.yaml_worker")
            self._process = await asyncio.create_subprocess_exec(
                *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, start_new_session=True
            )
        source, sink = self._process.stdout, self._process.stdin
        assert source is not None
        assert sink is not None
        sink.write(len(data).to_bytes(8, "big") + data)
        await sink.drain()
        lengths = await source.readexactly(16)
        note = await source.readexactly(int.from_bytes(lengths[:8], "big"))
        return note, await source.readexactly(int.from_bytes(lengths[8:], "big"))

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()

    def _end_when_idle(self) -> None:
        """End the process when nothing has come for a while: it keeps the memory of the largest document that it has read."""
        if self._idle is not None:
            self._idle.cancel()
        self._idle = MACHINE.call_after(IDLE_SECONDS, lambda: None if self._turn.locked() else self._end())

    async def close(self) -> None:
        """End the process; the server is about to stop."""
        if self._idle is not None:
            self._idle.cancel()
        process = self._process
        self._end()
        if process is not None:
            await process.wait()
