"""Which trust bundles a projected volume may name, in the words of kube-apiserver 1.37."""

from __future__ import annotations

from typing import Any

import pytest

from pilothouse.api.core.validation.volumes import validate_volumes
from pilothouse.api.types.core_v1 import Pod
from pilothouse.machinery import codec
from pilothouse.machinery.problems import Problems

HERE = "spec.volumes[0].projected.sources[0].clusterTrustBundle"
NAME = "not a valid clustertrustbundlename: "
DNS = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an "
    "alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
NEITHER = ": Required value: either name or signerName must be specified"
BOTH = '"LabelSelector":null,"Optional":null,"Path":"p","User":null}: only one of name and signerName may be used'
NO_SELECTOR = "labelSelector must be unset if name is specified"


@pytest.mark.parametrize(
    ("fields", "problems"),
    [
        ({}, [NEITHER]),
        ({"labelSelector": {}}, [NEITHER]),
        ({"name": "a"}, []),
        ({"name": "a:b"}, []),
        ({"name": "test.test:x:ok"}, []),
        ({"name": ""}, [".name: Required value: must be a valid object name", f'.name: Invalid value: "": {NAME}{DNS}']),
        ({"name": "A"}, [f'.name: Invalid value: "A": {NAME}{DNS}']),
        ({"name": "a:"}, [f'.name: Invalid value: "a:": {NAME}{DNS}']),
        ({"name": "test.test:x:Bad"}, [f'.name: Invalid value: "test.test:x:Bad": {NAME}{DNS}']),
        ({"name": ":a"}, [f'.name: Invalid value: ":a": {NAME}ClusterTrustBundle without signer name must not have ":" in its name']),
        ({"name": "a", "labelSelector": {}}, [f".labelSelector: Invalid value: {{}}: {NO_SELECTOR}"]),
        (
            {"name": "A:B", "labelSelector": {"matchLabels": {"a": "b"}}},
            [
                f'.name: Invalid value: "A:B": {NAME}{DNS}',
                f'.labelSelector: Invalid value: {{"matchLabels":{{"a":"b"}}}}: {NO_SELECTOR}',
            ],
        ),
        ({"name": "a", "signerName": "a.b/c"}, [f': Invalid value: {{"Name":"a","SignerName":"a.b/c",{BOTH}']),
        ({"name": "", "signerName": ""}, [f': Invalid value: {{"Name":"","SignerName":"",{BOTH}']),
        ({"signerName": ""}, [".signerName: Required value: must be a valid signer name", ".signerName: Required value"]),
        ({"signerName": "a/b"}, ['.signerName: Invalid value: "a": should be a domain with at least two segments separated by dots']),
        ({"name": "a", "path": ""}, [".path: Required value"]),
        ({"name": "a", "path": "/abs"}, ['.path: Invalid value: "/abs": must be a relative path']),
    ],
)
def test_a_projection_of_trust_bundles(fields: dict[str, Any], problems: list[str]) -> None:
    source = {"clusterTrustBundle": {"path": "p", **fields}}
    pod = codec.from_dict({"spec": {"volumes": [{"name": "v", "projected": {"sources": [source]}}]}}, Pod)
    told = Problems("spec.volumes")
    validate_volumes(pod.spec.volumes, "web", told)
    assert [str(problem) for problem in told.found] == [HERE + problem for problem in problems]
