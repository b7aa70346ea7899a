"""What a creation of a custom object answers: the object as every reader will find it, as found beside kube-apiserver 1.37.2."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pilothouse.apiserver.extensions.scale import nested
from pilothouse.machinery.unstructured import Unstructured
from tests.unit.apiserver.extensions.definitions import WIDGETS, define, definition, version, widget
from tests.unit.apiserver.serving import Caller, calling

LIST = {
    "type": "array",
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["n"],
    "items": {"type": "object", "required": ["n"], "properties": {"n": {"type": "string"}}},
}
STATUS = {"type": "object", "default": {"phase": "Pending"}, "properties": {"phase": {"type": "string"}, "list": LIST}}
SPEC = {"type": "object", "properties": {"size": {"type": "integer"}}}
SCHEMA = {"type": "object", "properties": {"spec": SPEC, "status": STATUS}}
WITH_STATUS = {"subresources": {"status": {}}}
OWN = {"f:spec": {".": {}, "f:size": {}}}


def owned(obj: dict[str, Any]) -> list[Any]:
    return [entry["fieldsV1"] for entry in obj["metadata"].get("managedFields", [])]


@pytest.mark.parametrize("query", ["", "?dryRun=All"])
@pytest.mark.parametrize(
    ("said", "managed"),
    [
        pytest.param({}, [OWN], id="nothing"),
        pytest.param({"status": {"phase": "Ready"}}, [OWN], id="a status"),
        pytest.param({"status": {"phase": "Ready", "other": 1}}, [OWN], id="an unknown field"),
        pytest.param({"status": None}, [OWN], id="null"),
        pytest.param({"status": {"list": [{"n": "a"}, {"n": "a"}]}}, [OWN], id="the same item twice"),
        pytest.param({"status": {"list": [{}]}}, [], id="an item without its key: the object has no record"),
        pytest.param({"status": {"phase": 7}}, [], id="another type: the object has no record"),
        pytest.param({"status": ["Ready"]}, [], id="a list: the object has no record"),
    ],
)
async def test_a_status_said_at_creation_gives_way_to_its_default(said: Any, managed: list[Any], query: str, tmp_path: Path) -> None:
    async with calling(tmp_path) as call:
        await define(call, definition(version(schema=SCHEMA, **WITH_STATUS)))
        answer = await call("POST", WIDGETS + query, widget("a", spec={"size": 1}, **said))
        assert answer.status == 201, answer.body
        made = answer.json()
        assert (made["status"], owned(made)) == ({"phase": "Pending"}, managed)
        if not query:
            assert (await call("GET", f"{WIDGETS}/a")).json() == made
            assert (await call("GET", WIDGETS)).json()["items"] == [made]


async def test_the_first_status_written_does_not_own_the_whole(tmp_path: Path) -> None:
    async with calling(tmp_path) as call:
        await define(call, definition(version(schema=SCHEMA, **WITH_STATUS)))
        made = (await call("POST", WIDGETS, widget("a", spec={"size": 1}))).json()
        made["status"] = {"phase": "Ready"}
        assert owned((await call("PUT", f"{WIDGETS}/a/status", made)).json()) == [OWN, {"f:status": {"f:phase": {}}}]


async def test_without_the_subresource_a_status_is_like_any_field(tmp_path: Path) -> None:
    async with calling(tmp_path) as call:
        await define(call, definition(version(schema=SCHEMA)))
        assert (await call("POST", WIDGETS, widget("a", status={"phase": "Ready"}))).json()["status"] == {"phase": "Ready"}
        refused = await call("POST", WIDGETS, widget("b", status={"phase": 7}))
        assert refused.status == 422


async def test_a_custom_kind_may_be_called_namespaces(tmp_path: Path) -> None:
    async with calling(tmp_path) as call:
        await define(call, definition(kind="Namespace", group="bus.example.com"))
        await define(call, definition(kind="Namespace", group="wide.example.com", scope="Cluster"))
        obj = {"kind": "Namespace", "metadata": {"name": "default"}}
        narrow, wide = "/apis/bus.example.com/v1/namespaces/default/namespaces", "/apis/wide.example.com/v1/namespaces"
        assert (await call("POST", narrow, {**obj, "apiVersion": "bus.example.com/v1"})).status == 201
        assert (await call("POST", wide, {**obj, "apiVersion": "wide.example.com/v1"})).status == 201
        assert (await call("GET", f"{narrow}/default")).json()["metadata"]["namespace"] == "default"
        assert "namespace" not in (await call("GET", f"{wide}/default")).json()["metadata"]
        assert (await call("GET", "/api/v1/namespaces/default")).json()["apiVersion"] == "v1"
        assert [len((await call("GET", path)).json()["items"]) for path in (narrow, wide)] == [1, 1]


POOL = {"type": "object", "properties": {"size": {"type": "integer"}}}


def pooled(pool: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": {"spec": {"type": "object", "properties": {"pool": pool}}}}


async def created(call: Caller, query: str) -> Any:
    """The spec that a creation in the version that is not stored answers."""
    obj = widget("a", "v1", spec={"pool": [{}, {"size": 3}]})
    return (await call("POST", WIDGETS + query, obj)).json()["spec"]


async def test_a_dry_run_goes_through_the_stored_version_too(tmp_path: Path) -> None:
    """v1 has a list where v2, which is stored, has an object: v2 knows no field of the list's items."""
    async with calling(tmp_path) as call:
        listed = version("v1", pooled({"type": "array", "items": POOL}), storage=False)
        await define(call, definition(listed, version("v2", pooled(POOL))))
        assert await created(call, "?dryRun=All") == {"pool": [{}, {}]}
        assert await created(call, "") == {"pool": [{}, {}]}
        found = (await call("GET", f"{WIDGETS.replace('v1', 'v2')}/a")).json()
        assert found["spec"] == {"pool": [{}, {}]}


async def test_defaults_are_those_of_the_version_written_and_of_the_stored_one(tmp_path: Path) -> None:
    """A default of v1 that v2, which is stored, does not know is gone when the object is read again; one of v2 is seen in both."""

    def spec(**properties: Any) -> dict[str, Any]:
        return {"type": "object", "properties": {"spec": {"type": "object", "properties": properties}}}

    number, seven, nine = {"type": "integer"}, {"type": "integer", "default": 7}, {"type": "integer", "default": 9}
    first, second = version("v1", spec(a=seven, b=number, c=seven), storage=False), version("v2", spec(b=nine, c=nine))
    async with calling(tmp_path) as call:
        await define(call, definition(first, second))
        for query in ("?dryRun=All", ""):
            made = (await call("POST", WIDGETS + query, widget("a", "v1", spec={}))).json()
            assert made["spec"] == {"b": 9, "c": 7}
        assert (await call("GET", f"{WIDGETS.replace('v1', 'v2')}/a")).json()["spec"] == {"b": 9, "c": 7}
        made = (await call("POST", WIDGETS.replace("v1", "v2"), widget("b", "v2", spec={}))).json()
        assert made["spec"] == {"b": 9, "c": 9}
        assert (await call("GET", f"{WIDGETS}/b")).json()["spec"] == {"b": 9, "c": 9}


@pytest.mark.parametrize(
    ("content", "found"),
    [
        pytest.param({}, None, id="nothing"),
        pytest.param({"spec": None}, None, id="null on the way"),
        pytest.param({"spec": {"replicas": 3}}, 3, id="a number"),
        pytest.param(
            {"spec": ["a"]},
            ".spec.replicas accessor error: [a] is of the type []interface {}, expected map[string]interface{}",
            id="the path goes as far as the field that is looked for",
        ),
        pytest.param({"spec": {"replicas": None}}, ".spec.replicas accessor error: <nil> is of the type <nil>, expected int64", id="null"),
    ],
)
def test_what_a_scale_finds_at_a_path(content: Any, found: Any) -> None:
    obj = Unstructured(content=content)
    if isinstance(found, str):
        with pytest.raises(ValueError, match="accessor error") as problem:
            nested(obj, "spec.replicas", int)
        assert str(problem.value) == found
    else:
        assert nested(obj, "spec.replicas", int) == found


OBJECT = {"type": "object"}
LOOSE = {
    "type": "object",
    "properties": {"l": {"type": "array", "items": OBJECT}, "m": OBJECT, "any": {"x-kubernetes-preserve-unknown-fields": True}},
}


@pytest.mark.parametrize("strictness", ["Warn", "Strict"])
async def test_an_apply_drops_without_a_word_what_is_below_a_bare_object(strictness: str, tmp_path: Path) -> None:
    """The typed schema of `type: object` alone takes anything, so that nothing is refused; pruning comes after. Who applied owns it."""
    async with calling(tmp_path) as call:
        await define(call, definition(version(schema={"type": "object", "properties": {"spec": LOOSE}})))
        applied = widget("a", spec={"l": [{"a": 1}, {"b": None}], "m": {"x": 1}, "any": [1, None]})
        query = f"?fieldManager=m&fieldValidation={strictness}"
        made = await call("PATCH", f"{WIDGETS}/a{query}", applied, Content_Type="application/apply-patch+yaml")
        assert (made.status, made.headers.getall("Warning", [])) == (201, [])
        assert made.json()["spec"] == {"l": [{}, {}], "m": {}, "any": [1, None]}
        assert owned(made.json()) == [{"f:spec": {"f:l": {}, "f:m": {"f:x": {}}, "f:any": {}}}]
        again = await call("PATCH", f"{WIDGETS}/a{query}", applied, Content_Type="application/apply-patch+yaml")
        assert (again.status, again.json()["spec"]) == (200, {"l": [{}, {}], "m": {}, "any": [1, None]})
