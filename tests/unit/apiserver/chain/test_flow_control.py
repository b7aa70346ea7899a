"""By which flow schema a request counts."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pilothouse.api.types.flowcontrol_v1 import (
    ExemptPriorityLevelConfiguration,
    PriorityLevelConfiguration,
    PriorityLevelConfigurationSpec,
)
from pilothouse.apiserver.auth.user import ADMIN, ANONYMOUS, User
from pilothouse.apiserver.chain.flow_control import FLOW_SCHEMA, PRIORITY_LEVEL, classified
from pilothouse.apiserver.http.request_info import parse
from pilothouse.client.client import Client
from pilothouse.machinery.meta_v1 import ObjectMeta
from tests.unit.apiserver.serving import calling_served

LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/a"


def asked(user: User, path: str) -> Any:
    return SimpleNamespace(user=user, info=parse("GET", path, False))


@pytest.mark.parametrize(
    ("user", "path", "expected"),
    [
        pytest.param(ADMIN, "/api/v1/pods", ("exempt", "exempt"), id="an administrator"),
        pytest.param(ANONYMOUS, "/livez", ("probes", "exempt"), id="a probe"),
        pytest.param(User("system:kube-scheduler"), LEASES, ("system-leader-election", "leader-election"), id="who wants to lead"),
        pytest.param(User("system:kube-scheduler"), "/api/v1/pods", ("kube-scheduler", "workload-high"), id="the scheduler"),
        pytest.param(User("system:node:a", groups=("system:nodes",)), LEASES, ("system-node-high", "node-high"), id="a node's lease"),
        pytest.param(User("system:node:a", groups=("system:nodes",)), "/api/v1/pods", ("system-nodes", "system"), id="a node"),
        pytest.param(
            User("system:serviceaccount:kube-system:dns", groups=("system:serviceaccounts",)),
            "/api/v1/pods",
            ("kube-system-service-accounts", "workload-high"),
            id="a ServiceAccount of the system",
        ),
        pytest.param(
            User("system:serviceaccount:default:a", groups=("system:serviceaccounts",)),
            "/api/v1/pods",
            ("service-accounts", "workload-low"),
            id="a ServiceAccount",
        ),
        pytest.param(User("jane"), "/api/v1/pods", ("global-default", "global-default"), id="anybody else"),
    ],
)
def test_the_first_schema_that_fits(user: User, path: str, expected: tuple[str, str]) -> None:
    assert classified(asked(user, path)) == expected


async def test_every_answer_says_its_flow(folder: Path) -> None:
    async with calling_served(folder) as (served, call):
        first = await call("GET", "/api/v1/namespaces/default")
        missing = await call("GET", "/api/v1/namespaces/nothing")
        assert first.headers[FLOW_SCHEMA] == missing.headers[FLOW_SCHEMA]
        client = Client(served.registry.transport(ADMIN))
        spec = PriorityLevelConfigurationSpec(type="Exempt", exempt=ExemptPriorityLevelConfiguration())
        level = await client.create(PriorityLevelConfiguration(metadata=ObjectMeta(name="exempt"), spec=spec))
        after = await call("GET", "/api/v1/namespaces/default")
        assert after.headers[PRIORITY_LEVEL] == level.metadata.uid != first.headers[PRIORITY_LEVEL]
