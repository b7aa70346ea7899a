"""A process that makes the blocking calls of another one, in threads (kit/blocking.py says why).

- The process that it helps can be killed at any moment, whatever hangs here: ports and files are free at once.
- Functions and arguments are pickled, so functions are those of modules, or methods of what can be pickled.
- It ends when the process that it helps does. If it ends by itself, its calls fail (EIO) and the next one starts another.

Messages in both directions: 4 bytes length, 8 bytes number of the call, a pickle: (function, arguments) there, (result, error) back.
A request without a pickle says that nobody waits for that call any more.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import itertools
import os
import pickle
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from typing import Any

from pilothouse.kit.blocking import THREADS_LIMIT, Call, Threads

HEADER = struct.Struct("=IQ")
READ_BYTES = 1 << 18


class HelperProcess:
    """Executor of `BlockingCalls` in another process. Used from one event loop."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._received, self._unsent = bytearray(), bytearray()
        self._numbers = itertools.count(1)
        self._calls: dict[int, Call] = {}

    def start(self) -> None:
        """Start the process unless it runs; the first call does so as well."""
        if self._socket is not None:
            return
        self._socket, other = socket.socketpair()
        self._socket.setblocking(False)
        self._process = subprocess.Popen([sys.executable, "-P", "-m", "pilothouse.kit.helper_process"], stdin=other.fileno())
        other.close()
        self._received.clear()
        self._unsent.clear()
        self._loop = None

    def close(self) -> None:
        """End the process. Calls that it has not made fail."""
        if self._socket is not None:
            self._socket.close() if self._loop is None else self._ended()

    def begin(self, call: Call) -> None:
        """Send the call; what cannot be pickled fails at once."""
        try:
            pickled = pickle.dumps((call.function, call.arguments), pickle.HIGHEST_PROTOCOL)
        except Exception as error:
            call.finish(None, error)
            return
        self.start()
        number = next(self._numbers)
        self._calls[number] = call
        self._send(number, pickled)

    def give_up(self, call: Call) -> None:
        """Tell the process to skip the call if it has not started."""
        number = next((number for number, other in self._calls.items() if other is call), None)
        if number is not None:
            self._send(number, b"")

    def _send(self, number: int, pickled: bytes) -> None:
        if self._socket is None:
            return
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._loop.add_reader(self._socket, self._read)
        waiting = bool(self._unsent)
        self._unsent += HEADER.pack(len(pickled), number) + pickled
        if not waiting and not self._sent_all():
            self._loop.add_writer(self._socket, self._write)

    def _write(self) -> None:
        assert self._loop is not None
        if self._socket is not None and self._sent_all():
            self._loop.remove_writer(self._socket)

    def _sent_all(self) -> bool:
        assert self._socket is not None
        try:
            del self._unsent[: self._socket.send(self._unsent)]
        except BlockingIOError:
            return False
        except OSError:
            self._unsent.clear()  # it has ended: the reader is told so
        return not self._unsent

    def _read(self) -> None:
        assert self._socket is not None
        try:
            data = self._socket.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._ended()
            return
        self._received += data
        for number, pickled in messages(self._received):
            call = self._calls.pop(number, None)
            if call is not None:
                call.finish(*_result(pickled))

    def _ended(self) -> None:
        assert self._socket is not None
        assert self._loop is not None
        self._loop.remove_reader(self._socket)
        self._loop.remove_writer(self._socket)
        self._socket.close()
        self._socket = None
        calls, self._calls = self._calls, {}
        for call in calls.values():
            call.finish(None, OSError(errno.EIO, "the process that makes blocking calls has ended"))


def messages(received: bytearray) -> Iterator[tuple[int, bytes]]:
    """Take the whole messages off the beginning: number and pickle of each."""
    while len(received) >= HEADER.size:
        length, number = HEADER.unpack_from(received)
        if len(received) < HEADER.size + length:
            return
        pickled = bytes(received[HEADER.size : HEADER.size + length])
        del received[: HEADER.size + length]
        yield number, pickled


def _result(pickled: bytes) -> tuple[Any, BaseException | None]:
    try:
        result, error = pickle.loads(pickled)
    except Exception as failure:
        return None, failure
    return result, error


class Helper:
    """The other side: makes the calls that come over `connection` until it is closed."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._threads = Threads(THREADS_LIMIT)
        self._lock = threading.Lock()
        self._calls: dict[int, Call] = {}

    def serve(self) -> None:
        """Return when the other process has ended."""
        received = bytearray()
        while data := self._connection.recv(READ_BYTES):
            received += data
            for number, pickled in messages(received):
                if pickled:
                    self._begin(number, pickled)
                elif (call := self._calls.get(number)) is not None:
                    call.given_up = True

    def _begin(self, number: int, pickled: bytes) -> None:
        try:
            function, arguments = pickle.loads(pickled)
        except Exception as error:
            self._answer(number, None, error)
            return
        call = self._calls[number] = Call(function, arguments, partial(self._answer, number))
        self._threads.begin(call)

    def _answer(self, number: int, result: object, error: BaseException | None) -> None:
        self._calls.pop(number, None)
        try:
            pickled = pickle.dumps((result, error), pickle.HIGHEST_PROTOCOL)
        except Exception as failure:
            pickled = pickle.dumps((None, RuntimeError(f"{error or result!r} cannot be sent: {failure}")))
        with self._lock:
            self._connection.sendall(HEADER.pack(len(pickled), number) + pickled)


def main() -> None:
    """Entry point of the process; its standard input is the socket to the process that it helps."""
    connection = socket.socket(fileno=os.dup(0))
    os.dup2(os.open(os.devnull, os.O_RDWR), 0)  # programs that are started here must not read what is not theirs
    with contextlib.suppress(OSError):
        Helper(connection).serve()
    os._exit(0)  # not waiting for threads that hang


if __name__ == "__main__":
    main()
