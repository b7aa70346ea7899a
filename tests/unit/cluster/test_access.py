from __future__ import annotations

import json
from ipaddress import IPv4Network
from pathlib import Path

import pytest
import yaml

from pilothouse.cluster import access, certificates, choice
from pilothouse.cluster.failure import ClusterFailure
from pilothouse.cluster.state import ClusterState, Places
from pilothouse.kit.entropy import Entropy
from pilothouse.kit.virtual_clock import VirtualClock

STATE = choice.new_cluster("dev", network="node", egress=False, port=6500, block=IPv4Network("10.222.0.0/16"), mtu=1500)


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "user"))
    monkeypatch.delenv("SUDO_UID", raising=False)
    made = Places("dev", tmp_path)
    certificates.make(made.pki, [certificates.Subject("admin", "kubernetes-admin")], VirtualClock(), Entropy(1))
    return made


def contexts(path: Path) -> list[str]:
    return [one["name"] for one in yaml.safe_load(path.read_text())["contexts"]]


def test_the_context_is_merged_and_taken_out_again(places: Places, tmp_path: Path) -> None:
    user = tmp_path / "user"
    assert access.merge(STATE, places) == user
    found = yaml.safe_load(user.read_text())
    assert (contexts(user), found["current-context"]) == (["pilothouse-dev"], "pilothouse-dev")
    assert found["clusters"][0]["cluster"]["server"] == "https://127.0.0.1:6500"
    assert contexts(places.kubeconfig) == ["pilothouse-dev"]
    access.remove(STATE)
    assert contexts(user) == []


def test_anothers_context_of_that_name_stays(places: Places, tmp_path: Path) -> None:
    access.merge(STATE, places)
    record = json.loads(json.dumps({name: getattr(STATE, name) for name in STATE.__struct_fields__}))
    access.remove(ClusterState(**{**record, "port": 6501}))
    assert contexts(tmp_path / "user") == ["pilothouse-dev"]


def test_a_broken_file_is_explained(places: Places, tmp_path: Path) -> None:
    (tmp_path / "user").write_text("{{{")
    with pytest.raises(ClusterFailure, match="not valid YAML"):
        access.merge(STATE, places)


def test_the_user_is_who_called_sudo(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_UID", "65534")
    monkeypatch.setenv("SUDO_GID", "65534")
    _, owner = access.user_files()
    assert (owner.user, owner.group) == (65534, 65534)
