"""What a patch makes of an object of a request."""

from __future__ import annotations

from typing import Any

from pilothouse.api.catalogue import resource_of
from pilothouse.api.types.core_v1 import Pod
from pilothouse.apiserver.admission.matching.versions import requested
from pilothouse.apiserver.admission.plugin import AdmissionRequest
from pilothouse.apiserver.admission.webhooks.objects import RequestObjects, patched
from pilothouse.apiserver.auth.user import ADMIN
from pilothouse.client.call import Options
from pilothouse.machinery.meta_v1 import ObjectMeta
from pilothouse.machinery.resource import Resource
from pilothouse.machinery.unstructured import unstructured_resource
from tests.unit.apiserver.registry.house import pod


def request(obj: Any, resource: Resource[Any], old: Any = None) -> AdmissionRequest:
    return AdmissionRequest("UPDATE", resource, "", "default", "a", obj, old, ADMIN, Options(), resource, resource)


class Rules:
    """A schema that knows `data` alone."""

    def prune(self, content: dict[str, Any]) -> list[str]:
        unknown = [name for name in content if name != "data"]
        for name in unknown:
            del content[name]
        return unknown

    def coerce(self, content: dict[str, Any]) -> list[str]:
        return []


def test_what_the_schema_of_a_custom_object_does_not_know_is_pruned() -> None:
    resource = unstructured_resource("example.com", "v1", "Widget", "widgets", rules=Rules())
    asked = request(resource.type(ObjectMeta(name="a"), {"data": 1}), resource)
    operations = [{"op": "add", "path": "/other", "value": 2}, {"op": "replace", "path": "/data", "value": 3}]
    assert patched(asked, requested(asked), operations)
    assert asked.object.content == {"data": 3}
    assert not patched(asked, requested(asked), operations[:1])


def test_an_object_that_is_as_it_was_has_not_changed() -> None:
    asked = request(pod("a"), resource_of(Pod))
    assert not patched(asked, requested(asked), [{"op": "add", "path": "/metadata/name", "value": "a"}])
    assert patched(asked, requested(asked), [{"op": "add", "path": "/metadata/labels", "value": {"a": "b"}}])


def test_json_is_made_once_for_each_object() -> None:
    asked = request(pod("a"), resource_of(Pod), pod("old"))
    objects, version = RequestObjects(asked), requested(request(pod("a"), resource_of(Pod)))
    first = objects(version)
    assert objects(version)[0] is first[0]
    assert objects(version)[1] is first[1]
    asked.object = pod("b")
    assert objects(version)[0] != first[0]
