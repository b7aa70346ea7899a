"""Custom kinds in a cluster of a test: their definitions are installed from files, their objects applied as built-in ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pilothouse.machinery.errors import StatusError
from pilothouse.testing import Cluster

DEFINITION = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: widgets, singular: widget, kind: Widget, listKind: WidgetList}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            properties:
              size: {type: integer, minimum: 1, default: 3}
              tags: {type: array, items: {type: string}}
"""
WIDGET = "{apiVersion: example.com/v1, kind: Widget, metadata: {name: a}, spec: {tags: [a, b]}}"


@pytest.fixture
def cluster() -> Any:
    with Cluster(nodes=0, clock="still") as made:
        yield made


def test_a_folder_is_installed_definitions_first(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "a-widget.yaml").write_text(WIDGET)
    (tmp_path / "crds").mkdir()
    (tmp_path / "crds" / "widgets.yml").write_text(DEFINITION)
    (tmp_path / "notes.txt").write_text("no manifest")
    definition, widget = cluster.install(tmp_path)
    assert definition.metadata.name == "widgets.example.com"
    assert widget.content["spec"] == {"size": 3, "tags": ["a", "b"]}


def test_custom_objects_are_applied_as_kubectl_applies_them(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "crd.yaml").write_text(DEFINITION)
    cluster.install(tmp_path / "crd.yaml")
    cluster.apply(WIDGET)
    (changed,) = cluster.apply(WIDGET.replace("[a, b]", "[z]"))
    assert changed.content["spec"] == {"size": 3, "tags": ["z"]}
    with pytest.raises(StatusError, match="should be greater than or equal to 1"):
        cluster.apply(WIDGET.replace("tags: [a, b]", "size: 0"))
    with pytest.raises(StatusError, match=r'unknown field "spec\.colour"'):
        cluster.apply(WIDGET.replace("tags: [a, b]", "colour: red"))


def test_a_path_without_manifests_is_told(cluster: Cluster, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no manifests there"):
        cluster.install(tmp_path)
