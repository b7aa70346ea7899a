"""Pods of one template are judged once; what is wrong or odd is told of each, and what depends on their names is judged each time."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from pilothouse.api.core.pod import POD
from pilothouse.api.types.core_v1 import (
    Container,
    EnvVar,
    EphemeralVolumeSource,
    PersistentVolumeClaimSpec,
    PersistentVolumeClaimTemplate,
    Pod,
    PodSpec,
    Volume,
    VolumeResourceRequirements,
)
from pilothouse.machinery.meta_v1 import ObjectMeta
from pilothouse.machinery.problems import Problems

REPEATED = [EnvVar(name="A", value="1"), EnvVar(name="A", value="2")]
OLD = {"security.alpha.kubernetes.io/sysctls": "x"}


def pod(name: str, container: Container, *volumes: Volume, annotations: Mapping[str, str] | None = None) -> Pod:
    metadata = ObjectMeta(name=name, namespace="default", annotations=dict(annotations or {}))
    made = Pod(metadata=metadata, spec=PodSpec(containers=[container], volumes=list(volumes), serviceAccountName="default"))
    for hook in POD.defaults:
        hook(made)
    return made


def problems_of(one: Pod) -> list[str]:
    problems = Problems()
    for hook in POD.validators:
        hook(one, problems)
    return [str(found) for found in problems.found]


def warnings_of(one: Pod) -> list[str]:
    return [text for hook in POD.warners for text in hook(one, None)]


@pytest.mark.parametrize("name", ["a", "b"])
def test_what_is_wrong_is_told_of_each(name: str) -> None:
    assert problems_of(pod(name, Container(name="app"))) == ["spec.containers[0].image: Required value"]


@pytest.mark.parametrize("name", ["a", "b"])
def test_what_is_odd_is_told_of_each(name: str) -> None:
    text = 'spec.containers[0].env[1]: hides previous definition of "A", which may be dropped when using apply'
    assert warnings_of(pod(name, Container(name="app", image="app:1", env=REPEATED))) == [text]


def test_annotations_make_another_pod() -> None:
    container = Container(name="app", image="app:1")
    assert warnings_of(pod("a", container)) == []
    assert len(warnings_of(pod("b", container, annotations=OLD))) == 1


def test_a_claim_that_bears_the_name_of_its_pod_is_judged_for_each() -> None:
    asked = VolumeResourceRequirements(requests={"storage": "1Gi"})
    spec = PersistentVolumeClaimSpec(accessModes=["ReadWriteOnce"], resources=asked)
    volume = Volume(name="data", ephemeral=EphemeralVolumeSource(volumeClaimTemplate=PersistentVolumeClaimTemplate(spec=spec)))
    container = Container(name="app", image="app:1")
    assert problems_of(pod("a", container, volume)) == []
    assert [text.partition(":")[0] for text in problems_of(pod("a" * 250, container, volume))] == ["spec.volumes[0].name"]
