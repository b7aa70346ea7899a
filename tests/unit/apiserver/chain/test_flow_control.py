"""By which flow schema a request counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from pilothouse.api.types.flowcontrol_v1 import FlowSchema, PriorityLevelConfiguration
from pilothouse.apiserver.auth.user import ADMIN, ANONYMOUS, User
from pilothouse.apiserver.chain.flow_control import FLOW_SCHEMA, PRIORITY_LEVEL
from pilothouse.apiserver.fairness.defaults import flow_schemas, priority_levels
from pilothouse.apiserver.fairness.matching import FlowTable
from pilothouse.apiserver.http.request_info import attributes_of, parse
from pilothouse.client.client import Client
from tests.unit.apiserver.serving import calling_served

LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/a"
EVERYBODY = ("system:authenticated",)


@pytest.mark.parametrize(
    ("user", "path", "expected"),
    [
        pytest.param(ADMIN, "/api/v1/pods", ("exempt", "exempt"), id="an administrator"),
        pytest.param(ANONYMOUS, "/livez", ("probes", "exempt"), id="a probe"),
        pytest.param(ANONYMOUS, "/livez/ping", ("probes", "exempt"), id="a path below a probe's"),
        pytest.param(User("system:kube-scheduler"), LEASES, ("system-leader-election", "leader-election"), id="who wants to lead"),
        pytest.param(User("system:kube-scheduler"), "/api/v1/pods", ("kube-scheduler", "workload-high"), id="the scheduler"),
        pytest.param(User("system:node:a", groups=("system:nodes",)), LEASES, ("system-node-high", "node-high"), id="a node's lease"),
        pytest.param(
            User("system:node:a", groups=("system:nodes",)),
            "/api/v1/nodes/a/status",
            ("system-node-high", "node-high"),
            id="a node's status",
        ),
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
        pytest.param(User("jane", groups=EVERYBODY), "/api/v1/pods", ("global-default", "global-default"), id="anybody else"),
        pytest.param(User("nobody"), "/api/v1/pods", ("catch-all", "catch-all"), id="a user without groups"),
    ],
)
def test_the_first_schema_that_fits(user: User, path: str, expected: tuple[str, str]) -> None:
    flow = FlowTable(flow_schemas(), priority_levels()).flow_of(user, attributes_of(parse("GET", path, False), ""))
    assert (flow.schema, flow.level) == expected


def test_a_schema_whose_priority_level_is_missing_matches_nothing() -> None:
    levels = [level for level in priority_levels() if level.metadata.name != "global-default"]
    flow = FlowTable(flow_schemas(), levels).flow_of(User("jane", groups=EVERYBODY), attributes_of(parse("GET", "/api", False), ""))
    assert flow.schema == "catch-all"


def test_mandatory_schemas_stand_without_their_objects() -> None:
    flow = FlowTable((), ()).flow_of(ADMIN, attributes_of(parse("GET", "/api/v1/pods", False), ""))
    assert (flow.schema, flow.schema_uid) == ("exempt", "")


async def test_every_answer_says_its_flow_by_the_uids_of_the_objects(folder: Path) -> None:
    async with calling_served(folder) as (served, call):
        client = Client(served.registry.transport(ADMIN))
        await served.registry.hooks["priority-and-fairness-config"].reconciled.wait()
        first = await call("GET", "/api/v1/namespaces/default")
        missing = await call("GET", "/api/v1/namespaces/nothing")
        schema, level = await client.get(FlowSchema, "exempt"), await client.get(PriorityLevelConfiguration, "exempt")
        for answer in (first, missing):
            assert (answer.headers[FLOW_SCHEMA], answer.headers[PRIORITY_LEVEL]) == (schema.metadata.uid, level.metadata.uid)
