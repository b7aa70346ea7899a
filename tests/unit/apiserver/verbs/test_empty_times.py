"""An empty text is no time, as Go's decoder says; and ComponentStatuses are not watched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.apiserver.serving import calling

SECONDS, MICROSECONDS = "2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05.000000Z07:00"
EMPTY_RECORD = {"manager": "m", "operation": "Update", "apiVersion": "v1", "time": "", "fieldsType": "FieldsV1", "fieldsV1": {}}


@pytest.mark.parametrize(
    ("path", "kind", "fields", "layout"),
    [
        ("/api/v1/nodes", "Node", {"spec": {"taints": [{"key": "a", "effect": "NoSchedule", "timeAdded": ""}]}}, SECONDS),
        ("/api/v1/nodes", "Node", {"metadata": {"name": "a", "creationTimestamp": ""}}, SECONDS),
        ("/api/v1/nodes", "Node", {"metadata": {"name": "a", "managedFields": [EMPTY_RECORD]}}, SECONDS),
        ("/api/v1/namespaces/default/events", "Event", {"eventTime": "", "involvedObject": {"namespace": "default"}}, MICROSECONDS),
    ],
    ids=["taint", "creationTimestamp", "managedFields", "MicroTime"],
)
async def test_an_empty_time_is_refused(tmp_path: Path, path: str, kind: str, fields: dict[str, Any], layout: str) -> None:
    async with calling(tmp_path) as call:
        answer = await call("POST", path, {"apiVersion": "v1", "kind": kind, "metadata": {"name": "a"}} | fields)
        complaint = f'parsing time "" as "{layout}": cannot parse "" as "2006"'
        assert (answer.status, answer.json()["message"]) == (
            400,
            f'{kind} in version "v1" cannot be handled as a {kind}: {complaint}',
        )


async def test_component_statuses_are_not_watched(tmp_path: Path) -> None:
    async with calling(tmp_path) as call:
        [verbs] = [one["verbs"] for one in (await call("GET", "/api/v1")).json()["resources"] if one["name"] == "componentstatuses"]
        assert verbs == ["get", "list"]
        answer = await call("GET", "/api/v1/componentstatuses?watch=1")
        message = 'watch is not supported on resources of kind "componentstatuses"'
        assert (answer.status, answer.json()["message"], answer.json()["reason"]) == (405, message, "MethodNotAllowed")
        assert (await call("GET", "/api/v1/watch/componentstatuses")).status == 404
