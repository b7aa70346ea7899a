from __future__ import annotations

import json
import os
from ipaddress import IPv4Network
from pathlib import Path

import msgspec
import pytest
import yaml

from pilothouse.cluster import access, certificates, choice
from pilothouse.cluster.failure import ClusterFailure
from pilothouse.cluster.state import Places
from pilothouse.kit.entropy import Entropy
from pilothouse.kit.virtual_clock import VirtualClock

STATE = choice.new_cluster("dev", network="node", egress=False, port=6500, block=IPv4Network("10.222.0.0/16"), mtu=1500)


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "user"))
    monkeypatch.delenv("SUDO_UID", raising=False)
    made = Places("dev", tmp_path)
    subjects = [certificates.Subject("admin", "kubernetes-admin"), certificates.Subject("super-admin", "kubernetes-super-admin")]
    certificates.make(made.pki, subjects, VirtualClock(), Entropy(1))
    return made


def contexts(path: Path) -> list[str]:
    return [one["name"] for one in yaml.safe_load(path.read_text())["contexts"]]


def test_the_context_is_merged_and_taken_out_again(places: Places, tmp_path: Path) -> None:
    user = tmp_path / "user"
    access.prepare(STATE, places)
    assert contexts(places.kubeconfig) == ["pilothouse-dev"]
    assert not user.exists()
    assert access.merge(STATE, places) == user
    found = yaml.safe_load(user.read_text())
    assert (contexts(user), found["current-context"]) == (["pilothouse-dev"], "pilothouse-dev")
    assert found["clusters"][0]["cluster"]["server"] == "https://127.0.0.1:6500"
    access.remove(places)
    assert not user.exists(), "it was created for this context, and nothing else is in it"


@pytest.mark.parametrize(
    ("before", "meanwhile"),
    [
        pytest.param("apiVersion: v1\nkind: Config\n", "", id="a file that was there, though it was empty"),
        pytest.param("", "work", id="a file that somebody else has used since"),
    ],
)
def test_a_file_of_the_users_own_stays(places: Places, tmp_path: Path, before: str, meanwhile: str) -> None:
    user = tmp_path / "user"
    if before:
        user.write_text(before)
    access.prepare(STATE, places)
    access.merge(STATE, places)
    access.merge(STATE, places)
    if meanwhile:
        config = yaml.safe_load(user.read_text())
        config["contexts"].append({"name": meanwhile, "context": {"cluster": "c", "user": "u"}})
        user.write_text(yaml.safe_dump(config))
    access.remove(places)
    assert contexts(user) == ([meanwhile] if meanwhile else [])


def test_it_is_taken_out_of_every_file_it_was_written_to(places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    access.prepare(STATE, places)
    files = [tmp_path / name for name in ("user", "second", "damaged")]
    for file in files:
        monkeypatch.setenv("KUBECONFIG", str(file))
        access.merge(STATE, places)
    files[2].write_text("{{{")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "third"))
    said: list[str] = []
    access.remove(places, said.append)
    assert [file.exists() for file in files[:2]] == [False, False]
    assert files[2].read_text() == "{{{"
    assert [str(files[2]) in text for text in said] == [True], "one that cannot be changed is told of, and hinders nothing"
    assert not (tmp_path / "third").exists()


def test_anothers_context_of_that_name_stays(places: Places, tmp_path: Path) -> None:
    access.merge(STATE, places)
    access.prepare(msgspec.structs.replace(STATE, port=6501), places)
    access.remove(places)
    assert contexts(tmp_path / "user") == ["pilothouse-dev"]


def test_a_cluster_that_never_had_a_kubeconfig_changes_nobodys(places: Places, tmp_path: Path) -> None:
    (tmp_path / "user").write_text("{{{")
    access.remove(places)
    assert (tmp_path / "user").read_text() == "{{{"


def test_a_broken_file_is_explained(places: Places, tmp_path: Path) -> None:
    (tmp_path / "user").write_text("{{{")
    for begun in (access.prepare, access.merge):
        with pytest.raises(ClusterFailure, match="not valid YAML") as raised:
            begun(STATE, places)
        assert raised.value.remedy == "name another file in KUBECONFIG, or mend this one"


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        pytest.param("65534", (65534, 65534), id="who called sudo"),
        pytest.param("somebody", (os.getuid(), os.getgid()), id="nonsense is nobody"),
    ],
)
def test_the_user_is_who_called_sudo(places: Places, monkeypatch: pytest.MonkeyPatch, named: str, expected: tuple[int, int]) -> None:
    monkeypatch.setenv("SUDO_UID", named)
    monkeypatch.setenv("SUDO_GID", named)
    _, owner = access.user_files()
    assert (owner.user, owner.group) == expected


def test_of_several_files_the_one_that_is_there_is_written(places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, third = (tmp_path / name for name in ("first", "second", "third"))
    second.write_text(json.dumps({"apiVersion": "v1", "kind": "Config", "contexts": [{"name": "work", "context": {}}]}))
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join(map(str, (first, second, third))))
    access.prepare(STATE, places)
    assert access.merge(STATE, places) == second
    assert (contexts(second), first.exists(), third.exists()) == (["work", "pilothouse-dev"], False, False)
    assert yaml.safe_load(second.read_text())["current-context"] == "pilothouse-dev"
    access.remove(places)
    assert contexts(second) == ["work"]


def test_new_files_and_folders_belong_to_who_called_sudo(places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[Path, tuple[int, int]] = {}
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("os.chown", lambda path, user, group: given.update({Path(path): (user, group)}))
    monkeypatch.setenv("SUDO_UID", "1234")
    monkeypatch.setenv("SUDO_GID", "1235")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "home" / ".kube" / "config"))
    access.merge(STATE, places)
    user = {path.relative_to(tmp_path).parts[:2]: whose for path, whose in given.items() if "home" in path.parts}
    assert set(given.values()) == {(1234, 1235)}
    assert user.keys() == {("home",), ("home", ".kube")}
    assert any(path.parent.name == ".kube" for path in given), "the file itself too"
    assert not [path for path in given if places.state in path.parents], "the cluster's own stays root's"


def test_a_user_whom_nobody_knows_is_told_to_name_a_file(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_UID", "4123456789")
    assert access.user_files()[0] == [Path(os.environ["KUBECONFIG"])]
    monkeypatch.delenv("KUBECONFIG")
    with pytest.raises(ClusterFailure, match="the user 4123456789 is not known on this machine") as caught:
        access.user_files()
    assert "KUBECONFIG" in caught.value.remedy
