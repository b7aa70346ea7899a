"""Which port a probe or a hook means, and what is told when there is none."""

from __future__ import annotations

import pytest

from pilothouse.api.types.core_v1 import Container, ContainerPort, HTTPGetAction, Lifecycle, LifecycleHandler, Probe, TCPSocketAction
from pilothouse.kubelet.probes.target import NoSuchPort, port_number
from tests.unit.kubelet.harness import a_pod, node

OWN = Container(name="app", image="app:1", ports=[ContainerPort(name="web", containerPort=8080), ContainerPort(name="7", containerPort=9)])


@pytest.mark.parametrize(("port", "expected"), [(80, 80), ("web", 8080), ("81", 81), ("7", 9)])
def test_a_port_by_number_or_name(port: int | str, expected: int) -> None:
    assert port_number(port, OWN) == expected


@pytest.mark.parametrize(
    ("port", "expected"),
    [
        pytest.param("none", 'strconv.Atoi: parsing "none": invalid syntax', id="no port of that name"),
        pytest.param("70000", "invalid port number: 70000", id="too large"),
        pytest.param(0, "invalid port number: 0", id="zero"),
    ],
)
def test_a_port_that_there_is_not(port: int | str, expected: str) -> None:
    with pytest.raises(NoSuchPort) as error:
        port_number(port, OWN)
    assert str(error.value) == expected


async def test_a_probe_of_no_port_is_told_and_counts_for_nothing() -> None:
    async with node() as one:
        live = Probe(httpGet=HTTPGetAction(port="none"), periodSeconds=1, failureThreshold=1)
        ready = Probe(tcpSocket=TCPSocketAction(port="none"), periodSeconds=1, failureThreshold=1)
        pod = await one.run(a_pod("web", Container(name="app", image="app:1", livenessProbe=live, readinessProbe=ready)), 10)
        status = pod.status.containerStatuses[0]
        assert (status.restartCount, status.ready) == (0, False)
        said = 'probe errored and resulted in unknown state: strconv.Atoi: parsing "none": invalid syntax'
        assert sorted(await one.events("Unhealthy")) == [f"Liveness {said}", f"Readiness {said}"]


async def test_a_hook_of_no_port_fails() -> None:
    async with node() as one:
        hook = Lifecycle(postStart=LifecycleHandler(httpGet=HTTPGetAction(port="none")))
        await one.run(a_pod("web", Container(name="app", image="app:1", lifecycle=hook)), 5)
        assert await one.events("FailedPostStartHook") == ["PostStartHook failed"]
