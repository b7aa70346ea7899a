"""The official Python client against the API server alone: typed objects, watches, errors."""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pilothouse import API_LEVEL
from tests.unit.apiserver.serving import serving_in_thread

kubernetes: Any = importlib.import_module("kubernetes")


@pytest.fixture(scope="module")
def core() -> Iterator[Any]:
    with tempfile.TemporaryDirectory() as folder, serving_in_thread(Path(folder)) as served:
        api = kubernetes.config.new_client_from_config(str(served.kubeconfig()))
        yield kubernetes.client.CoreV1Api(api)
        api.close()


def config_map(name: str, **labels: str) -> Any:
    return kubernetes.client.V1ConfigMap(metadata=kubernetes.client.V1ObjectMeta(name=name, labels=labels), data={"a": "1"})


def test_typed_objects_through_all_verbs(core: Any) -> None:
    made = core.create_namespaced_config_map("default", config_map("typed"))
    made.data["b"] = "2"
    assert core.replace_namespaced_config_map("typed", "default", made).data == {"a": "1", "b": "2"}
    assert core.patch_namespaced_config_map("typed", "default", {"data": {"a": None}}).data == {"b": "2"}
    assert core.read_namespaced_config_map("typed", "default").metadata.uid == made.metadata.uid
    assert core.delete_namespaced_config_map("typed", "default").status == "Success"


def test_pages_and_selectors(core: Any) -> None:
    for number in range(3):
        core.create_namespaced_config_map("default", config_map(f"page-{number}", kind="page"))
    first = core.list_namespaced_config_map("default", label_selector="kind=page", limit=2)
    rest = core.list_namespaced_config_map("default", label_selector="kind=page", limit=2, _continue=first.metadata._continue)
    assert [one.metadata.name for one in first.items + rest.items] == ["page-0", "page-1", "page-2"]
    core.delete_collection_namespaced_config_map("default", label_selector="kind=page")
    assert core.list_namespaced_config_map("default", label_selector="kind=page").items == []


def test_a_watch_goes_on_from_a_list(core: Any) -> None:
    listed = core.list_namespaced_config_map("default")
    core.create_namespaced_config_map("default", config_map("seen"))
    watch = kubernetes.watch.Watch()
    events = watch.stream(core.list_namespaced_config_map, "default", resource_version=listed.metadata.resource_version, timeout_seconds=5)
    event = next(iter(events))
    watch.stop()
    assert (event["type"], event["object"].metadata.name) == ("ADDED", "seen")


def test_errors_carry_the_status(core: Any) -> None:
    with pytest.raises(kubernetes.client.ApiException) as caught:
        core.read_namespaced_config_map("nothing", "default")
    assert caught.value.status == 404
    assert '"message":"configmaps \\"nothing\\" not found"' in caught.value.body


def test_discovery_and_version(core: Any) -> None:
    api = core.api_client
    assert kubernetes.client.VersionApi(api).get_code().minor == API_LEVEL.removeprefix("1.")
    assert "apps" in [one.name for one in kubernetes.client.ApisApi(api).get_api_versions().groups]
    assert "deployments/scale" in [one.name for one in kubernetes.client.AppsV1Api(api).get_api_resources().resources]
