"""Random roles, bindings and requests: the index decides as a naive reading of the rules does, and no sequence of writes gains a right."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from pilothouse.api.catalogue import resource_of
from pilothouse.api.types.rbac_v1 import ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, Subject
from pilothouse.apiserver.auth.authorizer import Attributes
from pilothouse.apiserver.auth.rbac.covers import missing_rules
from pilothouse.apiserver.auth.user import User
from pilothouse.apiserver.registry import escalation
from pilothouse.apiserver.registry.request import Request
from pilothouse.client.call import Call
from pilothouse.machinery.codec import clone
from pilothouse.machinery.errors import StatusError
from tests.unit.apiserver.auth.rbac.cluster import Cluster, account, bound, group, paths, role, rule, user

VERBS = ("get", "list", "create", "escalate", "bind", "*")
GROUPS = ("", "apps", "rbac.authorization.k8s.io", "*")
RESOURCES = ("pods", "pods/log", "roles", "clusterroles", "rolebindings", "clusterrolebindings", "*/log", "*")
URLS = ("/a", "/a/*", "/a/b", "*")
NAMESPACES = ("", "n", "m")
ROLES = ("r1", "r2", "r3", "gone")
USERS = (
    User("jane", groups=("devs", "system:authenticated")),
    User("bob", groups=("system:authenticated",)),
    User("system:serviceaccount:n:robot", groups=("system:serviceaccounts",)),
)
SUBJECTS = (user("jane"), user("bob"), group("devs"), account("robot", "n"), account("robot"), Subject(kind="Other", name="jane"))
SEEDS = range(60)


def some(chance: random.Random, values: Sequence[Any]) -> list[Any]:
    return chance.sample(values, chance.randint(1, 2))


def a_rule(chance: random.Random) -> PolicyRule:
    if chance.random() < 0.15:
        return paths(" ".join(some(chance, VERBS)), " ".join(some(chance, URLS)))
    names = some(chance, ("x", "y", "r1")) if chance.random() < 0.3 else []
    return rule(" ".join(some(chance, VERBS)), ",".join(some(chance, GROUPS)), " ".join(some(chance, RESOURCES)), *names)


def an_object(chance: random.Random) -> Any:
    namespace = chance.choice(NAMESPACES)
    if chance.random() < 0.5:
        return role(chance.choice(ROLES[:3]), *(a_rule(chance) for _ in range(chance.randint(0, 3))), namespace=namespace)
    kind = chance.choice(("Role", "ClusterRole")) if namespace else "ClusterRole"
    return bound(chance.choice(ROLES), *some(chance, SUBJECTS), kind=kind, namespace=namespace, name=f"b{chance.randint(1, 5)}")


def a_request(chance: random.Random) -> Attributes:
    verb = chance.choice(VERBS)
    if chance.random() < 0.15:
        return Attributes(verb, path=chance.choice(("/a", "/a/b", "/a/b/c", "/b", "*")))
    plural, _, subresource = chance.choice((*RESOURCES, "nodes", "nodes/log")).partition("/")
    return Attributes(verb, chance.choice(GROUPS), "v1", plural, subresource, chance.choice(NAMESPACES), chance.choice(("", "x", "y")))


def naive_rules(objects: Sequence[Any], who: User, namespace: str) -> Iterator[PolicyRule]:
    """The rules of all roles that any binding gives to a user, as the API's documentation says."""
    for binding in objects:
        if isinstance(binding, RoleBinding) and binding.metadata.namespace != namespace:
            continue
        if not isinstance(binding, (RoleBinding, ClusterRoleBinding)) or not any(is_for(each, binding, who) for each in binding.subjects):
            continue
        wanted = Role if binding.roleRef.kind == "Role" else ClusterRole
        for found in objects:
            is_here = wanted is ClusterRole or found.metadata.namespace == binding.metadata.namespace
            if type(found) is wanted and is_here and found.metadata.name == binding.roleRef.name:
                yield from found.rules or ()


def is_for(subject: Subject, binding: Any, who: User) -> bool:
    if subject.kind == "ServiceAccount":
        home = subject.namespace or binding.metadata.namespace
        return bool(home) and who.name == f"system:serviceaccount:{home}:{subject.name}"
    return who.name == subject.name if subject.kind == "User" else subject.kind == "Group" and subject.name in who.groups


def naive_allows(rules: Iterator[PolicyRule], asked: Attributes) -> bool:
    for each in rules:
        verbs = each.verbs or []
        if asked.verb not in verbs and "*" not in verbs:
            continue
        if asked.path:
            if any(url in ("*", asked.path) or (url.endswith("*") and asked.path.startswith(url[:-1])) for url in each.nonResourceURLs):
                return True
            continue
        resource = f"{asked.resource}/{asked.subresource}" if asked.subresource else asked.resource
        wanted = {"*", resource} | ({f"*/{asked.subresource}"} if asked.subresource else set())
        is_group = asked.group in each.apiGroups or "*" in each.apiGroups
        if is_group and wanted & set(each.resources) and (not each.resourceNames or asked.name in each.resourceNames):
            return True
    return False


@pytest.mark.parametrize("seed", SEEDS)
def test_the_index_decides_as_a_naive_reading_of_the_rules(seed: int) -> None:
    chance = random.Random(seed)
    cluster = Cluster(remembers=chance.choice((0, 2, 100)))
    for _ in range(40):
        obj = an_object(chance)
        if chance.random() < 0.2:
            cluster.drop(obj)
        else:
            cluster.put(obj)
        for _ in range(15):
            who, asked = chance.choice(USERS), a_request(chance)
            expected = naive_allows(naive_rules(cluster.objects, who, asked.namespace), asked)
            assert cluster.authorizer.authorize(who, asked).allowed is expected, (who, asked)


def may_write(cluster: Cluster, who: User, obj: Any) -> bool:
    """Whether a user gets an object past authorization and the check of what it grants; written by POST or by PUT."""
    resource, meta = resource_of(type(obj)), obj.metadata
    old = cluster.feeds[type(obj)].there.get((meta.namespace, meta.name))
    verb = "create" if old is None else "update"
    name = meta.name if old is not None else ""
    asked = Attributes(verb, resource.group, "v1", resource.plural, "", meta.namespace, name)
    if not cluster.authorizer.authorize(who, asked).allowed:
        return False
    if old is not None and hasattr(old, "roleRef") and old.roleRef != obj.roleRef:
        return False  # validation refuses that
    request = Request(Call(verb, resource, meta.namespace, name), who, resource, resource)
    try:
        escalation.check(cluster.authorizer, request, clone(obj), old, name)
    except StatusError:
        return False
    return True


@pytest.mark.parametrize("seed", SEEDS)
def test_no_sequence_of_writes_gains_a_right(seed: int) -> None:
    """Of a user without `escalate`, `bind` and without the means to become somebody else: as many writes as he likes give him no rule that
    those which he had at first do not cover."""
    chance = random.Random(seed)
    who = USERS[0]
    cluster = Cluster()
    plain = [rule("get list", "", "pods"), rule("get", "apps", "*", "x"), rule("update create", "rbac.authorization.k8s.io", "*")]
    cluster.put(role("own", *plain, rule("list", "", "pods/log")), bound("own", user("jane"), name="own"))
    cluster.put(
        role("local", rule("list", "*", "*/log"), namespace="n"), bound("local", group("devs"), kind="Role", namespace="n", name="l")
    )
    for _ in range(10):  # what others have made, and jane is not bound to
        obj = an_object(chance)
        if isinstance(obj, (Role, ClusterRole)):
            cluster.put(obj)
    before = {namespace: [*naive_rules(cluster.objects, who, namespace)] for namespace in NAMESPACES}
    written = 0
    for _ in range(150):
        obj = an_object(chance)
        if may_write(cluster, who, obj):
            cluster.put(obj)
            written += 1
    for namespace in NAMESPACES:
        assert missing_rules(before[namespace], [*naive_rules(cluster.objects, who, namespace)]) == []
    if seed == 0:
        assert written, "jane may write something"
