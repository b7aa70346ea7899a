"""Services: addresses and node ports out of shared ranges."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from pilothouse.api.types.core_v1 import Endpoints, LoadBalancerIngress, Service, ServicePort, ServiceSpec
from pilothouse.api.types.discovery_v1 import EndpointSlice
from pilothouse.apiserver.registry.settings import Settings
from pilothouse.client.call import Options
from pilothouse.machinery.codec import clone
from pilothouse.machinery.errors import StatusError
from pilothouse.machinery.meta_v1 import ObjectMeta
from tests.unit.apiserver.registry.house import House, open_house, refused, take, told, watching

RANGE = ip_network("10.96.0.0/16")


def service(name: str, *ports: ServicePort, **spec: Any) -> Service:
    spec.setdefault("type", "ClusterIP")
    spec.setdefault("selector", {"app": "web"})
    found = list(ports) or [ServicePort(port=80, protocol="TCP", targetPort=80)]
    return Service(metadata=ObjectMeta(name=name, namespace="default"), spec=ServiceSpec(ports=found, **spec))


async def test_a_service_gets_an_address_and_its_family(house: House) -> None:
    spec = (await house.client.create(service("a"))).spec
    assert ip_address(spec.clusterIP) in RANGE
    assert (spec.clusterIPs, spec.ipFamilies, spec.ipFamilyPolicy) == ([spec.clusterIP], ["IPv4"], "SingleStack")


async def test_no_address_is_given_twice(house: House) -> None:
    made = await asyncio.gather(*(house.client.create(service(f"s{number}")) for number in range(40)))
    assert len({one.spec.clusterIP for one in made}) == 40


async def test_the_api_has_the_first_address(house: House) -> None:
    made = await house.client.get(Service, "kubernetes", "default")
    assert made.spec.clusterIP == "10.96.0.1"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        pytest.param(
            {"clusterIP": "10.96.0.1"},
            'spec.clusterIPs: Invalid value: ["10.96.0.1"]: failed to allocate IP 10.96.0.1: provided IP is already allocated',
            id="taken",
        ),
        pytest.param(
            {"clusterIP": "1.2.3.4"},
            "the provided IP (1.2.3.4) is not in the valid range. The range of valid IPs is 10.96.0.0/16",
            id="out of range",
        ),
        pytest.param({"ipFamilyPolicy": "RequireDualStack"}, "this cluster is not configured for dual-stack services", id="dual"),
        pytest.param({"ipFamilies": ["IPv6"]}, "not configured on this cluster", id="the other family"),
    ],
)
async def test_addresses_that_cannot_be_had(house: House, spec: dict[str, Any], message: str) -> None:
    async with refused(422, message):
        await house.client.create(service("a", **spec))


async def test_an_address_of_ones_own_choice(house: House) -> None:
    assert (await house.client.create(service("a", clusterIP="10.96.0.10"))).spec.clusterIPs == ["10.96.0.10"]


async def test_a_headless_service_has_none(house: House) -> None:
    spec = (await house.client.create(service("a", clusterIP="None"))).spec
    assert (spec.clusterIP, spec.clusterIPs, spec.ipFamilies) == ("None", ["None"], ["IPv4"])


async def test_headless_without_a_selector_is_of_both_families(house: House) -> None:
    spec = (await house.client.create(service("a", clusterIP="None", selector={}))).spec
    assert (spec.ipFamilies, spec.ipFamilyPolicy) == (["IPv4", "IPv6"], "RequireDualStack")


async def test_two_ranges_give_two_addresses() -> None:
    settings = Settings(service_ranges=("10.96.0.0/16", "fd00:10::/112"))
    async with open_house(settings=settings) as house:
        spec = (await house.client.create(service("a", ipFamilyPolicy="PreferDualStack"))).spec
        assert spec.ipFamilies == ["IPv4", "IPv6"]
        assert [ip_address(one).version for one in spec.clusterIPs] == [4, 6]
        assert (await house.client.create(service("b"))).spec.ipFamilies == ["IPv4"]


async def test_an_address_comes_back_when_its_service_goes(house: House) -> None:
    await house.client.create(service("a", clusterIP="10.96.7.7"))
    await house.client.delete(Service, "a", "default")
    assert (await house.client.create(service("b", clusterIP="10.96.7.7"))).spec.clusterIP == "10.96.7.7"


async def test_an_address_comes_back_when_the_service_is_refused(house: House) -> None:
    async with refused(422, "metadata.name"):
        await house.client.create(service("Not-A-Name", clusterIP="10.96.7.7"))
    await house.client.create(service("a", clusterIP="10.96.7.7"))


async def test_a_dry_run_takes_nothing(house: House) -> None:
    made = await house.client.create(service("a", clusterIP="10.96.7.7"), options=Options(dry_run=True))
    assert made.spec.clusterIP == "10.96.7.7"
    await house.client.create(service("b", clusterIP="10.96.7.7"))


async def test_a_full_range_says_so() -> None:
    async with open_house(settings=Settings(service_ranges=("10.96.0.0/29",))) as house:
        for number in range(5):
            await house.client.create(service(f"s{number}"))
        async with refused(500, "failed to allocate a serviceIP: range is full"):
            await house.client.create(service("more"))


async def test_node_ports_are_given_and_kept(house: House) -> None:
    made = clone(await house.client.create(service("a", type="NodePort")))
    number = made.spec.ports[0].nodePort
    assert number is not None
    assert 30000 <= number <= 32767
    made.spec.ports[0].nodePort, made.spec.ports[0].targetPort, made.spec.clusterIP, made.spec.clusterIPs = 0, 8080, "", []
    after = await house.client.update(made)
    assert (after.spec.ports[0].nodePort, after.spec.ports[0].targetPort) == (number, 8080)
    assert ip_address(after.spec.clusterIP) in RANGE


@pytest.mark.parametrize(
    ("number", "message"),
    [
        pytest.param(30080, "spec.ports[0].nodePort: Invalid value: 30080: provided port is already allocated", id="taken"),
        pytest.param(80, "provided port is not in the valid range. The range of valid ports is 30000-32767", id="out of range"),
    ],
)
async def test_node_ports_that_cannot_be_had(house: House, number: int, message: str) -> None:
    await house.client.create(service("a", ServicePort(port=80, protocol="TCP", nodePort=30080, targetPort=80), type="NodePort"))
    async with refused(422, message):
        await house.client.create(service("b", ServicePort(port=80, protocol="TCP", nodePort=number, targetPort=80), type="NodePort"))


@pytest.mark.parametrize(
    ("ports", "kept"),
    [
        pytest.param([("a", 80, "TCP"), ("b", 81, "TCP")], [30100, 30200], id="as they were"),
        pytest.param([("b", 81, "TCP"), ("a", 80, "TCP")], [30200, 30100], id="in another order"),
        pytest.param([("a", 8080, "TCP"), ("b", 81, "UDP")], [30100, 30200], id="by name, though number and protocol change"),
        pytest.param([("c", 80, "TCP"), ("b", 81, "TCP")], [None, 30200], id="another name gets another"),
    ],
)
async def test_an_update_that_leaves_node_ports_out_keeps_them_by_the_ports_names(
    house: House, ports: list[tuple[str, int, str]], kept: list[int | None]
) -> None:
    first = [
        ServicePort(name="a", port=80, protocol="TCP", targetPort=80, nodePort=30100),
        ServicePort(name="b", port=81, protocol="TCP", targetPort=80, nodePort=30200),
    ]
    made = clone(await house.client.create(service("web", *first, type="NodePort")))
    made.spec.ports = [ServicePort(name=name, port=port, protocol=protocol, targetPort=80) for name, port, protocol in ports]
    after = await house.client.update(made)
    for port, number in zip(after.spec.ports, kept, strict=True):
        assert port.nodePort == number if number else port.nodePort not in (30100, 30200, None)


async def test_a_health_check_node_port_is_kept_by_who_leaves_it_out(house: House) -> None:
    made = clone(await house.client.create(service("web", type="LoadBalancer", externalTrafficPolicy="Local")))
    port = made.spec.healthCheckNodePort
    assert port
    made.spec.healthCheckNodePort = 0
    assert (await house.client.update(made)).spec.healthCheckNodePort == port


async def test_one_number_serves_tcp_and_udp_of_a_port(house: House) -> None:
    ports = [ServicePort(name=one.lower(), port=53, protocol=one, targetPort=53) for one in ("UDP", "TCP")]
    made = await house.client.create(service("dns", *ports, type="NodePort"))
    assert made.spec.ports[0].nodePort == made.spec.ports[1].nodePort


@pytest.mark.parametrize(
    ("before", "after", "address", "node_port"),
    [
        pytest.param("ClusterIP", "NodePort", True, True, id="to NodePort"),
        pytest.param("NodePort", "ClusterIP", True, False, id="back to ClusterIP"),
        pytest.param("NodePort", "LoadBalancer", True, True, id="to LoadBalancer"),
        pytest.param("ClusterIP", "ExternalName", False, False, id="to ExternalName"),
    ],
)
async def test_a_change_of_type_gives_and_takes(house: House, before: str, after: str, address: bool, node_port: bool) -> None:
    made = clone(await house.client.create(service("a", type=before)))
    kept = made.spec.clusterIP
    made.spec.type = after
    if after == "ExternalName":
        made.spec.externalName = "example.com"
    changed = await house.client.update(made)
    assert (changed.spec.clusterIP == kept) is address
    assert bool(changed.spec.ports[0].nodePort) is node_port


async def test_an_address_cannot_be_changed(house: House) -> None:
    made = clone(await house.client.create(service("a")))
    made.spec.clusterIP, made.spec.clusterIPs = "10.96.9.9", ["10.96.9.9"]
    with pytest.raises(StatusError) as raised:
        await house.client.update(made)
    assert raised.value.code == 422


async def test_the_api_is_found_where_the_settings_say() -> None:
    async with open_house(settings=Settings(api_addresses=("10.1.2.3",), api_port=6443)) as house:
        found = await house.client.get(Endpoints, "kubernetes", "default")
        assert [(one.ip, subset.ports[0].port) for subset in found.subsets for one in subset.addresses] == [("10.1.2.3", 6443)]
        storage = house.storage
        assert (await house.client.get(EndpointSlice, "kubernetes", "default")).endpoints[0].addresses == ["10.1.2.3"]
    async with open_house(storage, settings=Settings(api_addresses=("10.1.2.4",), api_port=6443)) as house:
        assert (await house.client.get(EndpointSlice, "kubernetes", "default")).endpoints[0].addresses == ["10.1.2.4"]


@pytest.mark.parametrize("kind", [Service, Endpoints, EndpointSlice])
async def test_who_deletes_the_way_to_the_api_gets_it_back(kind: type[Any]) -> None:
    settings = Settings(api_addresses=("10.1.2.3",), api_port=6443)
    async with open_house(settings=settings) as house, watching(house, kind, "default") as events:
        (first,) = await take(events, 1)
        for _ in range(2):
            await house.client.delete(kind, "kubernetes", "default")
            found = await take(events, 2)
            assert told(found) == [("DELETED", "kubernetes"), ("ADDED", "kubernetes")]
        again = found[1].object
        assert again.metadata.uid != first.object.metadata.uid
        if kind is Service:
            assert again.spec == first.object.spec
        elif kind is Endpoints:
            assert again.subsets == first.object.subsets
        else:
            assert again.endpoints == first.object.endpoints


async def test_a_balancer_that_names_no_mode_for_its_address_gets_the_default(house: House) -> None:
    one = clone(await house.client.create(service("a", type="LoadBalancer")))
    one.status.loadBalancer.ingress = [LoadBalancerIngress(ip="203.0.113.9")]
    assert (await house.client.update(one, subresource="status")).status.loadBalancer.ingress[0].ipMode == "VIP"


@pytest.mark.parametrize("address", ["10.96.7.7", "1.2.3.4"])
async def test_an_address_stays_for_ever(house: House, address: str) -> None:
    made = clone(await house.client.create(service("a")))
    made.spec.clusterIP, made.spec.clusterIPs = address, [address]
    async with refused(422, f'spec.clusterIPs[0]: Invalid value: ["{address}"]: may not change once set'):
        await house.client.update(made)
