from __future__ import annotations

from ipaddress import IPv4Network

from pilothouse.api import wellknown
from pilothouse.api.types import core_v1, discovery_v1
from pilothouse.cluster import choice, services

STATE = choice.new_cluster("dev", network="node", egress=False, port=6443, block=IPv4Network("10.222.0.0/16"), mtu=1500)


def test_the_api_and_dns_have_services_that_lead_to_the_node() -> None:
    wanted = list(services.wanted(STATE))
    addresses = {one.metadata.name: one.spec.clusterIP for one in wanted if isinstance(one, core_v1.Service)}
    assert addresses == {"kubernetes": "10.222.0.1", "kube-dns": "10.222.0.10"}
    for endpoints in (one for one in wanted if isinstance(one, core_v1.Endpoints)):
        assert [address.ip for address in endpoints.subsets[0].addresses] == ["10.222.255.2"]
        assert endpoints.metadata.labels == services.SKIP_MIRROR
    slices = [one for one in wanted if isinstance(one, discovery_v1.EndpointSlice)]
    assert {one.metadata.labels[wellknown.SERVICE_NAME] for one in slices} == {"kubernetes", "kube-dns"}
