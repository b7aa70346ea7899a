"""LIST of 5,000 Pods over TLS, against a bare aiohttp server that returns the same body, in turns within one run."""

from __future__ import annotations

import asyncio

import uvloop

from tests.bench.api.load import Served, rate, served
from tests.bench.figure import p50, report

PODS = 5_000
SECONDS = 2.0
ROUNDS = 3
PATH = "/api/v1/namespaces/default/pods"


async def measure(one: Served) -> tuple[list[float], list[float]]:
    bare, ours = [], []
    for _ in range(ROUNDS):
        bare.append(await rate(one, one.ports["bare_list"], PATH, 1, SECONDS))
        ours.append(await rate(one, one.ports["api"], PATH, 1, SECONDS))
    return bare, ours


def main() -> None:
    with served(PODS) as one, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        bare, ours = runner.run(measure(one))
    report("bare_list_time", 1000 / p50(bare), "ms")
    report("api_list_5000_time", 1000 / p50(ours), "ms")
    report("api_list_ratio", p50([mine / theirs for mine, theirs in zip(ours, bare, strict=True)]), "x", at_least=0.5)


if __name__ == "__main__":
    main()
