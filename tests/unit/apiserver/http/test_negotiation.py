"""Which form an answer takes."""

from __future__ import annotations

from typing import Any

import pytest

from pilothouse.api.catalogue import resource_of
from pilothouse.api.types.apps_v1 import Deployment
from pilothouse.api.types.core_v1 import Pod
from pilothouse.api.types.events_v1 import Event
from pilothouse.apiserver.http.negotiation import ERROR, JSON, PROTOBUF, YAML, Form, check_route, check_transformation, negotiate
from pilothouse.machinery.errors import StatusError

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        pytest.param("", Form(), id="nothing asked for"),
        pytest.param("*/*", Form(), id="anything"),
        pytest.param("application/yaml", Form(YAML), id="YAML"),
        pytest.param(f"{TABLE},application/json", Form(JSON, "Table"), id="kubectl get"),
        pytest.param("application/json;as=Table;v=v1beta1;g=meta.k8s.io", Form(JSON, "Table", "v1beta1"), id="an older Table"),
        pytest.param("application/json;as=Table;v=v9;g=meta.k8s.io,application/json", Form(), id="a Table that is not served"),
        pytest.param(f"{PROTOBUF},application/json", Form(PROTOBUF), id="Go clients"),
        pytest.param(f"application/json,{PROTOBUF}", Form(), id="JSON first"),
        pytest.param(f"{PROTOBUF}, */*", Form(PROTOBUF), id="protobuf, or anything"),
        pytest.param(f"{PROTOBUF};stream=watch", Form(PROTOBUF), id="a watch in protobuf"),
        pytest.param("application/json;stream=foo,application/yaml", Form(YAML), id="a stream that is not served"),
        pytest.param(f"{PROTOBUF};as=Table;v=v1;g=meta.k8s.io,{PROTOBUF}", Form(PROTOBUF), id="no Table in protobuf"),
        pytest.param(f"{PROTOBUF};as=Table;v=v1;g=meta.k8s.io,{TABLE}", Form(JSON, "Table"), id="no Table in protobuf, but in JSON"),
        pytest.param(
            f"{PROTOBUF};as=PartialObjectMetadata;v=v1;g=meta.k8s.io", Form(PROTOBUF, "PartialObjectMetadata"), id="metadata in protobuf"
        ),
        pytest.param("application/json;v=v1,application/yaml", Form(YAML), id="half a transformation"),
        pytest.param("application/json;sv=v2,application/yaml", Form(YAML), id="another version of the server's group"),
        pytest.param("*/*;as=Table;v=v1;g=meta.k8s.io", Form(JSON, "Table"), id="a Table of any type"),
        pytest.param(f"*/*;q=0.9,{PROTOBUF};q=0.1", Form(PROTOBUF), id="a named type comes before a wildcard"),
        pytest.param("*;q=0.5,application/yaml;q=0.1", Form(YAML), id="a named type comes before a bare wildcard"),
        pytest.param("application/json;q=abc,application/yaml;q=0.5", Form(YAML), id="a quality that is none"),
        pytest.param("text/html,*/*;q=0.8", Form(), id="a browser"),
        pytest.param("application/json;pretty=1", Form(pretty=True), id="indented"),
        pytest.param("application/json;q=0.1,application/yaml;q=0.9", Form(YAML), id="quality decides"),
        pytest.param(
            "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io", Form(JSON, "PartialObjectMetadataList"), id="metadata only"
        ),
    ],
)
def test_the_first_acceptable_form_is_taken(accept: str, expected: Form) -> None:
    assert negotiate(accept) == expected


@pytest.mark.parametrize(
    "accept",
    [
        "text/html",
        "Application/JSON",
        "application",
        f"{PROTOBUF};as=Table;v=v1;g=meta.k8s.io",
        "application/json;as=Table",
        "application/json;g=meta.k8s.io",
        "application/json;stream=foo",
        "application/json;sv=v2",
        "application/json;as=Chart;v=v1;g=meta.k8s.io",
    ],
)
def test_what_is_not_served_is_a_406(accept: str) -> None:
    with pytest.raises(StatusError) as caught:
        negotiate(accept)
    assert (caught.value.code, caught.value.reason) == (406, "NotAcceptable")
    offered = "application/json, application/yaml, application/vnd.kubernetes.protobuf"
    assert str(caught.value) == f"only the following media types are accepted: {offered}"


def test_a_failure_is_told_in_a_clause_without_a_transformation() -> None:
    assert negotiate(f"{TABLE},application/yaml", ERROR) == Form(YAML)
    with pytest.raises(StatusError):
        negotiate(TABLE, ERROR)


@pytest.mark.parametrize("accept", ["", "*/*", "application/json;stream=foo", f"text/html,{PROTOBUF};q=0", " application/yaml , x/y"])
def test_the_router_lets_pass_what_names_a_media_type(accept: str) -> None:
    check_route(accept, collection=True)


@pytest.mark.parametrize("accept", ["application/*", "*", "text/html", "application/cbor", "Application/JSON"])
@pytest.mark.parametrize(
    ("collection", "streams"),
    [(False, ""), (True, ", application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch")],
    ids=["one object", "a collection"],
)
def test_the_router_refuses_what_names_none(accept: str, collection: bool, streams: str) -> None:
    with pytest.raises(StatusError) as caught:
        check_route(accept, collection=collection)
    offered = f"application/json, application/yaml, application/vnd.kubernetes.protobuf{streams}"
    assert str(caught.value) == f"406: Not Acceptable\n\nAvailable representations: {offered}"
    assert caught.value.status.details is not None


@pytest.mark.parametrize(
    ("as_", "kind", "is_list", "message"),
    [
        pytest.param("PartialObjectMetadata", Pod, True, "is a list (*core.PodList)", id="one for a list"),
        pytest.param("PartialObjectMetadataList", Deployment, False, "is not a list (*apps.Deployment)", id="a list for one"),
        pytest.param("PartialObjectMetadataList", Event, False, "is not a list (*core.Event)", id="an Event"),
        pytest.param("PartialObjectMetadataList", Pod, True, "", id="a list for a list"),
        pytest.param("Table", Pod, True, "", id="a Table is both"),
    ],
)
def test_metadata_of_one_and_of_many(as_: str, kind: type[Any], is_list: bool, message: str) -> None:
    form = Form(JSON, as_)
    if not message:
        check_transformation(form, resource_of(kind), is_list=is_list)
        return
    with pytest.raises(StatusError) as caught:
        check_transformation(form, resource_of(kind), is_list=is_list)
    assert (caught.value.code, str(caught.value)) == (406, f"you requested {as_}, but the requested object {message}")
