"""Decoding: what goes in, what is refused and how that is worded."""

from __future__ import annotations

import json
import re

import pytest

from pilothouse.api.types.coordination_v1 import Lease
from pilothouse.api.types.core_v1 import ConfigMap, Pod
from pilothouse.machinery import codec
from pilothouse.machinery.errors import StatusError
from pilothouse.machinery.resource import Resource

PODS = Resource(Pod, "pods")
CANNOT = 'Pod in version "v1" cannot be handled as a Pod: '
UNRECOGNIZED = "the object provided is unrecognized (must be of type Pod): couldn't get version/kind; json parse error: "


@pytest.mark.parametrize("strictness", ["Ignore", "Warn", "Strict"])
def test_a_good_object_needs_no_closer_look(strictness: str) -> None:
    data = (
        b'{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"},"spec":{"containers":[{"name":"c","resources":{"limits":{"cpu":"1"}}}]}}'
    )
    decoded = codec.decode(data, PODS, strictness=strictness)
    assert decoded.object.spec.containers[0].resources.limits == {"cpu": "1"}
    assert decoded.warnings == []


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(
            '{"spec":{"hostNetwork":"x"}}',
            CANNOT + "json: cannot unmarshal string into Go struct field PodSpec.spec.hostNetwork of type bool",
            id="string for bool",
        ),
        pytest.param(
            '{"spec":{"containers":[{"ports":{}}]}}',
            CANNOT + "json: cannot unmarshal object into Go struct field Container.spec.containers.ports of type []v1.ContainerPort",
            id="object for list",
        ),
        pytest.param(
            '{"spec":{"containers":[{"ports":[{"containerPort":"80"}]}]}}',
            CANNOT + "json: cannot unmarshal string into Go struct field ContainerPort.spec.containers.ports.containerPort of type int32",
            id="string for number",
        ),
        pytest.param(
            '{"spec":{"containers":[{"ports":[{"containerPort":99999999999}]}]}}',
            CANNOT + "json: cannot unmarshal number 99999999999 into Go struct field "
            "ContainerPort.spec.containers.ports.containerPort of type int32",
            id="number beyond 32 bits",
        ),
        pytest.param(
            '{"metadata":{"labels":{"a":1}}}',
            CANNOT + "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string",
            id="number in a map of strings",
        ),
        pytest.param(
            '{"metadata":{"creationTimestamp":"soon"}}',
            CANNOT + 'parsing time "soon" as "2006-01-02T15:04:05Z07:00": cannot parse "soon" as "2006"',
            id="no time",
        ),
        pytest.param(
            '{"spec":{"containers":[{"resources":{"limits":{"cpu":"1x"}}}]}}',
            CANNOT + "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
            id="no quantity",
        ),
        pytest.param('{"spec', UNRECOGNIZED + 'unexpected end of JSON input ({"spec)', id="cut off"),
        pytest.param(
            '{"kind":1}',
            UNRECOGNIZED + 'json: cannot unmarshal number into Go struct field .kind of type string ({"kind":1})',
            id="a kind that is none",
        ),
        pytest.param(
            '{"spec":{"terminationGracePeriodSeconds":9223372036854775808}}',
            CANNOT + "json: cannot unmarshal number 9223372036854775808 into Go struct field PodSpec.spec.terminationGracePeriodSeconds "
            "of type int64",
            id="a number beyond 64 bits",
        ),
        pytest.param("", UNRECOGNIZED + "unexpected end of JSON input (<empty>)", id="empty"),
        pytest.param("x: y", UNRECOGNIZED + "invalid character 'x' looking for beginning of value (783a2079)", id="YAML sent as JSON"),
        pytest.param(
            '{"apiVersion":"v1","kind":"Service"}',
            'Service in version "v1" cannot be handled as a Pod: converting (v1.Service) to (core.Pod): unknown conversion',
            id="another kind",
        ),
        pytest.param(
            '{"apiVersion":"v2","kind":"Pod"}',
            "the API version in the data (v2) does not match the expected API version (v1)",
            id="another version",
        ),
    ],
)
def test_refuses_in_upstreams_words(data: str, message: str) -> None:
    with pytest.raises(StatusError) as caught:
        codec.decode(data.encode(), PODS)
    assert caught.value.code == 400
    assert str(caught.value) == message


BAD = b'{"spec":{"foo":1,"containers":[{"image":"a","image":"b","bar":{"x":1,"x":2}}],"foo":2}}'
FOUND = ['unknown field "spec.foo"', 'duplicate field "spec.containers[0].image"', 'unknown field "spec.containers[0].bar"']
"""In the order of the text; what is in an unknown field, and how often it is there, is not looked at."""


def test_strict_refuses_unknown_and_duplicate_fields() -> None:
    with pytest.raises(StatusError) as caught:
        codec.decode(BAD, PODS, strictness="Strict")
    assert str(caught.value) == f"{CANNOT}strict decoding error: {', '.join(FOUND)}"


def test_warn_keeps_the_object_and_tells() -> None:
    decoded = codec.decode(BAD, PODS, strictness="Warn")
    assert decoded.object.spec.containers[0].image == "b"
    assert decoded.warnings == FOUND


def test_ignore_is_silent() -> None:
    assert codec.decode(BAD, PODS).warnings == []


@pytest.mark.parametrize(
    "data",
    [
        b'{"spec" : {"nodeName":"a", "nodeName":"b"}}',
        b'{"spec":{"nodeName":":","nodeName":"b"}}',
        b'{"spec":{"nodeName"\n:"a","nodeName":"b"}}',
        b'{"spec":{"nodeName":"b","nodeName":"b"}}\n',
        rb'{"spec":{"nodeName":"b","nodeName":"b","hostname":"\u0022:"}}',
    ],
    ids=[
        "spaces",
        "a value that looks like a key's end",
        "newlines",
        "as programs write it, the same twice",
        "a quote that looks like none",
    ],
)
def test_finds_duplicates_however_they_are_written(data: bytes) -> None:
    assert codec.decode(data, PODS, strictness="Warn").warnings == ['duplicate field "spec.nodeName"']


def test_null_is_absent_in_fields_and_zero_in_maps_and_lists() -> None:
    data = b'{"metadata":{"creationTimestamp":null,"labels":{"a":null}},"spec":{"nodeSelector":null,"containers":[{"args":[null]}]}}'
    pod = codec.decode(data, PODS, strictness="Strict").object
    assert pod.metadata.creationTimestamp == ""
    assert pod.metadata.labels == {"a": ""}
    assert pod.spec.nodeSelector == {}
    assert pod.spec.containers[0].args == [""]


def test_yaml_is_read_as_kubernetes_reads_it() -> None:
    text = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  eq: '='\n  time: '12:30'\n"
    decoded = codec.decode(text, Resource(ConfigMap, "configmaps"), content_type="application/yaml", strictness="Strict")
    assert decoded.object.data == {"eq": "=", "time": "12:30"}


TWICE = b"kind: Pod\nmetadata:\n  name: a\n  name: b\nbogus: 1\n"


def test_of_equal_keys_in_yaml_the_last_wins_with_a_warning_to_who_asks() -> None:
    ignored = codec.decode(TWICE, PODS, content_type="application/yaml")
    assert (ignored.object.metadata.name, ignored.warnings) == ("b", [])
    warned = codec.decode(TWICE, PODS, content_type="application/yaml", strictness="Warn")
    assert (warned.object.metadata.name, warned.warnings) == ("b", ['line 4: key "name" already set in map', 'unknown field "bogus"'])


def test_equal_keys_in_yaml_are_an_error_to_who_is_strict() -> None:
    told = re.escape('strict decoding error: yaml: unmarshal errors:\n  line 4: key "name" already set in map, unknown field "bogus"')
    with pytest.raises(StatusError, match=told):
        codec.decode(TWICE, PODS, content_type="application/yaml", strictness="Strict")


def test_of_several_yaml_documents_the_first_counts() -> None:
    assert codec.parse(b"---\na: 1\n---\nb: 2\n", "application/yaml") == {"a": 1}
    assert codec.parse(b"# nothing\n", "application/yaml") is None


def test_an_unknown_content_type_is_415() -> None:
    with pytest.raises(StatusError) as caught:
        codec.decode(b"", PODS, content_type="application/vnd.kubernetes.protobuf")
    assert caught.value.code == 415


def test_a_clone_shares_nothing() -> None:
    pod = codec.decode(b'{"metadata":{"labels":{"a":"b"}}}', PODS).object
    copy = codec.clone(pod)
    copy.metadata.labels["a"] = "c"
    assert pod.metadata.labels == {"a": "b"}
    assert codec.from_dict(codec.to_dict(pod), Pod) == pod


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        pytest.param("2020-01-01T02:00:00.900000+02:00", "2020-01-01T00:00:00.900000Z", id="another zone"),
        pytest.param("2020-01-01T00:00:00.000001Z", "2020-01-01T00:00:00.000001Z", id="as it is"),
    ],
)
def test_times_are_brought_to_utc(written: str, kept: str) -> None:
    body = {"spec": {"renewTime": written, "acquireTime": written}, "metadata": {"name": "a", "creationTimestamp": written}}
    found = codec.decode_as(json.dumps(body).encode(), Lease).object
    assert (found.spec.renewTime, found.spec.acquireTime) == (kept, kept)
    assert found.metadata.creationTimestamp == "2020-01-01T00:00:00Z"
