"""Roles and bindings: who is granted what, and that nobody grants himself more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import pytest

from pilothouse.api.types.rbac_v1 import (
    AggregationRule,
    ClusterRole,
    ClusterRoleBinding,
    PolicyRule,
    Role,
    RoleBinding,
    RoleRef,
    Subject,
)
from pilothouse.apiserver.auth.authorizer import Attributes
from pilothouse.apiserver.auth.rbac.authorizer import RoleAuthorizer
from pilothouse.apiserver.auth.rbac.bootstrap import bootstrap_objects
from pilothouse.apiserver.auth.static import StaticAuthorizer
from pilothouse.apiserver.auth.user import User
from pilothouse.machinery.meta_v1 import LabelSelector, ObjectMeta

T = TypeVar("T")
RBAC = "rbac.authorization.k8s.io"


class Objects:
    def __init__(self, *objects: Any) -> None:
        self._objects = (*bootstrap_objects(), *objects)

    def get(self, kind: type[T], name: str, namespace: str = "") -> T | None:
        return next((one for one in self.list(kind, namespace) if one.metadata.name == name), None)  # type: ignore[attr-defined]

    def list(self, kind: type[T], namespace: str = "") -> Sequence[T]:
        return [one for one in self._objects if type(one) is kind and one.metadata.namespace == namespace]


def rule(verbs: str, group: str, resources: str, *names: str) -> PolicyRule:
    return PolicyRule(verbs=verbs.split(), apiGroups=[group], resources=resources.split(), resourceNames=[*names])


def bound(role: str, kind: str, subject: str, name: str, namespace: str = "") -> RoleBinding:
    meta = ObjectMeta(name=f"{role}-{name}", namespace="a")
    return RoleBinding(
        metadata=meta,
        roleRef=RoleRef(kind=kind, name=role, apiGroup=RBAC),
        subjects=[Subject(kind=subject, name=name, namespace=namespace)],
    )


def bound_everywhere(role: str, subject: str, name: str, namespace: str = "") -> ClusterRoleBinding:
    meta = ObjectMeta(name=f"{role}-{name}")
    return ClusterRoleBinding(
        metadata=meta,
        roleRef=RoleRef(kind="ClusterRole", name=role, apiGroup=RBAC),
        subjects=[Subject(kind=subject, name=name, namespace=namespace)],
    )


RULES = [rule("get list", "", "pods pods/log"), rule("get", "", "secrets", "mine"), rule("update", "*", "*/scale")]
WATCHER = ClusterRole(metadata=ObjectMeta(name="watcher", labels={"x": "y"}), rules=[rule("watch", "apps", "*")])
AGGREGATION = AggregationRule(clusterRoleSelectors=[LabelSelector(matchLabels={"x": "y"})])
OBJECTS = Objects(
    Role(metadata=ObjectMeta(name="reader", namespace="a"), rules=RULES),
    bound("reader", "Role", "User", "jane"),
    bound("reader", "Role", "ServiceAccount", "robot"),
    WATCHER,
    ClusterRole(metadata=ObjectMeta(name="all"), aggregationRule=AGGREGATION, rules=WATCHER.rules),
    ClusterRole(metadata=ObjectMeta(name="early"), aggregationRule=AGGREGATION),
    bound_everywhere("all", "Group", "devs"),
    ClusterRole(metadata=ObjectMeta(name="path"), rules=[PolicyRule(verbs=["get"], nonResourceURLs=["/metrics"])]),
    bound_everywhere("early", "User", "early"),
    bound_everywhere("path", "User", "prom"),
    bound_everywhere("cluster-admin", "ServiceAccount", "boss", "a"),
    bound("view", "ClusterRole", "User", "viewer"),
    bound("admin", "ClusterRole", "User", "admin"),
    bound("cluster-admin", "ClusterRole", "User", "owner"),
)
JANE, DEV, PROM = User("jane"), User("x", groups=("devs",)), User("prom")
ROBOT, BOSS = User("system:serviceaccount:a:robot"), User("system:serviceaccount:a:boss")


def ask(verb: str, resource: str, namespace: str = "a", name: str = "", group: str = "") -> Attributes:
    plural, _, subresource = resource.partition("/")
    return Attributes(verb, group, "v1", plural, subresource, namespace, name)


@pytest.mark.parametrize(
    ("user", "asked", "allowed"),
    [
        pytest.param(JANE, ask("list", "pods"), True, id="a user by a role"),
        pytest.param(JANE, ask("list", "pods", "b"), False, id="not in another namespace"),
        pytest.param(JANE, ask("list", "pods", ""), False, id="not everywhere"),
        pytest.param(JANE, ask("delete", "pods"), False, id="not another verb"),
        pytest.param(JANE, ask("get", "pods/log"), True, id="a subresource that is named"),
        pytest.param(JANE, ask("get", "pods/exec"), False, id="not another subresource"),
        pytest.param(JANE, ask("update", "deployments/scale", group="apps"), True, id="a subresource of everything"),
        pytest.param(JANE, ask("update", "deployments", group="apps"), False, id="not the thing itself"),
        pytest.param(JANE, ask("get", "secrets", name="mine"), True, id="an object that is named"),
        pytest.param(JANE, ask("get", "secrets", name="other"), False, id="not another object"),
        pytest.param(JANE, Attributes("get", path="/metrics"), False, id="no path by a role"),
        pytest.param(ROBOT, ask("list", "pods"), True, id="a ServiceAccount of the binding's namespace"),
        pytest.param(User("system:serviceaccount:b:robot"), ask("list", "pods"), False, id="not its namesake"),
        pytest.param(DEV, ask("watch", "deployments", "b", group="apps"), True, id="a group by aggregated rules"),
        pytest.param(User("early"), ask("watch", "deployments", "b", group="apps"), False, id="rules that nobody has put together yet"),
        pytest.param(DEV, ask("watch", "nodes", ""), False, id="not another API group"),
        pytest.param(PROM, Attributes("get", path="/metrics"), True, id="a path"),
        pytest.param(PROM, ask("get", "pods"), False, id="a path is no resource"),
        pytest.param(BOSS, ask("delete", "nodes", ""), True, id="cluster-admin"),
        pytest.param(User("viewer"), ask("list", "deployments", group="apps"), True, id="view"),
        pytest.param(User("viewer"), ask("get", "secrets"), False, id="view hides Secrets"),
        pytest.param(User("admin"), ask("create", "rolebindings", group=RBAC), False, id="nobody grants more than he has"),
        pytest.param(User("admin"), ask("delete", "rolebindings", group=RBAC), True, id="he may take away"),
        pytest.param(User("owner"), ask("create", "rolebindings", group=RBAC), True, id="who has all grants it in his namespace"),
        pytest.param(User("owner"), ask("create", "clusterrolebindings", "", group=RBAC), False, id="but not beyond"),
    ],
)
def test_what_is_granted(user: User, asked: Attributes, allowed: bool) -> None:
    assert RoleAuthorizer(StaticAuthorizer(), OBJECTS).authorize(user, asked).allowed is allowed


def test_the_rules_that_a_user_is_told() -> None:
    told = RoleAuthorizer(StaticAuthorizer(), OBJECTS).rules(JANE, "a")
    assert [one.verbs for one in told if "pods" in one.resources] == [("get", "list")]


def test_an_extension_api_server_may_read_whom_to_believe_and_ask_who_may_what() -> None:
    server = User("system:serviceaccount:a:extension")
    reader = bound("extension-apiserver-authentication-reader", "Role", "ServiceAccount", "extension", "a")
    reader.metadata.namespace = "kube-system"
    authorizer = RoleAuthorizer(
        StaticAuthorizer(),
        Objects(reader, bound_everywhere("system:auth-delegator", "ServiceAccount", "extension", "a")),  # type: ignore[arg-type]
    )

    def allowed(verb: str, group: str, resource: str, namespace: str = "", name: str = "") -> bool:
        return authorizer.authorize(server, Attributes(verb, group, "v1", resource, "", namespace, name)).allowed

    assert allowed("get", "", "configmaps", "kube-system", "extension-apiserver-authentication")
    assert allowed("create", "authorization.k8s.io", "subjectaccessreviews")
    assert allowed("create", "authentication.k8s.io", "tokenreviews")
    assert not allowed("get", "", "configmaps", "kube-system", "other")
    assert not allowed("get", "", "configmaps", "a", "extension-apiserver-authentication")
