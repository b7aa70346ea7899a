"""Host ports from CNI's records: which pods have them, and what the plugin is given."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pilothouse.node import host_ports
from tests.unit.node.test_pod_network import RESULT

MAPPINGS = [{"HostPort": 8099, "ContainerPort": 80, "Protocol": "tcp", "HostIP": ""}]


def record(**changes: Any) -> dict[str, Any]:
    made = {"containerId": "one", "ifName": "eth0", "capabilityArgs": {"portMappings": MAPPINGS}, "result": RESULT}
    return made | changes


def write(root: Path, name: str, content: str) -> Path:
    path = root / "var/lib/cni/results" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def test_pods_that_run_and_have_host_ports_are_known(tmp_path: Path) -> None:
    (tmp_path / "run/netns").mkdir(parents=True)
    (tmp_path / "run/netns/one").touch()
    path = write(tmp_path, "pilothouse-a-eth0", json.dumps(record()))
    write(tmp_path, "pilothouse-b-eth0", json.dumps(record(capabilityArgs={"portMappings": []})))
    write(tmp_path, "pilothouse-c-eth0", json.dumps(record(capabilityArgs=None)))
    write(tmp_path, "pilothouse-d-eth0", "{")
    gone = [*RESULT["interfaces"][:2], {"name": "eth0", "sandbox": "/run/netns/gone"}]
    write(tmp_path, "pilothouse-e-eth0", json.dumps(record(result={**RESULT, "interfaces": gone})))
    write(tmp_path, "other-a-eth0", json.dumps(record()))
    [ports] = host_ports.running(tmp_path)
    assert (ports.record, ports.container_id, ports.interface, ports.sandbox) == (path, "one", "eth0", "/run/netns/one")


def test_the_plugin_is_given_what_it_was_given_before(tmp_path: Path) -> None:
    ports = host_ports.host_ports_of(tmp_path / "r", record())
    assert ports is not None
    assert json.loads(host_ports.configuration(ports)) == {
        "cniVersion": "0.4.0",
        "name": "pilothouse",
        "type": "portmap",
        "capabilities": {"portMappings": True},
        "snat": True,
        "runtimeConfig": {"portMappings": MAPPINGS},
        "prevResult": RESULT,
    }
