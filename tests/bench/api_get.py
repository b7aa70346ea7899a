"""GET of one Pod over TLS, against a bare aiohttp server that returns the same bytes, in turns within one run.

The client must not be what is measured: it asks again as soon as it is answered, on sixteen connections, and counts bytes; it
needs about half of what the bare server needs. Beside the rates stands what a request costs the server's process in processor
time: that ratio holds also where other processes take the processors away.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

import uvloop

from tests.bench.api.load import Served, rate, served
from tests.bench.figure import p50, report
from tests.bench.processes import processor_seconds

CONNECTIONS = 16
SECONDS = 2.0
ROUNDS = 3
PATH = "/api/v1/namespaces/default/pods/pod-00000"


@dataclass(frozen=True)
class Turn:
    """One turn of one server: answers a second, microseconds of processor time an answer."""

    rate: float
    cost: float


async def turn(one: Served, port: int) -> Turn:
    processor = processor_seconds(one.pid)
    begin = time.monotonic()
    found = await rate(one, port, PATH, CONNECTIONS, SECONDS)
    answered = found * (time.monotonic() - begin)
    return Turn(found, (processor_seconds(one.pid) - processor) / answered * 1e6)


async def measure(one: Served) -> tuple[list[Turn], list[Turn]]:
    bare, ours = [], []
    for _ in range(ROUNDS):
        bare.append(await turn(one, one.ports["bare_get"]))
        ours.append(await turn(one, one.ports["api"]))
    return bare, ours


def main() -> None:
    with served(10) as one, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        bare, ours = runner.run(measure(one))
    pairs = list(zip(ours, bare, strict=True))
    report("bare_get_rate", p50([one.rate for one in bare]), "1/s")
    report("bare_get_cpu", p50([one.cost for one in bare]), "us")
    report("api_get_rate", p50([one.rate for one in ours]), "1/s")
    report("api_get_cpu", p50([one.cost for one in ours]), "us")
    report("api_get_ratio", p50([mine.rate / theirs.rate for mine, theirs in pairs]), "x", at_least=0.5)
    report("api_get_cpu_ratio", p50([theirs.cost / mine.cost for mine, theirs in pairs]), "x", at_least=0.5)


if __name__ == "__main__":
    main()
