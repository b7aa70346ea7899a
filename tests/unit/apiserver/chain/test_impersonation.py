"""Impersonation beside upstream's server of 1.37: who may act as whom for which request, and what is objected."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from pilothouse.api.types.rbac_v1 import ClusterRole, ClusterRoleBinding
from pilothouse.apiserver.auth.authorizer import Attributes, Decision
from pilothouse.apiserver.auth.impersonation import Impersonation
from pilothouse.apiserver.auth.user import ADMIN, User
from pilothouse.client.client import Client
from pilothouse.machinery import codec
from pilothouse.machinery.errors import StatusError
from tests.unit.apiserver.serving import serving

TABLE = json.loads((Path(__file__).parent / "tables" / "impersonation.json").read_text())
REVIEW = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
GROUP = "rbac.authorization.k8s.io"


async def grant(client: Client, name: str, rules: list[dict[str, Any]]) -> None:
    """Give the ServiceAccount `name` a role with these rules."""
    await client.create(codec.from_dict({"metadata": {"name": name}, "rules": rules}, ClusterRole))
    binding = {
        "metadata": {"name": name},
        "roleRef": {"apiGroup": GROUP, "kind": "ClusterRole", "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": "asking"}],
    }
    await client.create(codec.from_dict(binding, ClusterRoleBinding))


async def answers(session: aiohttp.ClientSession, headers: list[list[str]]) -> tuple[list[Any], list[Any]]:
    """Who the asker is then, and what he is told of a Pod."""
    async with session.post("/apis/authentication.k8s.io/v1/selfsubjectreviews", json=REVIEW, headers=headers) as answer:
        body = await answer.json()
        review = [answer.status, body["status"]["userInfo"] if answer.status == 201 else body["message"]]
    async with session.get("/api/v1/namespaces/default/pods/x", headers=headers) as answer:
        return review, [answer.status, (await answer.json())["message"]]


async def test_answers_are_upstreams(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, aiohttp.ClientSession(served.url) as session:
        client = Client(served.registry.transport(ADMIN))
        differences = []
        for number, row in enumerate(TABLE):
            name = f"asker-{number}"
            await grant(client, name, row["rules"])
            groups = ("system:serviceaccounts", "system:serviceaccounts:asking", "system:authenticated")
            served.server.api.default_user = User(f"system:serviceaccount:asking:{name}", "u", groups)
            review, pod = json.loads(json.dumps(await answers(session, row["headers"])).replace(name, "ASKER"))
            if (review, pod) != (row["review"], row["pod"]):
                differences.append((row["case"], review, pod))
    assert differences == []


class Rights:
    """Allows what it was told, and notes what it was asked."""

    def __init__(self, *allowed: tuple[str, str, str]) -> None:
        self.allowed = set(allowed)
        self.asked: list[tuple[str, str, str]] = []
        self.users: list[User] = []

    async def __call__(self, user: User, attributes: Attributes) -> Decision:
        question = attributes.verb, attributes.resource, attributes.name
        self.asked.append(question)
        self.users.append(user)
        return Decision(question in self.allowed)


GET = Attributes("get", resource="pods", namespace="default", name="x")
AGENT = User("system:serviceaccount:a:agent", extra={"authentication.kubernetes.io/node-name": ("n1",), "other": ("y",)})
NODE = User("system:node:n1")
ON_OWN = ("impersonate-on:associated-node:get", "pods", "x"), ("impersonate:associated-node", "nodes", "*")


async def test_an_agent_may_act_as_its_own_node() -> None:
    rights = Rights(*ON_OWN)
    user = await Impersonation().user(rights, AGENT, NODE, GET)
    assert user == User("system:node:n1", groups=("system:nodes", "system:authenticated"))
    keys = ("authentication.kubernetes.io/node-name", "other")
    assert {user.extra.get("authentication.kubernetes.io/associated-node-keys") for user in rights.users} == {keys}


@pytest.mark.parametrize(
    ("asker", "wanted"),
    [
        pytest.param(AGENT, User("system:node:n2"), id="another node"),
        pytest.param(replace(AGENT, extra={}), NODE, id="on no node"),
        pytest.param(replace(AGENT, name="jane"), NODE, id="no ServiceAccount"),
        pytest.param(AGENT, User("system:node:n1", groups=("a",)), id="with a group"),
        pytest.param(AGENT, User("system:node:n1", uid="u"), id="with a uid"),
    ],
)
async def test_no_other_is_acted_as(asker: User, wanted: User) -> None:
    with pytest.raises(StatusError):
        await Impersonation().user(Rights(*ON_OWN), asker, wanted, GET)


async def test_the_way_that_went_last_is_tried_first() -> None:
    impersonation, rights = Impersonation(), Rights(("impersonate", "users", "jane"))
    await impersonation.user(rights, AGENT, User("jane"), GET)
    assert [verb for verb, _, _ in rights.asked] == ["impersonate-on:user-info:get", "impersonate"]
    rights.asked.clear()
    await impersonation.user(rights, AGENT, User("jane"), GET)
    assert [verb for verb, _, _ in rights.asked] == ["impersonate"]


async def test_before_level_1_36_there_is_only_the_old_way() -> None:
    rights = Rights()
    with pytest.raises(StatusError, match='cannot impersonate resource "users"'):
        await Impersonation.of_level("1.35").user(rights, AGENT, User("jane"), GET)
    assert [verb for verb, _, _ in rights.asked] == ["impersonate"]
