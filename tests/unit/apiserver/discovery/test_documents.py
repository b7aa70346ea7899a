"""The discovery documents of the built-in kinds."""

from __future__ import annotations

import pytest

from pilothouse.api import catalogue
from pilothouse.apiserver.discovery.documents import Documents
from pilothouse.machinery.versions import order

DOCUMENTS = Documents(catalogue.resources())


def test_groups_come_in_upstreams_order() -> None:
    names = [one["name"] for one in DOCUMENTS.group_list()["groups"]]
    assert names[:3] == ["apiregistration.k8s.io", "apps", "events.k8s.io"]
    assert "" not in names


def test_the_preferred_version_is_the_newest() -> None:
    group = DOCUMENTS.group("autoscaling")
    assert (group["preferredVersion"]["version"], [one["version"] for one in group["versions"]]) == ("v2", ["v2", "v1"])


@pytest.mark.parametrize(
    "versions", [["v2", "v1"], ["v1", "v2beta1"], ["v1beta2", "v1beta1"], ["v1beta1", "v2alpha1"], ["v10", "v9"]], ids=">".join
)
def test_versions_are_ordered(versions: list[str]) -> None:
    mixed = versions[::-1]
    assert sorted(mixed, key=order) == versions


def test_a_resource_with_its_subresources() -> None:
    found = {one["name"]: one for one in DOCUMENTS.resource_list("apps", "v1")["resources"]}
    assert found["deployments"]["shortNames"] == ["deploy"]
    assert found["deployments"]["categories"] == ["all"]
    assert found["deployments/scale"] | {"verbs": None} == {
        "name": "deployments/scale",
        "singularName": "",
        "namespaced": True,
        "group": "autoscaling",
        "version": "v1",
        "kind": "Scale",
        "verbs": None,
    }


@pytest.mark.parametrize("core", [True, False], ids=["core", "groups"])
def test_the_aggregated_form_names_the_same_resources(core: bool) -> None:
    document = DOCUMENTS.aggregated(core=core, api_version="v2")
    for group in document["items"]:
        for version in group["versions"]:
            plain = DOCUMENTS.resource_list(group["metadata"].get("name", ""), version["version"])["resources"]
            assert [one["resource"] for one in version["resources"]] == [one["name"] for one in plain if "/" not in one["name"]]
