"""ConversionReview: what is asked, and what is wrong with answers, in upstream's words."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from pilothouse.apiserver.extensions.conversion import ConversionFailed, converted, review_of, review_version
from pilothouse.machinery.meta_v1 import ObjectMeta
from pilothouse.machinery.unstructured import unstructured_resource

V1, V2 = (unstructured_resource("example.com", version, "Widget", "widgets") for version in ("v1", "v2"))
UID = "0001"
Map = dict[str, Any]


def original(name: str = "a") -> Any:
    return V1.type(ObjectMeta(name=name, namespace="default", uid="u", labels={"x": "y"}, generation=3), {"spec": {"size": 1}})


def changed(name: str = "a", **fields: Any) -> Map:
    metadata = {"name": name, "namespace": "default", "uid": "u", "labels": {"x": "z"}, "generation": 9}
    return {"apiVersion": "example.com/v2", "kind": "Widget", "metadata": metadata, "spec": {"dimension": 1}, **fields}


def answer(*objects: Any, uid: str = UID, result: Any = None, **fields: Any) -> bytes:
    response = {"uid": uid, "result": result or {"status": "Success"}, "convertedObjects": list(objects)}
    return msgspec.json.encode({"apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview", "response": response, **fields})


def test_the_review_has_the_objects_and_the_version_wanted() -> None:
    review = msgspec.json.decode(review_of([original()], V2, UID, "v1"))
    assert (review["apiVersion"], review["kind"]) == ("apiextensions.k8s.io/v1", "ConversionReview")
    assert (review["request"]["uid"], review["request"]["desiredAPIVersion"]) == (UID, "example.com/v2")
    assert [(obj["apiVersion"], obj["metadata"]["name"]) for obj in review["request"]["objects"]] == [("example.com/v1", "a")]


def test_labels_are_the_webhooks_and_all_other_metadata_the_originals() -> None:
    made = converted(answer(changed()), [original()], V2, UID, "v1")[0]
    assert (made.apiVersion, made.content) == ("example.com/v2", {"spec": {"dimension": 1}})
    assert (made.metadata.labels, made.metadata.generation) == ({"x": "z"}, 3)


def meta(**fields: Any) -> Map:
    return changed(metadata={**changed()["metadata"], **fields})


FOR = "conversion webhook for example.com/v1, Kind=Widget"
WRONG: dict[str, tuple[bytes, str]] = {
    "a refusal": (answer(result={"status": "Failure", "message": "no way"}), f"{FOR} failed: no way"),
    "no status": (answer(result={"code": 1}), f"{FOR} failed: response.result.status was '', not 'Success'"),
    "another uid": (answer(changed(), uid="2"), f'{FOR} failed: expected response.uid="0001", got "2"'),
    "no response": (answer(response=None), f"{FOR} failed: no response provided"),
    "another kind of answer": (
        answer(kind="Review"),
        f"{FOR} failed: expected webhook response of apiextensions.k8s.io/v1, Kind=ConversionReview, "
        "got apiextensions.k8s.io/v1, Kind=Review",
    ),
    "too few": (answer(), f"{FOR} returned 0 objects, expected 1"),
    "too many": (answer(changed(), changed()), f"{FOR} returned 2 objects, expected 1"),
    "another version": (
        answer(changed(apiVersion="example.com/v1")),
        f"{FOR} returned invalid object: invalid groupVersion (expected example.com/v2, received example.com/v1)",
    ),
    "another kind": (
        answer(changed(kind="Gadget")),
        f"{FOR} returned invalid object: invalid kind (expected Widget, received Gadget)",
    ),
    "another name": (answer(meta(name="b")), f"{FOR} returned invalid object: must have the same name: a != b"),
    "another namespace": (answer(meta(namespace="b")), f"{FOR} returned invalid object: must have the same namespace: default != b"),
    "another UID": (answer(meta(uid="b")), f"{FOR} returned invalid object: must have the same UID: u != b"),
    "labels that are none": (
        answer(meta(labels=[])),
        f"{FOR} returned invalid metadata: invalid metadata.labels of type []interface {{}} in converted object",
    ),
    "a label that is no text": (
        answer(meta(labels={"a": 1})),
        f"{FOR} returned invalid metadata: metadata.labels[a] must be a string, but is int64 in converted object",
    ),
    "no JSON": (b"<html>", f"{FOR} failed: invalid character '<' looking for beginning of value"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_with_an_answer(name: str) -> None:
    data, told = WRONG[name]
    with pytest.raises(ConversionFailed) as raised:
        converted(data, [original()], V2, UID, "v1")
    assert str(raised.value.args[0]) == told


def test_in_a_list_the_index_is_told() -> None:
    with pytest.raises(ConversionFailed) as raised:
        converted(answer(changed(), changed("c")), [original(), original("b")], V2, UID, "v1")
    assert raised.value.args[0] == f"{FOR} returned invalid converted object at index 1: must have the same name: b != c"


def test_older_reviews_say_neither_kind_nor_uid() -> None:
    assert converted(answer(changed(), uid="", kind="x"), [original()], V2, UID, "v1beta1")[0].metadata.name == "a"


@pytest.mark.parametrize(("accepted", "version"), [(["v3", "v1beta1", "v1"], "v1beta1"), (["v1"], "v1")])
def test_the_first_version_that_is_spoken_is_taken(accepted: list[str], version: str) -> None:
    assert review_version(accepted) == version


def test_a_version_must_be_spoken() -> None:
    with pytest.raises(ConversionFailed, match="no supported conversion review versions"):
        review_version(["v2"])
