"""ClusterRoles that are sums."""

from __future__ import annotations

from typing import Any

from pilothouse.api.types.rbac_v1 import ClusterRole
from pilothouse.machinery import codec
from pilothouse.testing.controllers import Bench


def role(name: str, *resources: str, labels: dict[str, str] | None = None, sums: list[dict[str, str]] | None = None) -> ClusterRole:
    data: dict[str, Any] = {"metadata": {"name": name, "labels": labels or {}}}
    data["rules"] = [{"apiGroups": [""], "resources": [one], "verbs": ["get"]} for one in resources]
    if sums is not None:
        data["aggregationRule"] = {"clusterRoleSelectors": [{"matchLabels": one} for one in sums]}
    return codec.from_dict(data, ClusterRole)


def shown(bench: Bench, name: str) -> list[str]:
    found = next(one for one in bench.transport.all(ClusterRole) if one.metadata.name == name)
    return [resource for rule in found.rules or () for resource in rule.resources]


async def test_a_sum_follows_what_its_selectors_choose() -> None:
    async with Bench("clusterrole-aggregation-controller") as bench:
        bench.transport.add(role("sum", "written by hand", sums=[{"a": "1"}, {"b": "1"}]))
        bench.transport.add(role("z", "pods", "services", labels={"a": "1"}))
        [second] = bench.transport.add(role("y", "nodes", "pods", labels={"a": "1"}))
        bench.transport.add(role("x", "secrets", labels={"b": "1"}), role("w", "events"))
        await bench.advance(1)
        assert shown(bench, "sum") == ["nodes", "pods", "services", "secrets"]
        bench.transport.remove(second)
        await bench.advance(1)
        assert shown(bench, "sum") == ["pods", "services", "secrets"]
        writes = len(bench.transport.calls)
        await bench.advance(3600)
        assert len(bench.transport.calls) == writes


async def test_a_sum_does_not_add_itself() -> None:
    async with Bench("clusterrole-aggregation-controller") as bench:
        bench.transport.add(role("sum", "pods", labels={"a": "1"}, sums=[{"a": "1"}]))
        await bench.advance(1)
        assert shown(bench, "sum") == []
