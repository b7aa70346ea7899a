"""Kubeconfigs: one context comes and goes, everybody else's stays as it was."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
import yaml

from pilothouse.client import kubeconfig
from pilothouse.client.kubeconfig import Access, KubeconfigError

MINE = Access(
    "pilothouse", {"server": "https://127.0.0.1:6443"}, {"client-key-data": "a2V5"}, {"cluster": "pilothouse", "user": "pilothouse"}
)
THEIRS = """\
# a comment
apiVersion: v1
kind: Config
clusters:
- name: work
  cluster: {server: "https://example.com", certificate-authority: ca.crt}
users:
- name: work
  user:
    exec: {apiVersion: client.authentication.k8s.io/v1, command: login, args: [get, token]}
contexts:
- name: work
  context: {cluster: work, user: work, namespace: team}
current-context: work
extensions:
- name: mine
  extension: {unknown: yes}
"""


def parsed(path: Path) -> dict[str, object]:
    found: dict[str, object] = yaml.safe_load(path.read_text())
    return found


def test_makes_the_file_and_its_folder(tmp_path: Path) -> None:
    path = tmp_path / ".kube" / "config"
    assert kubeconfig.merge(MINE, [path]) == path
    assert parsed(path)["current-context"] == "pilothouse"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in path.parent.iterdir()] == ["config"]


def test_keeps_everything_of_others_when_it_comes_and_when_it_goes(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(THEIRS)
    path.chmod(0o640)
    before = parsed(path)
    kubeconfig.merge(MINE, [path], make_current=True)
    merged = parsed(path)
    assert merged["current-context"] == "pilothouse"
    for section in ("clusters", "users", "contexts"):
        assert [one["name"] for one in merged[section]] == ["work", "pilothouse"]  # type: ignore[attr-defined]
        assert merged[section][0] == before[section][0]  # type: ignore[index]
    assert merged["extensions"] == before["extensions"]
    assert path.stat().st_mode & 0o777 == 0o640
    assert kubeconfig.remove("pilothouse", [path]) == [path]
    after = parsed(path)
    assert after["current-context"] == ""
    assert {name: after[name] for name in ("clusters", "users", "contexts")} == {
        name: before[name] for name in ("clusters", "users", "contexts")
    }


def test_renews_what_is_there_already(tmp_path: Path) -> None:
    path = tmp_path / "config"
    kubeconfig.merge(MINE, [path])
    newer = Access("pilothouse", {"server": "https://127.0.0.1:7443"}, MINE.user, MINE.context)
    kubeconfig.merge(newer, [path])
    assert parsed(path)["clusters"] == [{"name": "pilothouse", "cluster": {"server": "https://127.0.0.1:7443"}}]


def test_a_list_is_read_as_kubectl_reads_it_and_written_where_the_entry_stands(tmp_path: Path) -> None:
    first, second, missing = tmp_path / "first", tmp_path / "second", tmp_path / "missing"
    first.write_text(THEIRS)
    kubeconfig.merge(MINE, [second], make_current=False)
    paths = kubeconfig.files({"KUBECONFIG": f"{missing}{os.pathsep}{first}{os.pathsep}{second}"}, tmp_path)
    assert paths == [missing, first, second]
    assert kubeconfig.merge(MINE, paths) == second
    assert parsed(first)["current-context"] == "work"
    assert kubeconfig.merge(MINE, paths, make_current=True) == second
    assert parsed(first)["current-context"] == "pilothouse"
    assert [one["name"] for one in parsed(first)["clusters"]] == ["work"]  # type: ignore[attr-defined]
    assert not missing.exists()
    loaded = kubeconfig.load(paths)
    assert [one["name"] for one in loaded["contexts"]] == ["work", "pilothouse"]
    assert loaded["clusters"][0]["cluster"]["certificate-authority"] == str(tmp_path / "ca.crt")
    assert kubeconfig.remove("pilothouse", paths) == [first, second]
    assert parsed(first)["current-context"] == ""


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        pytest.param({}, [".kube/config"], id="the home folder's"),
        pytest.param({"KUBECONFIG": ""}, [".kube/config"], id="empty means unset"),
        pytest.param({"KUBECONFIG": "a::b:a"}, ["a", "b"], id="empty and double parts do not count"),
    ],
)
def test_files(environment: dict[str, str], expected: list[str]) -> None:
    assert kubeconfig.files(environment, Path("home")) == [Path("home") / one if "/" in one else Path(one) for one in expected]


@pytest.mark.parametrize("content", ["clusters: [}", "- a list", "clusters: text", "clusters: [1]"])
def test_what_cannot_be_read_is_not_touched(tmp_path: Path, content: str) -> None:
    path = tmp_path / "config"
    path.write_text(content)
    with pytest.raises(KubeconfigError, match="config"):
        kubeconfig.merge(MINE, [path])
    assert path.read_text() == content
    assert [one.name for one in tmp_path.iterdir()] == ["config"]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "config"
    real.write_text(THEIRS)
    link.symlink_to(real)
    kubeconfig.merge(MINE, [link], make_current=True)
    assert link.is_symlink()
    assert parsed(real)["current-context"] == "pilothouse"


def test_waits_for_the_lock_of_others(tmp_path: Path) -> None:
    path, lock = tmp_path / "config", tmp_path / "config.lock"
    path.write_text(THEIRS)
    lock.touch()
    holder = threading.Timer(0.3, lock.unlink)
    holder.start()
    kubeconfig.merge(MINE, [path])
    holder.join()
    assert [one["name"] for one in kubeconfig.load([path])["contexts"]] == ["work", "pilothouse"]
    assert not lock.exists()


def test_a_lock_that_a_dead_process_left_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kubeconfig, "STALE_LOCK_SECONDS", 0.2)
    path, lock = tmp_path / "config", tmp_path / "config.lock"
    lock.touch()
    kubeconfig.merge(MINE, [path])
    assert [one["name"] for one in kubeconfig.load([path])["contexts"]] == ["pilothouse"]
    assert not lock.exists()


@pytest.mark.parametrize(
    ("before", "make_current", "expected"),
    [
        pytest.param("", None, "pilothouse", id="there was none"),
        pytest.param("current-context: work\n", None, "work", id="there was another"),
        pytest.param("current-context: work\n", True, "pilothouse", id="asked for"),
        pytest.param("", False, "", id="asked not to"),
        pytest.param("current-context: pilothouse\n", None, "pilothouse", id="it was already"),
    ],
)
def test_the_current_context_is_taken_over_when_asked_or_when_there_is_none(
    tmp_path: Path, before: str, make_current: bool | None, expected: str
) -> None:
    path = tmp_path / "config"
    path.write_text(before)
    kubeconfig.merge(MINE, [path], make_current=make_current)
    assert kubeconfig.read(path)["current-context"] == expected


def test_a_cluster_that_another_context_uses_stays(tmp_path: Path) -> None:
    path = tmp_path / "config"
    kubeconfig.merge(MINE, [path])
    other = Access("other", {"server": "x"}, {}, {"cluster": "pilothouse", "user": "other"})
    kubeconfig.merge(other, [path])
    kubeconfig.remove("pilothouse", [path])
    left = kubeconfig.load([path])
    assert [one["name"] for one in left["clusters"]] == ["pilothouse", "other"]
    assert [one["name"] for one in left["users"]] == ["other"]


def test_access_of_a_file_of_one_cluster() -> None:
    assert Access.of(MINE.config()) == MINE


def test_a_file_that_is_too_long_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kubeconfig, "FILE_LIMIT", 64)
    path = tmp_path / "config"
    path.write_text(THEIRS)
    with pytest.raises(KubeconfigError, match="longer than"):
        kubeconfig.merge(MINE, [path])
    assert path.read_text() == THEIRS
