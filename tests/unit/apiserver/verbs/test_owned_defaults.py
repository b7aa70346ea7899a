"""Who creates an object owns what is filled in for it; who applies it owns what it says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.unit.apiserver.serving import calling

SCALER: dict[str, Any] = {
    "apiVersion": "autoscaling/v1",
    "kind": "HorizontalPodAutoscaler",
    "metadata": {"name": "a"},
    "spec": {"maxReplicas": 3, "scaleTargetRef": {"kind": "Deployment", "name": "x", "apiVersion": "apps/v1"}},
}
DAEMONS: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "DaemonSet",
    "metadata": {"name": "a"},
    "spec": {
        "selector": {"matchLabels": {"a": "b"}},
        "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}},
    },
}
GENERATION = "deprecated.daemonset.template.generation"
GROUPS = {"HorizontalPodAutoscaler": "autoscaling/v1/{}/horizontalpodautoscalers", "DaemonSet": "apps/v1/{}/daemonsets"}


def path_of(document: dict[str, Any]) -> str:
    return "/apis/" + GROUPS[document["kind"]].format("namespaces/default")


@pytest.mark.parametrize(
    ("document", "way"),
    [(SCALER, ("f:spec", "f:targetCPUUtilizationPercentage")), (DAEMONS, ("f:metadata", "f:annotations", f"f:{GENERATION}"))],
    ids=["autoscaler's target", "number of a template"],
)
async def test_defaults_are_owned_by_who_creates(tmp_path: Path, document: dict[str, Any], way: tuple[str, ...]) -> None:
    async with calling(tmp_path) as call:
        made = (await call("POST", path_of(document), document)).json()
        fields = made["metadata"]["managedFields"][0]["fieldsV1"]
        for step in way:
            fields = fields[step]
        assert fields == {}
        await call("DELETE", f"{path_of(document)}/a")
        body = msgspec.json.encode(document)
        applied = await call("PATCH", f"{path_of(document)}/a?fieldManager=m", body, Content_Type="application/apply-patch+yaml")
        assert applied.status == 201, applied.body
        assert way[-1] not in msgspec.json.encode(applied.json()["metadata"]["managedFields"]).decode()


async def test_the_number_of_a_template_begins_at_one_and_stays(tmp_path: Path) -> None:
    async with calling(tmp_path) as call:
        made = (await call("POST", path_of(DAEMONS), DAEMONS)).json()
        again = (await call("PUT", f"{path_of(DAEMONS)}/a", DAEMONS)).json()
        assert made["metadata"]["annotations"] == again["metadata"]["annotations"] == {GENERATION: "1"}
        assert made["metadata"]["resourceVersion"] == again["metadata"]["resourceVersion"]
