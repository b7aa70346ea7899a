"""Why a JSON Patch does not apply, in the words of upstream's library: admission policies show them."""

from __future__ import annotations

from typing import Any

import pytest

from pilothouse.machinery.patch.json import FailedTest, PatchFailed, perform


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        pytest.param({"op": "invent", "path": "/a"}, "Unexpected kind: invent", id="another operation"),
        pytest.param({"path": "/a"}, "Unexpected kind: unknown", id="no operation"),
        pytest.param({"op": "add"}, "add operation failed to decode path: missing value", id="add without path"),
        pytest.param(
            {"op": "add", "path": "/x/y"},
            'add operation does not apply: doc is missing path: "/x/y": missing value',
            id="add below nothing",
        ),
        pytest.param(
            {"op": "add", "path": "/list/9"},
            "error in add for path: '/list/9': Unable to access invalid index: 9: invalid index referenced",
            id="add beyond the end",
        ),
        pytest.param(
            {"op": "add", "path": "/list/x"},
            "error in add for path: '/list/x': value was not a proper array index: 'x': strconv.Atoi: parsing \"x\": invalid syntax",
            id="add at no index",
        ),
        pytest.param(
            {"op": "remove", "path": "/b"},
            "error in remove for path: '/b': Unable to remove nonexistent key: b: missing value",
            id="remove nothing",
        ),
        pytest.param(
            {"op": "remove", "path": "/x/y"},
            'remove operation does not apply: doc is missing path: "/x/y": missing value',
            id="remove below nothing",
        ),
        pytest.param(
            {"op": "remove", "path": "/list/5"},
            "error in remove for path: '/list/5': Unable to access invalid index: 5: invalid index referenced",
            id="remove beyond the end",
        ),
        pytest.param(
            {"op": "replace", "path": "/x/y"},
            "replace operation does not apply: doc is missing path: /x/y: missing value",
            id="replace below nothing",
        ),
        pytest.param(
            {"op": "replace", "path": "/list/5"},
            "replace operation does not apply: doc is missing key: /list/5: missing value",
            id="replace beyond the end",
        ),
        pytest.param(
            {"op": "move", "path": "/b"},
            "move operation failed to decode from: operation, missing from field: missing value",
            id="move from",
        ),
        pytest.param(
            {"op": "move", "from": "/b", "path": "/c"},
            "error in move for path: 'b': Unable to remove nonexistent key: b: missing value",
            id="move nothing",
        ),
        pytest.param(
            {"op": "move", "from": "/a", "path": "/x/y"},
            "move operation does not apply: doc is missing destination path: /x/y: missing value",
            id="move below nothing",
        ),
        pytest.param(
            {"op": "copy", "from": "/x/y", "path": "/b"},
            "copy operation does not apply: doc is missing from path: /x/y: missing value",
            id="copy from below nothing",
        ),
        pytest.param(
            {"op": "copy", "from": "/list/7", "path": "/b"},
            "error in copy for from: '/list/7': Unable to access invalid index: 7: invalid index referenced",
            id="copy from beyond the end",
        ),
        pytest.param({"op": "test", "path": "/a", "value": 2}, "testing value /a failed: test failed", id="test"),
        pytest.param(
            {"op": "test", "path": "/x/y", "value": 2},
            "test operation does not apply: is missing path: /x/y: missing value",
            id="test below nothing",
        ),
    ],
)
def test_why_an_operation_does_not_apply(operation: dict[str, Any], message: str) -> None:
    with pytest.raises(PatchFailed) as failed:
        perform({"a": 1, "list": [1, 2]}, [operation])
    assert str(failed.value) == message
    assert isinstance(failed.value, FailedTest) == message.endswith("test failed")
