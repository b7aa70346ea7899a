"""Which form an answer takes."""

from __future__ import annotations

import pytest

from pilothouse.apiserver.http.negotiation import JSON, YAML, Form, negotiate
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
        pytest.param("application/vnd.kubernetes.protobuf,application/json", Form(), id="protobuf is passed over"),
        pytest.param("application/json;q=0.1,application/yaml;q=0.9", Form(YAML), id="quality decides"),
        pytest.param(
            "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io", Form(JSON, "PartialObjectMetadataList"), id="metadata only"
        ),
    ],
)
def test_the_first_acceptable_form_is_taken(accept: str, expected: Form) -> None:
    assert negotiate(accept) == expected


@pytest.mark.parametrize("accept", ["application/vnd.kubernetes.protobuf", "text/html", "application/json;as=Chart;v=v1;g=meta.k8s.io"])
def test_what_is_not_served_is_a_406(accept: str) -> None:
    with pytest.raises(StatusError) as caught:
        negotiate(accept)
    assert (caught.value.code, caught.value.reason) == (406, "NotAcceptable")
    assert str(caught.value).startswith("only the following media types are accepted: application/json")
