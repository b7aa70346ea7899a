"""The OpenAPI documents of all built-in kinds."""

from __future__ import annotations

from typing import Any

import pytest

from pilothouse.api import catalogue
from pilothouse.apiserver.openapi import protobuf, v2, v3
from pilothouse.apiserver.openapi.definitions import references

RESOURCES = catalogue.resources()


@pytest.fixture(scope="module")
def core() -> dict[str, Any]:
    return v3.document(RESOURCES, "", "v1")


def test_every_group_and_version_is_in_the_index() -> None:
    paths = v3.index(RESOURCES)["paths"]
    assert set(paths) == {v3.path_of(one.group, one.version) for one in RESOURCES}
    assert paths["apis/apps/v1"]["serverRelativeURL"].startswith("/openapi/v3/apis/apps/v1?hash=")


@pytest.mark.parametrize("name", sorted({(one.group, one.version) for one in RESOURCES}))
def test_every_reference_leads_somewhere(name: tuple[str, str]) -> None:
    document = v3.document(RESOURCES, *name)
    known = {v3.REFERENCE + each for each in document["components"]["schemas"]}
    assert set(references(document)) <= known


def test_a_patch_knows_its_kind_and_its_parameters(core: dict[str, Any]) -> None:
    """What kubectl looks for before it sends `fieldValidation`."""
    patch = core["paths"]["/api/v1/namespaces/{namespace}/pods/{name}"]["patch"]
    assert patch["x-kubernetes-group-version-kind"] == {"group": "", "kind": "Pod", "version": "v1"}
    assert {"dryRun", "fieldManager", "fieldValidation", "force"} <= {one["name"] for one in patch["parameters"]}


def test_a_schema_has_prose_keys_and_defaults(core: dict[str, Any]) -> None:
    schemas = core["components"]["schemas"]
    pod = schemas["io.k8s.api.core.v1.Pod"]
    assert pod["description"].startswith("Pod is a collection of containers")
    assert pod["x-kubernetes-group-version-kind"] == [{"group": "", "kind": "Pod", "version": "v1"}]
    containers = schemas["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"]
    assert (containers["x-kubernetes-list-map-keys"], containers["x-kubernetes-patch-merge-key"]) == (["name"], "name")
    assert schemas["io.k8s.api.core.v1.ContainerPort"]["properties"]["protocol"]["default"] == "TCP"


def test_nothing_stands_beside_a_reference(core: dict[str, Any]) -> None:
    """OpenAPI 3.0 ignores what does: hence allOf."""
    spec = core["components"]["schemas"]["io.k8s.api.core.v1.Pod"]["properties"]["spec"]
    assert spec["allOf"] == [{"$ref": "#/components/schemas/io.k8s.api.core.v1.PodSpec"}]
    assert spec["description"]


def test_version_2_is_complete_and_goes_into_protobuf() -> None:
    document = v2.document(RESOURCES)
    known = {v2.REFERENCE + each for each in document["definitions"]}
    assert set(references(document)) <= known
    data = protobuf.encode(document)
    assert data.startswith(b"\x0a\x032.0")
    assert b"io.k8s.api.apps.v1.Deployment" in data
