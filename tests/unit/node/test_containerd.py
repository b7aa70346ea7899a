from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from pilothouse.node import cni, containerd
from pilothouse.node.containerd import ContainerdPaths

PATHS = ContainerdPaths(Path("/var/lib/pilothouse/dev/containerd"), Path("/run/pilothouse/dev/containerd"))


def settings(**other: object) -> dict[str, object]:
    wishes = {"runtime": "/usr/bin/crun", "cni_binaries": "/usr/lib/cni", "restrict_oom_score": True, **other}
    return tomllib.loads(containerd.configuration(PATHS, **wishes))  # type: ignore[arg-type]


def test_everything_lies_below_the_clusters_own_directories() -> None:
    found = settings()
    places = [found["root"], found["state"], found["grpc"]["address"], found["ttrpc"]["address"]]  # type: ignore[index]
    assert all(str(place).startswith(("/var/lib/pilothouse/dev/", "/run/pilothouse/dev/")) for place in places)


def test_nothing_is_pulled_for_a_sandbox() -> None:
    cri = settings()["plugins"]["io.containerd.grpc.v1.cri"]  # type: ignore[index]
    assert cri["sandbox_image"] == "pilothouse.local/pause:1"
    assert cri["netns_mounts_under_state_dir"] is True, "pod namespaces go with the node's mounts"


@pytest.mark.parametrize("restricted", [True, False], ids=["without CAP_SYS_RESOURCE", "with it"])
def test_the_oom_score_is_left_alone_where_it_may_not_be_lowered(restricted: bool) -> None:
    cri = settings(restrict_oom_score=restricted)["plugins"]["io.containerd.grpc.v1.cri"]  # type: ignore[index]
    assert cri["restrict_oom_score_adj"] is restricted


def test_pods_are_routed_and_may_reach_themselves() -> None:
    bridge, portmap = json.loads(cni.configuration("10.222.64.0/24", "/leases", 1400))["plugins"]
    assert (bridge["isGateway"], bridge["hairpinMode"], bridge["ipMasq"], bridge["mtu"]) == (True, True, False, 1400)
    assert bridge["ipam"]["ranges"] == [[{"subnet": "10.222.64.0/24"}]]
    assert portmap["capabilities"] == {"portMappings": True}
    assert len(cni.BRIDGE) <= 15
