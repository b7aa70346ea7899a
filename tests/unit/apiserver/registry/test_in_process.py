"""Calls in process are requests: authorized, audited, and retried from the store when the cache is behind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
import pytest

from pilothouse.api.types.core_v1 import ConfigMap
from pilothouse.api.types.rbac_v1 import PolicyRule, RoleRef
from pilothouse.apiserver.audit import policy
from pilothouse.apiserver.audit.auditor import Auditor
from pilothouse.apiserver.audit.backends import Direct
from pilothouse.apiserver.audit.metrics import AuditMetrics
from pilothouse.apiserver.auth.authorizer import Attributes, Decision
from pilothouse.apiserver.auth.modes import authorizer_of
from pilothouse.apiserver.auth.user import User
from pilothouse.apiserver.registry.roles import role_feeds
from pilothouse.client.call import JSON_PATCH
from pilothouse.client.client import Client
from pilothouse.machinery.codec import clone, encode
from tests.unit.apiserver.registry.house import House, config, refused

JANE = User("jane", groups=("system:authenticated",))
PUBLISHER = User("system:serviceaccount:kube-system:root-ca-cert-publisher", groups=("system:authenticated",))


class Granting:
    """Allows what `allowed` says; each change of it is a new revision."""

    def __init__(self) -> None:
        self.allowed: set[tuple[str, str]] = set()
        self.asked: list[Attributes] = []
        self.number = 0

    def revision(self) -> int:
        return self.number

    def authorize(self, user: User, attributes: Attributes) -> Decision:
        self.asked.append(attributes)
        return Decision((attributes.verb, attributes.namespace) in self.allowed)

    def rules(self, user: User, namespace: str, resource: str = "") -> tuple[Sequence[PolicyRule], str]:
        return (), ""

    def role_rules(self, ref: RoleRef, namespace: str) -> None:
        return None


@pytest.fixture
def granting(house: House) -> Granting:
    house.registry.authorizer = granting = Granting()  # type: ignore[assignment]
    return granting


async def test_a_call_that_is_not_allowed_is_refused_in_process_too(house: House) -> None:
    house.registry.authorizer = authorizer_of(("RBAC",), role_feeds(house.registry.store.caches), {})
    await Client(house.registry.transport(PUBLISHER)).create(config("a"))
    jane = Client(house.registry.transport(JANE))
    message = 'configmaps "a" is forbidden: User "jane" cannot get resource "configmaps" in API group "" in the namespace "default"'
    async with refused(403, message):
        await jane.get(ConfigMap, "a", "default")
    watched = message.replace(' "a"', "").replace("cannot get", "cannot watch")
    events = jane.watch(ConfigMap, "default")
    async with refused(403, watched):
        await anext(events)


async def test_what_is_allowed_everywhere_is_asked_once_until_the_rules_change(house: House, granting: Granting) -> None:
    client = Client(house.registry.transport(JANE))
    granting.allowed = {("create", "")}
    for name in "abc":
        await client.create(config(name))
    assert len(granting.asked) == 1
    granting.allowed, granting.number = set(), 1
    async with refused(403, "is forbidden"):
        await client.create(config("d"))


async def test_what_is_allowed_in_one_namespace_is_not_allowed_in_another(house: House, granting: Granting) -> None:
    client = Client(house.registry.transport(JANE))
    granting.allowed = {("create", "default")}
    await client.create(config("a"))
    elsewhere = config("a")
    elsewhere.metadata.namespace = "kube-system"
    async with refused(403, "is forbidden"):
        await client.create(elsewhere)


async def test_calls_in_process_are_audited_with_their_codes(house: House) -> None:
    kept = Kept()
    verdicts = policy.Verdicts(policy.Policy(rules=[policy.PolicyRule(level="RequestResponse")]))
    house.registry.auditor = Auditor(verdicts, [Direct(kept)], house.registry.store.clock, house.registry.store.entropy, AuditMetrics())
    await house.client.create(config("a"))
    async with refused(404, "not found"):
        await house.client.get(ConfigMap, "b", "default")
    told = [(event.verb, event.objectRef.name, event.stage, event.responseStatus and event.responseStatus.code) for event in kept.events]
    assert told == [
        ("create", "", "RequestReceived", None),
        ("create", "a", "ResponseComplete", 201),
        ("get", "b", "RequestReceived", None),
        ("get", "b", "ResponseComplete", 404),
    ]
    created = kept.events[1]
    assert created.requestURI.startswith("/api/v1/namespaces/default/configmaps")
    assert b'"name":"a"' in bytes(created.requestObject)
    assert b'"uid":' in bytes(created.responseObject)
    assert created.annotations == {"authorization.k8s.io/decision": "allow", "authorization.k8s.io/reason": ""}


class Kept:
    """Keeps events in a list."""

    name = "list"

    def __init__(self) -> None:
        self.events: list[Any] = []

    async def keep(self, events: Sequence[Any]) -> bool:
        self.events += events
        return True

    async def close(self) -> None:
        pass


async def test_a_write_that_the_cache_is_too_old_for_is_decided_by_the_store(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A JSON patch whose test fails on what the cache shows, and holds for what another server has written meanwhile."""
    made = await house.client.create(config("a", labels={"x": "old"}))
    store = house.registry.store
    behind = await house.entry(ConfigMap, "a")
    changed = clone(made)
    changed.metadata.labels["x"], changed.metadata.resourceVersion = "new", ""
    await store.storage.commit(behind.key, encode(changed), behind.revision)
    await store.caches.wait_for_revision(await store.storage.revision())
    cache = await store.cache_of(ConfigMap)
    monkeypatch.setattr(cache, "get", lambda namespace, name: behind)
    patch = [{"op": "test", "path": "/metadata/labels/x", "value": "new"}, {"op": "add", "path": "/metadata/labels/y", "value": "z"}]
    patched = await house.client.patch(ConfigMap, "a", "default", orjson.dumps(patch), patch_type=JSON_PATCH)
    assert patched.metadata.labels == {"x": "new", "y": "z"}
