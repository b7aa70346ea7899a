"""Committed objects share what is equal, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from pilothouse.api.types.core_v1 import ConfigMap, Container, EnvVar, Pod, PodSpec
from pilothouse.api.types.resource_v1 import DeviceClass
from pilothouse.apiserver.cache.sharing import SMALL_BYTES, parts_of, share, spec_bytes
from pilothouse.machinery import codec
from pilothouse.machinery.meta_v1 import ManagedFieldsEntry, ObjectMeta


def pod(name: str, node: str = "", **spec: Any) -> Pod:
    container = Container(name="app", image="app:1", env=[EnvVar(name="A", value="1")])
    made = Pod(metadata=ObjectMeta(name=name, namespace="sharing", labels={"app": "web"}), spec=PodSpec(containers=[container], **spec))
    made.spec.nodeName = node
    made.metadata.managedFields = [ManagedFieldsEntry(manager=name, fieldsV1=codec.encode({"f:spec": {"f:sharing": {}}}))]
    return codec.decode_as(codec.encode(made), Pod).object


def shared(*pods: Pod) -> list[Pod]:
    for each in pods:
        share(each, codec.encode(each))
    return list(pods)


def test_pods_of_one_template_have_one_list_of_containers_and_keep_their_own_names() -> None:
    first, second = shared(pod("a", "node-1"), pod("b", "node-2"))
    assert first.spec.containers is second.spec.containers
    assert first.metadata.labels is second.metadata.labels
    assert (second.metadata.name, second.spec.nodeName) == ("b", "node-2")


@pytest.mark.parametrize("spec", [{"hostname": "x"}, {"priority": 7}, {"nodeSelector": {"a": "b"}}], ids=lambda spec: next(iter(spec)))
def test_pods_whose_specs_differ_share_nothing_of_them(spec: dict[str, Any]) -> None:
    first, second = shared(pod("a"), pod("b", **spec))
    assert first.spec.containers is not second.spec.containers


def test_sharing_changes_no_byte_of_an_object() -> None:
    pods = [pod("a", "node-1"), pod("b", "node-2"), pod("c", hostname="x"), pod("d", "node-1")]
    before = [codec.encode(each) for each in pods]
    assert [codec.encode(each) for each in shared(*pods)] == before


def test_a_set_of_fields_is_kept_once() -> None:
    first, second = shared(pod("a"), pod("b", hostname="other"))
    assert first.metadata.managedFields[0].fieldsV1 is second.metadata.managedFields[0].fieldsV1
    assert second.metadata.managedFields[0].manager == "b"


def test_kinds_without_a_spec_are_left_alone() -> None:
    first, second = (ConfigMap(metadata=ObjectMeta(name=name), data={"a": "b"}) for name in "ab")
    share(first, codec.encode(first))
    share(second, codec.encode(second))
    assert first.data is not second.data


def test_a_text_that_looks_like_a_field_is_none() -> None:
    made = pod("a", "node-1")
    made.metadata.annotations = {"x": ',"spec":{"nodeName":"node-1",'}
    assert spec_bytes(codec.encode(made), "node-1") == spec_bytes(codec.encode(pod("b", "node-2")), "node-2")


def test_numbers_and_texts_are_no_parts() -> None:
    parts = parts_of(PodSpec)
    assert parts is not None
    names, values = parts
    assert {"containers", "volumes", "securityContext", "affinity"} <= set(names)
    assert not {"nodeName", "priority", "hostNetwork", "serviceAccountName"} & set(names)
    assert len(values(PodSpec())) == len(names)


def test_an_object_shares_with_what_it_was_before() -> None:
    command = ["sh", "-c", "x" * SMALL_BYTES]
    old, new = pod("a", "node-1", initContainers=[Container(name="i", command=command)]), pod("a", "node-2")
    new.spec.initContainers = codec.clone(old).spec.initContainers
    new.status.message = "another"
    share(new, codec.encode(new), old)
    assert new.spec.containers is old.spec.containers
    assert new.spec.initContainers is old.spec.initContainers
    assert new.metadata.labels is old.metadata.labels
    assert (new.spec.nodeName, new.status.message) == ("node-2", "another")


def test_pods_that_have_one_spec_already_share_the_rest() -> None:
    first, second = pod("a"), pod("b")
    second.spec = first.spec
    shared(first, second)
    assert second.metadata.labels is first.metadata.labels


def test_free_json_that_looks_like_a_status_does_not_make_two_specs_one() -> None:
    def device_class(name: str, value: str) -> DeviceClass:
        parameters = {"a": 1, "status": {"value": value}}
        opaque = {"driver": "gpu.example.com", "parameters": parameters}
        given = {"metadata": {"name": name}, "spec": {"config": [{"opaque": opaque}]}}
        return codec.from_dict(given, DeviceClass)

    first, second = device_class("a", "one"), device_class("b", "two")
    before = codec.encode(second)
    share(first, codec.encode(first))
    share(second, before)
    assert codec.encode(second) == before
