"""Every stable kind is declared, and its names, scope, verbs and subresources are upstream's."""

from __future__ import annotations

import pytest

from pilothouse.api import catalogue
from pilothouse.machinery.resource import Resource
from tests.unit.api.oracle import Known, known

ORACLE = known()
SHOWN = {"exec", "attach", "portforward", "proxy"}
"""Subresources that the oracle has no model for."""


def identity(one: Known) -> str:
    return f"{one.group or 'core'}/{one.version}/{one.plural}"


def declared(one: Known) -> Resource[object]:
    found = catalogue.known().by_kind(one.group, one.version, one.kind)
    assert found is not None, f"{identity(one)} is not declared"
    return found


ORACLE_LEVEL = "1.34"
NOT_WATCHED = {"componentstatuses"}
"""A kube-apiserver does not watch it, whatever its clients know of it."""


@pytest.mark.parametrize("one", ORACLE.values(), ids=identity)
def test_names_scope_and_verbs_are_upstreams(one: Known) -> None:
    resource = declared(one)
    verbs = one.verbs - {"watch"} if one.plural in NOT_WATCHED else one.verbs
    assert (resource.plural, resource.namespaced, set(resource.verbs)) == (one.plural, one.namespaced, verbs)
    assert catalogue.known().by_plural(one.group, one.version, one.plural) is resource


@pytest.mark.parametrize("one", ORACLE.values(), ids=identity)
def test_subresources_are_upstreams(one: Known) -> None:
    resource = declared(one)
    ours = {
        name: (set(sub.verbs), sub.kind or (one.group, one.version, one.kind))
        for name, sub in resource.subresources.items()
        if name not in SHOWN and getattr(resource.type, "SINCE", {}).get(name, "") <= ORACLE_LEVEL
    }
    theirs = dict(one.subresources)
    if "token" in theirs:  # the oracle knows no group of its own for the kinds of subresources
        theirs["token"] = ({"create"}, ("authentication.k8s.io", "v1", "TokenRequest"))
    assert ours == theirs


def test_nothing_is_declared_that_upstream_lacks() -> None:
    ours = {(one.group, one.version, one.kind) for one in catalogue.built_in(ORACLE_LEVEL).resources()}
    assert ours == set(ORACLE)


def test_streaming_subresources_are_those_of_the_reference_client() -> None:
    found = {(one.plural, name) for one in catalogue.resources() for name in one.subresources if name in SHOWN}
    assert found == {
        ("pods", "exec"),
        ("pods", "attach"),
        ("pods", "portforward"),
        ("pods", "proxy"),
        ("services", "proxy"),
        ("nodes", "proxy"),
    }


def test_short_names_mean_one_resource() -> None:
    by_name: dict[str, set[str]] = {}
    for one in catalogue.resources():
        for name in one.short_names:
            by_name.setdefault(name, set()).add(one.plural)
    assert {name: plurals for name, plurals in by_name.items() if len(plurals) > 1} == {}


def test_all_means_workloads_and_services() -> None:
    assert {one.plural for one in catalogue.resources() if "all" in one.categories} == {
        "cronjobs", "daemonsets", "deployments", "horizontalpodautoscalers", "jobs", "pods",
        "replicasets", "replicationcontrollers", "services", "statefulsets",
    }  # fmt: skip
