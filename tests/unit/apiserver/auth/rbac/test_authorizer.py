"""Who is granted what by roles and bindings, why, and that a change acts at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from pilothouse.apiserver.auth.authorizer import Attributes
from pilothouse.apiserver.auth.rbac.bootstrap import bootstrap_objects
from pilothouse.apiserver.auth.user import User
from tests.unit.apiserver.auth.rbac.cluster import Cluster, account, ask, bound, group, paths, role, rule, user

TABLE = Path(__file__).parent / "tables" / "default-roles.txt"
RULES = [rule("get list", "", "pods pods/log"), rule("get", "", "secrets", "mine"), rule("update", "*", "*/scale")]
OBJECTS = (
    role("reader", *RULES, namespace="a"),
    bound("reader", user("jane"), account("robot"), kind="Role", namespace="a"),
    role("watcher", rule("watch", "apps", "*")),
    bound("watcher", group("devs")),
    role("path", paths("get", "/metrics /logs/* /deep/**")),
    bound("path", user("prom")),
    bound("path", user("local"), namespace="a"),
    bound("cluster-admin", account("boss", "a")),
    bound("view", user("viewer"), namespace="a"),
    bound("missing", user("lost")),
    bound("also-missing", user("lost"), name="z"),
    bound("missing", user("lost"), name="again"),
    bound("gone", user("lost"), kind="Role", namespace="a"),
    bound("gone", user("lost"), kind="Role", name="cluster-wide"),
)
JANE, DEV, PROM = User("jane"), User("x", groups=("devs",)), User("prom")
WATCHED = ask("watch", "x", "b", group="apps")
MISSING = 'clusterrole.rbac.authorization.k8s.io "missing" not found'
ROBOT, BOSS = User("system:serviceaccount:a:robot"), User("system:serviceaccount:a:boss")


@pytest.mark.parametrize(
    ("who", "asked", "allowed"),
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
        pytest.param(JANE, ask("get", "secrets"), False, id="nor all of them"),
        pytest.param(JANE, ask("*", "pods"), False, id="all verbs are more than some"),
        pytest.param(JANE, Attributes("get", path="/metrics"), False, id="no path by a role"),
        pytest.param(ROBOT, ask("list", "pods"), True, id="a ServiceAccount of the binding's namespace"),
        pytest.param(User("system:serviceaccount:b:robot"), ask("list", "pods"), False, id="not its namesake"),
        pytest.param(User("system:serviceaccount:a:robot:x"), ask("list", "pods"), False, id="nor a longer name"),
        pytest.param(DEV, ask("watch", "deployments", "b", group="apps"), True, id="a group"),
        pytest.param(User("devs"), ask("watch", "deployments", "b", group="apps"), False, id="a user is no group of that name"),
        pytest.param(DEV, ask("watch", "nodes", ""), False, id="not another API group"),
        pytest.param(PROM, Attributes("get", path="/metrics"), True, id="a path"),
        pytest.param(PROM, Attributes("get", path="/metrics/x"), False, id="nothing below it"),
        pytest.param(PROM, Attributes("get", path="/logs/"), True, id="what a pattern begins with"),
        pytest.param(PROM, Attributes("get", path="/logs"), False, id="no less"),
        pytest.param(PROM, Attributes("get", path="/deep/x/y"), True, id="several stars are one"),
        pytest.param(PROM, Attributes("post", path="/metrics"), False, id="not another verb on a path"),
        pytest.param(PROM, ask("get", "pods"), False, id="a path is no resource"),
        pytest.param(User("local"), Attributes("get", path="/metrics"), False, id="no path by a RoleBinding"),
        pytest.param(BOSS, ask("delete", "nodes", ""), True, id="cluster-admin"),
        pytest.param(BOSS, Attributes("*", path="*"), True, id="cluster-admin on all paths"),
        pytest.param(User("viewer"), ask("list", "deployments", group="apps"), True, id="view"),
        pytest.param(User("viewer"), ask("get", "secrets"), False, id="view hides Secrets"),
        pytest.param(User("root", groups=("system:masters",)), ask("x", "y"), True, id="masters need no role"),
    ],
)
def test_what_is_granted(who: User, asked: Attributes, allowed: bool) -> None:
    assert Cluster(*bootstrap_objects(), *OBJECTS).authorizer.authorize(who, asked).allowed is allowed


@pytest.mark.parametrize(
    ("who", "asked", "reason"),
    [
        (JANE, ask("list", "pods"), 'RBAC: allowed by RoleBinding "reader-jane-robot/a" of Role "reader" to User "jane"'),
        (ROBOT, ask("list", "pods"), 'RBAC: allowed by RoleBinding "reader-jane-robot/a" of Role "reader" to ServiceAccount "robot/a"'),
        (
            DEV,
            ask("watch", "x", "b", group="apps"),
            'RBAC: allowed by ClusterRoleBinding "watcher-devs" of ClusterRole "watcher" to Group "devs"',
        ),
        (
            BOSS,
            ask("delete", "nodes", ""),
            'RBAC: allowed by ClusterRoleBinding "cluster-admin-boss" of ClusterRole "cluster-admin" to ServiceAccount "boss/a"',
        ),
        (User("root", groups=("system:masters",)), ask("x", "y"), ""),
        (JANE, ask("delete", "pods"), ""),
        (
            User("lost"),
            ask("get", "pods"),
            'rbac: RBAC: [clusterrole.rbac.authorization.k8s.io "missing" not found, role.rbac.authorization.k8s.io "gone" not found, '
            'clusterrole.rbac.authorization.k8s.io "also-missing" not found]',
        ),
    ],
)
def test_the_reason_is_told(who: User, asked: Attributes, reason: str) -> None:
    assert Cluster(*bootstrap_objects(), *OBJECTS).authorizer.authorize(who, asked).reason == reason


def test_one_missing_role_is_told_without_brackets() -> None:
    authorizer = Cluster(bound("missing", user("lost"))).authorizer
    assert (
        authorizer.authorize(User("lost"), ask("get", "pods")).reason
        == 'rbac: RBAC: clusterrole.rbac.authorization.k8s.io "missing" not found'
    )
    assert authorizer.rules(User("lost"), "a") == ([], MISSING)


def test_the_rules_that_a_user_is_told() -> None:
    told, error = Cluster(*OBJECTS, bound("watcher", user("jane"))).authorizer.rules(JANE, "a")
    assert (told, error) == ([rule("watch", "apps", "*"), *RULES], "")


@pytest.mark.parametrize("remembers", [100, 1, 0])
def test_a_change_acts_at_once(remembers: int) -> None:
    """Whether the changes are known one by one or all is read anew."""
    cluster = Cluster(role("r", rule("get", "", "pods")), remembers=remembers)
    binding, asked, jane = bound("r", user("jane"), name="b"), ask("get", "pods"), User("jane")

    def allowed() -> bool:
        return cluster.authorizer.authorize(jane, asked).allowed

    assert not allowed()
    cluster.put(binding)
    assert allowed()
    cluster.put(bound("r", user("bob"), name="b"))
    assert not allowed()
    cluster.put(binding, role("r", rule("list", "", "pods")))
    assert not allowed()
    cluster.drop(role("r"))
    assert "not found" in cluster.authorizer.authorize(jane, asked).reason
    cluster.put(role("r", rule("get", "", "pods")))
    assert allowed()
    cluster.drop(binding)
    assert not allowed()
    cluster.put(binding)
    assert cluster.authorizer.rules(jane, "a") == ([rule("get", "", "pods")], "")
    assert allowed(), "also when somebody else has seen the change first"


def cases() -> list[tuple[str, User, str, list[str]]]:
    """(who, user, the role he is bound to and where, lines of the table)."""
    found: list[tuple[str, User, str, list[str]]] = []
    for line in TABLE.read_text().splitlines():
        if line.startswith("# "):
            label, name, groups, *bound_to = line.removeprefix("# ").split(" | ")
            found.append((label, User(name, groups=tuple(groups.split())), bound_to[0] if bound_to else "", []))
        else:
            found[-1][3].append(line)
    return found


def attributes(text: str) -> Attributes:
    verb, _, rest = text.partition(" ")
    if rest.startswith("/") or text == "* *":
        return Attributes(verb, path=rest)
    rest, _, name = rest.partition(" named ")
    rest, _, namespace = rest.partition(" in ")
    resource, _, group = rest.partition(".")
    plural, _, subresource = resource.partition("/")
    return Attributes(verb, group, "*", plural, subresource, namespace, name)


@pytest.mark.parametrize(("who", "bound_to", "lines"), [pytest.param(who, to, lines, id=label) for label, who, to, lines in cases()])
def test_default_roles_allow_what_the_reference_allows(who: User, bound_to: str, lines: list[str]) -> None:
    """2,366 answers of a kube-apiserver 1.37 to SubjectAccessReviews."""
    cluster = Cluster(*bootstrap_objects("1.37"))
    if bound_to:
        name, where = bound_to.split()
        cluster.put(bound(name, user(who.name), namespace="" if where == "everywhere" else where))
    told = [f"{'yes' if cluster.authorizer.authorize(who, attributes(line[4:])).allowed else 'no '} {line[4:]}" for line in lines]
    assert len(lines) == 91
    assert told == lines
