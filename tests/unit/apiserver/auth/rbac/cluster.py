"""Roles and bindings in memory, as the authorizer follows them, and short ways to make them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pilothouse.api.types.rbac_v1 import ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, RoleRef, Subject
from pilothouse.apiserver.auth.authorizer import Attributes
from pilothouse.apiserver.auth.feed import Change
from pilothouse.apiserver.auth.modes import authorizer_of
from pilothouse.apiserver.auth.rbac.index import KINDS
from pilothouse.machinery.meta_v1 import ObjectMeta

RBAC = "rbac.authorization.k8s.io"


class Feed:
    """The objects of one kind; what was changed long ago is forgotten when `remembers` is passed."""

    def __init__(self, remembers: int = 100) -> None:
        self.changed = 1
        self.there: dict[tuple[str, str], Any] = {}
        self._log: list[tuple[int, Change]] = []
        self._remembers = remembers

    def put(self, obj: Any) -> None:
        place = (obj.metadata.namespace, obj.metadata.name)
        self._change((self.there.get(place), obj))
        self.there[place] = obj

    def drop(self, obj: Any) -> None:
        place = (obj.metadata.namespace, obj.metadata.name)
        if place in self.there:
            self._change((self.there.pop(place), None))

    def objects(self) -> Iterable[Any]:
        return [self.there[place] for place in sorted(self.there)]

    def since(self, revision: int) -> list[Change] | None:
        if self.changed - revision > self._remembers:
            return None
        return [change for number, change in self._log if number > revision]

    def _change(self, change: Change) -> None:
        self.changed += 1
        self._log.append((self.changed, change))


class Cluster:
    """The four kinds, and who decides by them."""

    def __init__(self, *objects: Any, remembers: int = 100) -> None:
        self.feeds = {kind: Feed(remembers) for kind in KINDS}
        self.put(*objects)
        self.authorizer = authorizer_of(("RBAC",), {**self.feeds}, {})

    def put(self, *objects: Any) -> None:
        for obj in objects:
            self.feeds[type(obj)].put(obj)

    def drop(self, *objects: Any) -> None:
        for obj in objects:
            self.feeds[type(obj)].drop(obj)

    @property
    def objects(self) -> list[Any]:
        return [obj for feed in self.feeds.values() for obj in feed.objects()]


def rule(verbs: str, group: str, resources: str, *names: str) -> PolicyRule:
    return PolicyRule(
        verbs=verbs.split(), apiGroups=group.split(",") if group else [""], resources=resources.split(), resourceNames=[*names]
    )


def paths(verbs: str, urls: str) -> PolicyRule:
    return PolicyRule(verbs=verbs.split(), nonResourceURLs=urls.split())


def role(name: str, *rules: PolicyRule, namespace: str = "", labels: dict[str, str] | None = None) -> Any:
    meta = ObjectMeta(name=name, namespace=namespace, labels=labels or {})
    return Role(metadata=meta, rules=[*rules]) if namespace else ClusterRole(metadata=meta, rules=[*rules])


def bound(ref: str, *subjects: Subject, kind: str = "ClusterRole", namespace: str = "", name: str = "") -> Any:
    meta = ObjectMeta(name=name or f"{ref}-{'-'.join(subject.name for subject in subjects)}", namespace=namespace)
    roleref = RoleRef(apiGroup=RBAC, kind=kind, name=ref)
    binding = RoleBinding if namespace else ClusterRoleBinding
    return binding(metadata=meta, roleRef=roleref, subjects=[*subjects])


def user(name: str) -> Subject:
    return Subject(kind="User", apiGroup=RBAC, name=name)


def group(name: str) -> Subject:
    return Subject(kind="Group", apiGroup=RBAC, name=name)


def account(name: str, namespace: str = "") -> Subject:
    return Subject(kind="ServiceAccount", name=name, namespace=namespace)


def ask(verb: str, resource: str, namespace: str = "a", name: str = "", group: str = "") -> Attributes:
    plural, _, subresource = resource.partition("/")
    return Attributes(verb, group, "v1", plural, subresource, namespace, name)
