from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pilothouse.node import pod_network
from pilothouse.node.pod_network import PodInterface

RESULT: dict[str, Any] = {
    "cniVersion": "0.4.0",
    "interfaces": [
        {"name": "pilot0", "mac": "0a:00:00:00:00:01"},
        {"name": "veth1", "mac": "0a:00:00:00:00:02"},
        {"name": "eth0", "mac": "0a:00:00:00:00:03", "sandbox": "/run/netns/one"},
    ],
    "ips": [{"version": "4", "interface": 2, "address": "10.1.0.5/24", "gateway": "10.1.0.1"}],
}
POD = PodInterface("0a:00:00:00:00:01", "veth1", "/run/netns/one", "eth0", "0a:00:00:00:00:03", "10.1.0.5/24", "10.1.0.1")


def test_what_cni_remembers_is_read(tmp_path: Path) -> None:
    (tmp_path / "pilothouse-a-eth0").write_text(json.dumps({"kind": "cniCacheV1", "result": RESULT}))
    (tmp_path / "cni-loopback-a-lo").write_text(json.dumps({"result": RESULT}))
    (tmp_path / "pilothouse-b-eth0").write_text("{")
    (tmp_path / "pilothouse-c-eth0").write_text(json.dumps({"result": {**RESULT, "ips": []}}))
    assert pod_network.results(tmp_path) == [POD]


BRIDGE = [
    "link add pilot0 mtu 1400 address 0a:00:00:00:00:01 type bridge",
    "addr add 10.1.0.1/24 dev pilot0",
    "link set pilot0 up",
]
PORT = ["link set veth1 master pilot0", "link set veth1 type bridge_slave hairpin on", "link set veth1 up"]


@pytest.mark.parametrize(
    ("pods", "masters", "expected"),
    [
        pytest.param([POD], {"pilot0": "", "veth1": "pilot0"}, [], id="all stands"),
        pytest.param([POD], {"veth1": ""}, [*BRIDGE, *PORT], id="the bridge is gone"),
        pytest.param([POD], {"pilot0": "", "veth1": ""}, PORT, id="an interface hangs on nothing"),
        pytest.param([], {}, [], id="no pods, no bridge"),
    ],
)
def test_what_is_missing_is_planned(pods: list[PodInterface], masters: dict[str, str], expected: list[str]) -> None:
    assert [*pod_network.plan(pods, masters, 1400)] == expected
    assert pod_network.is_complete(pods, masters) is not bool(expected)
