"""What a Pod requests of its node."""

from __future__ import annotations

import pytest

from pilothouse.api.types.core_v1 import ContainerStatus, Pod, PodCondition, ResourceRequirements, Volume
from pilothouse.scheduler.facts import MOST, facts_of
from tests.unit.scheduler.objects import container, pod

MIB = 1024 * 1024
SIDECAR = "Always"


def resizing(one: Pod, *, granted: str, runs: str, infeasible: bool = False) -> Pod:
    has = ResourceRequirements(requests={"cpu": runs})
    one.status.containerStatuses = [ContainerStatus(name="app", allocatedResources={"cpu": granted}, resources=has)]
    if infeasible:
        one.status.conditions = [PodCondition(type="PodResizePending", status="True", reason="Infeasible")]
    return one


@pytest.mark.parametrize(
    ("one", "cpu"),
    [
        pytest.param(pod(containers=[container(cpu="1"), container(cpu="500m")]), 1500, id="containers are summed"),
        pytest.param(
            pod(initContainers=[container(cpu="2")], containers=[container(cpu="1")]), 2000, id="an init container needs its maximum"
        ),
        pytest.param(
            pod(initContainers=[container(cpu="2"), container(cpu="3")], containers=[container(cpu="1")]), 3000, id="not their sum"
        ),
        pytest.param(
            pod(initContainers=[container(cpu="1", restart=SIDECAR)], containers=[container(cpu="1")]), 2000, id="a sidecar stays"
        ),
        pytest.param(
            pod(initContainers=[container(cpu="1", restart=SIDECAR), container(cpu="2")], containers=[container(cpu="1")]),
            3000,
            id="an init container after a sidecar runs beside it",
        ),
        pytest.param(
            pod(initContainers=[container(cpu="2"), container(cpu="1", restart=SIDECAR)], containers=[container(cpu="1")]),
            2000,
            id="one before it does not",
        ),
        pytest.param(pod(cpu="1", overhead={"cpu": "250m"}), 1250, id="overhead comes on top"),
        pytest.param(
            pod(cpu="1", resources=ResourceRequirements(requests={"cpu": "3"})), 3000, id="what the Pod as a whole asks overrides"
        ),
        pytest.param(pod(cpu="0.0001"), 1, id="less than a thousandth is a thousandth"),
        pytest.param(pod(), 0, id="nothing"),
        pytest.param(pod(cpu="9E"), MOST, id="more than can be counted"),
        pytest.param(resizing(pod(cpu="2"), granted="1", runs="1"), 2000, id="a container that grows counts as it is to be"),
        pytest.param(resizing(pod(cpu="1"), granted="2", runs="1"), 2000, id="one that shrinks as it was granted"),
        pytest.param(resizing(pod(cpu="1"), granted="1", runs="2"), 2000, id="or as it still runs"),
        pytest.param(resizing(pod(cpu="9"), granted="1", runs="1", infeasible=True), 1000, id="one that cannot grow counts as it is"),
    ],
)
def test_requests(one: Pod, cpu: int) -> None:
    assert facts_of(one).requests.get("cpu", 0) == cpu


def test_scoring_assumes_a_little_of_containers_that_ask_nothing() -> None:
    assert facts_of(pod(containers=[container(), container(cpu="1")])).nonzero == (1100, 400 * MIB)


def test_names_and_token_volumes_do_not_tell_equal_pods_apart() -> None:
    one, other = pod("a", cpu="1", labels={"app": "x"}), pod("b", cpu="1", labels={"app": "x"})
    one.spec.volumes, other.spec.volumes = [Volume(name="kube-api-access-abcde")], [Volume(name="kube-api-access-fghij")]
    assert facts_of(one).signature == facts_of(other).signature
    assert facts_of(one).signature != facts_of(pod("c", cpu="2", labels={"app": "x"})).signature


def test_pods_of_equal_requests_that_score_differently_are_told_apart() -> None:
    even = facts_of(pod(containers=[container(cpu="100m"), container(cpu="100m")]))
    uneven = facts_of(pod(containers=[container(cpu="200m"), container()]))
    assert even.requests == uneven.requests
    assert even.signature != uneven.signature
