"""Stand-in for etcd: listens and reports healthy; the API server stores its objects itself.

Little is imported: whoever starts it waits for it.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Sequence
from urllib.parse import urlsplit

from pilothouse.kit.clock import SystemClock, wait_for

VERSION = "3.6.0"
ANSWERS = {
    "/health": b'{"health":"true","reason":""}',
    "/livez": b"ok\n",
    "/readyz": b"ok\n",
    "/version": b'{"etcdserver":"%b","etcdcluster":"3.6.0","storage":"pilothouse"}' % VERSION.encode(),
}
HEAD_SECONDS = 10.0
HEAD_LIMIT_BYTES = 16 * 1024
DEFAULT_URL = "http://localhost:2379"
HELP = """Usage: etcd [flags]
Pilothouse's stand-in for envtest: it says that it is healthy, and keeps nothing.

  --listen-client-urls   where it listens, with commas between
  --version              print the version
Flags of etcd that have no effect:
  --advertise-client-urls
  --data-dir
  --listen-peer-urls
  --unsafe-no-fsync
"""
"""envtest looks for the flags that it would give."""


def client_urls(arguments: Sequence[str]) -> list[str]:
    """Value of `--listen-client-urls`, as `--flag=value` or `--flag value`; etcd's default without it."""
    for index, word in enumerate(arguments):
        name, equals, value = word.lstrip("-").partition("=")
        if name == "listen-client-urls":
            text = value if equals else next(iter(arguments[index + 1 :]), "")
            return [url for url in text.split(",") if url]
    return [DEFAULT_URL]


def answer(request_line: str) -> bytes:
    """The whole HTTP answer to a request."""
    parts = request_line.split()
    path = parts[1].partition("?")[0] if len(parts) > 1 else ""
    body = ANSWERS.get(path)
    status, content = ("200 OK", body) if body is not None else ("404 Not Found", b"404 page not found\n")
    kind = "application/json" if content.startswith(b"{") else "text/plain; charset=utf-8"
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(content)}\r\nConnection: close\r\n\r\n"
    return head.encode() + content


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer one request and close the connection."""
    try:
        head = await wait_for(SystemClock(), reader.readuntil(b"\r\n\r\n"), HEAD_SECONDS)
        writer.write(answer(head.partition(b"\r\n")[0].decode("latin-1")))
        await writer.drain()
    except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        pass
    finally:
        writer.close()


async def run(urls: Sequence[str]) -> None:
    """Listen until a signal asks to end. OSError when an address is taken."""
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    for url in urls:
        parts = urlsplit(url)
        await asyncio.start_server(serve, parts.hostname or "127.0.0.1", parts.port or 2379, limit=HEAD_LIMIT_BYTES)
    print(f"pilothouse: answers for etcd on {', '.join(urls)}; objects are kept in the API server's memory", file=sys.stderr)
    await ended.wait()


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the executable `etcd`."""
    given = sys.argv[1:] if arguments is None else arguments
    if "--help" in given or "-h" in given:
        print(HELP, end="")
        return
    if "--version" in given:
        print(f"etcd Version: {VERSION}\nPilothouse's stand-in for envtest")
        return
    try:
        asyncio.run(run(client_urls(given)))
    except OSError as error:
        sys.exit(f"etcd: {error}")
