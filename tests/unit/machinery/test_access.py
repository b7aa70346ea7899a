"""Parts of objects of both forms."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from pilothouse.api.types.core_v1 import ConfigMap, Pod, PodStatus
from pilothouse.machinery import access, codec
from pilothouse.machinery.errors import StatusError
from pilothouse.machinery.meta_v1 import ObjectMeta
from pilothouse.machinery.unstructured import unstructured_resource

WIDGETS = unstructured_resource("example.com", "v1", "Widget", "widgets")


def widget(**content: Any) -> Any:
    return WIDGETS.type(ObjectMeta(name="w"), content)


@pytest.mark.parametrize("obj", [Pod(metadata=ObjectMeta(name="w")), widget(spec={"size": 1})], ids=["struct", "unstructured"])
def test_parts_of_both_forms(obj: Any) -> None:
    status = PodStatus(phase="Running") if isinstance(obj, Pod) else {"phase": "Running"}
    other = access.with_parts(obj, status=status, metadata=ObjectMeta(name="other"))
    assert access.status(other) == status
    assert (access.metadata(other).name, access.metadata(obj).name) == ("other", "w")
    assert access.same_but_metadata_and_status(obj, other)
    assert access.clone(other) == other
    assert access.clone(other) is not other
    access.clear_status(other)
    assert access.status(other) == access.status(obj)


def test_a_changed_spec_is_a_change() -> None:
    assert not access.same_but_metadata_and_status(widget(spec={"size": 1}), widget(spec={"size": 2}))
    assert not access.same_but_metadata_and_status(widget(spec={"size": 1}), widget())


def test_a_field_of_any_name() -> None:
    obj, config = widget(spec={"size": 1}), ConfigMap(data={"a": "b"})
    access.set_field(obj, "spec", None)
    access.set_field(config, "data", {"c": "d"})
    assert access.field(obj, "spec") is None
    assert access.field(obj, "metadata") is obj.metadata
    assert access.field(config, "data") == {"c": "d"}
    assert access.field(config, "spec") is None


def test_an_unstructured_object_goes_through_json_unchanged() -> None:
    obj = widget(spec={"size": 1.5, "none": None}, data="x")
    data = codec.encode(obj)
    assert data.startswith(b'{"kind":"Widget","apiVersion":"example.com/v1","metadata":{"name":"w"')
    assert codec.decode(data, WIDGETS).object == obj
    assert msgspec.json.decode(data)["spec"] == {"size": 1.5, "none": None}


def test_metadata_that_is_none_is_refused() -> None:
    with pytest.raises(StatusError) as raised:
        codec.decode(b'{"kind":"Widget","apiVersion":"example.com/v1","metadata":{"labels":[]}}', WIDGETS)
    assert raised.value.code == 400
