from __future__ import annotations

from dataclasses import replace

import pytest

from pilothouse.node import network
from pilothouse.node.network import Link

LINK = Link(
    namespace="pilothouse-dev",
    host_interface="ph-dev",
    host_address="10.222.255.1",
    node_address="10.222.255.2",
    prefix_length=24,
    block="10.222.0.0/16",
    pod_range="10.222.64.0/18",
    service_range="10.222.0.0/20",
    mtu=1400,
)


@pytest.mark.parametrize(
    ("cluster", "expected"),
    [
        pytest.param("dev", "ph-dev", id="short"),
        pytest.param("twelve-signs", "ph-twelve-signs", id="just fits"),
        pytest.param("thirteen-sign", "ph-69f1a4c6f0cd", id="too long"),
    ],
)
def test_interface_names_fit_the_kernel(cluster: str, expected: str) -> None:
    name = network.interface_name(cluster)
    assert len(name) <= network.INTERFACE_NAME_LIMIT
    assert name == expected or (len(expected) == 15 and name.startswith("ph-") and name != f"ph-{cluster}")


def test_the_whole_block_is_unreachable_before_anything_else_is_made() -> None:
    plan = network.plan(LINK)
    assert plan.host[0] == f"route replace unreachable 10.222.0.0/16 metric {network.LAST_RESORT_METRIC}"
    assert any("unreachable 10.222.0.0/16" in line for line in plan.node)


@pytest.mark.parametrize("egress", [True, False], ids=["with egress", "without egress"])
def test_a_way_out_is_made_only_with_egress(egress: bool) -> None:
    plan = network.plan(replace(LINK, egress=egress))
    assert any("default" in line for line in plan.node) is egress
    assert ("masquerade" in plan.host_rules) is egress
    assert ("net/ipv4/ip_forward" in plan.host_settings) is egress


def test_services_are_routed_to_a_bridge_without_ports() -> None:
    assert f"route replace 10.222.0.0/20 dev {network.SERVICE_BRIDGE} src 10.222.255.2" in network.plan(LINK).node


def test_only_what_leaves_the_block_is_masqueraded() -> None:
    rules = network.masquerade(LINK)
    assert 'ip saddr 10.222.0.0/16 ip daddr != 10.222.0.0/16 oifname != "ph-dev" masquerade' in rules
    assert "table ip pilothouse_dev" in rules
