"""How long the node's packet rules take to follow one change: a Service's endpoint moves, among 10 Services and among 5,000.

Real nftables, in a network namespace of its own. Beside it the change of a Service with session affinity, which has chains and sets
of its own, and the time to put everything in place at once, as when the proxy starts.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from pilothouse.node import linux
from pilothouse.proxy.backends.nftables import NftablesBackend
from pilothouse.proxy.backends.nftables_rules import Frame
from pilothouse.proxy.planner import PortKey, PortPlan, Target
from tests.bench.figure import p50, report

FEW, MANY = 10, 5_000
ENDPOINTS = 2
CHANGES = 60
A_SUBNET = 250
NODE_PORTS = 2_500
"""Of the Services every second has one: there are 2,768."""
FRAME = Frame("bench", ["10.222.255.2"], ["10.222.0.0/18"], ["10.200.0.0/16"])


def plan(number: int, move: int = 0, affinity_seconds: int = 0) -> PortPlan:
    third, fourth = divmod(number, A_SUBNET)
    pods = (Target(f"10.200.{third}.{(number * 7 + one + move) % A_SUBNET + 1}", 8080) for one in range(ENDPOINTS))
    key = PortKey("default", f"service-{number}", "http", "TCP")
    node_port = 30_000 + number if number < NODE_PORTS else 0
    address = f"10.222.{third}.{fourth + 1}"
    return PortPlan(key, 80, (address,), everywhere=tuple(pods), node_port=node_port, affinity_seconds=affinity_seconds)


def milliseconds(work: Callable[[], None]) -> float:
    begin = time.perf_counter()
    work()
    return (time.perf_counter() - begin) * 1e3


def measured(services: int) -> tuple[float, float, float]:
    """Milliseconds: everything at once; one change; one change with session affinity."""
    backend = NftablesBackend(FRAME)
    plans = {one.key: one for one in map(plan, range(services))}
    whole = milliseconds(lambda: backend.replace(plans))

    def change(affinity_seconds: int) -> float:
        times = []
        for move in range(1, CHANGES + 1):
            one = plan(move % FEW, move, affinity_seconds)
            times.append(milliseconds(lambda one=one: backend.apply({one.key: one})))  # type: ignore[misc]
        return p50(times)

    result = whole, change(0), change(10_800)
    backend.close()
    return result


def main() -> None:
    linux.unshare(linux.CLONE_NEWNET)
    (_, few, few_affine), (whole, many, many_affine) = measured(FEW), measured(MANY)
    report("service_change_few", few, "ms")
    report("service_change_many", many, "ms")
    report("service_change_many_over_few", many / few, "ratio", at_most=2.0)
    report("service_change_affinity_few", few_affine, "ms")
    report("service_change_affinity_many", many_affine, "ms")
    report("service_rules_whole", whole, "ms")


if __name__ == "__main__":
    main()
