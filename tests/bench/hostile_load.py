"""GETs of others while a server is under attack: three YAML bodies of 3 MB, 200 slow connections, 500 watchers that do not read.

    python -m tests.bench.hostile_load              measures
    python -m tests.bench.hostile_load PORT ...     is the attacker, in a process of its own

The GET's latency is measured from one connection that asks every few milliseconds; memory is that of the server and its children.
"""

from __future__ import annotations

import asyncio
import resource
import sys
import time
from pathlib import Path

import uvloop

from tests.bench.api.load import Served, served
from tests.bench.figure import report

PATH = "/api/v1/namespaces/default/pods/pod-00000"
SECONDS = 20.0
PAUSE_SECONDS = 0.005
SLOW, WATCHERS, BODIES, BODY_BYTES = 200, 500, 3, 3_000_000
GET_P99_MS, MEMORY_MB = 50.0, 300.0
HEAD = b"Host: 127.0.0.1\r\nUser-Agent: hostile\r\nAccept: application/json\r\n"
CONFIG_MAPS = b"/api/v1/namespaces/default/configmaps"


async def latencies(port: int, seconds: float) -> list[float]:
    """Milliseconds of each GET."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    found, until = [], time.monotonic() + seconds
    while (begin := time.monotonic()) < until:
        writer.write(b"GET %b HTTP/1.1\r\n%b\r\n" % (PATH.encode(), HEAD))
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]))
        found.append((time.monotonic() - begin) * 1000)
        await asyncio.sleep(PAUSE_SECONDS)
    writer.close()
    return found


def memory(pid: int) -> float:
    """MB of a process and its descendants."""
    total = 0.0
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            fields = dict(line.split(":\t", 1) for line in status.read_text().splitlines() if ":\t" in line)
        except OSError:
            continue
        if pid in (int(fields["Pid"]), int(fields["PPid"])) and "VmRSS" in fields:
            total += int(fields["VmRSS"].split()[0]) / 1024
    return total


async def highest_memory(pid: int) -> float:
    most = 0.0
    while True:
        most = max(most, memory(pid))
        try:
            await asyncio.sleep(0.1)
        except asyncio.CancelledError:
            return most


# The attacker.


async def post(port: int, body: bytes) -> None:
    """Send one body of YAML again and again."""
    while True:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head = b"POST %b HTTP/1.1\r\n%bContent-Type: application/yaml\r\nContent-Length: %d\r\n\r\n" % (CONFIG_MAPS, HEAD, len(body))
        writer.write(head + body)
        try:
            answer = await reader.read(65536)
            print("post", len(body), answer.partition(b"\r\n")[0].decode(), flush=True)
        except OSError as error:
            print("post", len(body), error, flush=True)
        writer.close()
        await asyncio.sleep(0.05)


async def dribble(port: int, number: int) -> None:
    """Half of them never end their head, the others never their body."""
    while True:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        slow_body = b"POST %b HTTP/1.1\r\n%bContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n{" % (CONFIG_MAPS, HEAD)
        writer.write(slow_body if number % 2 else b"GET %b HTTP/1.1\r\nX-Slow: " % CONFIG_MAPS)
        try:
            while not reader.at_eof():
                writer.write(b"a")
                await asyncio.sleep(1.0)
        except OSError:
            pass
        writer.close()


async def watch(port: int) -> None:
    """Ask for everything, and read nothing."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_connection(asyncio.Protocol, "127.0.0.1", port)
    transport.pause_reading()
    transport.write(b"GET /api/v1/configmaps?watch=true HTTP/1.1\r\n%b\r\n" % HEAD)
    await asyncio.Event().wait()


async def change(port: int) -> None:
    """Write objects of 50 kB, so that watchers have something to hear of."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    number = 0
    while True:
        number += 1
        body = b'{"metadata":{"generateName":"big-"},"data":{"text":"%b"}}' % (b"x" * 50_000)
        head = b"POST %b HTTP/1.1\r\n%bContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (CONFIG_MAPS, HEAD, len(body))
        writer.write(head + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(answer.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]))
        await asyncio.sleep(0.02)


def bodies() -> list[bytes]:
    """Many short scalars, many keys, many small maps."""
    start = b"kind: ConfigMap\nmetadata: {name: big}\nx:\n"
    lists = start + b"- a\n" * ((BODY_BYTES - len(start)) // 4)
    keys = b"kind: ConfigMap\nmetadata: {name: big}\ndata:\n" + b"".join(b"  k%d: v\n" % number for number in range(BODY_BYTES // 13))
    maps = start + b"- {a: 1, b: [x]}\n" * ((BODY_BYTES - len(start)) // 17)
    return [lists, keys, maps]


async def attack(port: int) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
    async with asyncio.TaskGroup() as group:
        for _ in range(WATCHERS):
            group.create_task(watch(port))
        for number in range(SLOW):
            group.create_task(dribble(port, number))
        group.create_task(change(port))
        await asyncio.sleep(1.0)
        for body in bodies():
            group.create_task(post(port, body))


async def measure(one: Served) -> None:
    port = one.ports["plain"]
    quiet = await latencies(port, 3.0)
    idle = memory(one.pid)
    log = Path("/tmp") / f"hostile_load.{one.pid}"
    with log.open("w") as output:
        command = (sys.executable, "-m", "tests.bench.hostile_load", str(port))
        attacker = await asyncio.create_subprocess_exec(*command, stdout=output)
    watcher = asyncio.ensure_future(highest_memory(one.pid))
    try:
        await asyncio.sleep(2.0)
        loud = await latencies(port, SECONDS)
    finally:
        attacker.kill()
        await attacker.wait()
        watcher.cancel()
    most = await watcher
    answers = log.read_text().splitlines()
    log.unlink()
    report("hostile_yaml_answers", len(answers), "answers", at_least=1)
    report("hostile_get_quiet_p99", percentile(quiet, 0.99), "ms")
    report("hostile_get_p50", percentile(loud, 0.5), "ms")
    report("hostile_get_p99", percentile(loud, 0.99), "ms", at_most=GET_P99_MS)
    report("hostile_get_longest", max(loud), "ms")
    report("hostile_memory", most - idle, "MB", at_most=MEMORY_MB)


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def main() -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        if len(sys.argv) > 1:
            runner.run(attack(int(sys.argv[1])))
            return
        with served(10) as one:
            runner.run(measure(one))


if __name__ == "__main__":
    main()
