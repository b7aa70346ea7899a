from __future__ import annotations

from pathlib import Path

import pytest

from pilothouse.cluster import launch
from pilothouse.cluster.state import Places
from pilothouse.node import processes


@pytest.mark.parametrize("name", ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy", "TZ", "LANG"])
def test_a_process_keeps_the_callers_proxies_and_language(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "here")
    assert launch.environment()[name] == "here"


@pytest.mark.parametrize("name", ["KUBECONFIG", "LD_PRELOAD", "PYTHONSTARTUP", "XDG_RUNTIME_DIR"])
def test_a_process_keeps_nothing_else_of_the_caller(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "here")
    assert name not in launch.environment()


def test_programs_are_found_where_a_users_path_lacks_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/home/somebody/bin")
    assert "/usr/sbin" in launch.environment()["PATH"].split(":")


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param("", "one\ntwo\n", "  one\n  two", id="all of it"),
        pytest.param("old\n", "old\nnew\n", "  new", id="only what this run wrote"),
        pytest.param("old\n" * 9, "new\n", "  new", id="a log that was begun anew"),
        pytest.param("", "\n".join(map(str, range(99))), "\n".join(f"  {one}" for one in range(87, 99)), id="the last lines"),
        pytest.param("", None, "", id="none"),
    ],
)
def test_the_end_of_a_log_is_shown(tmp_path: Path, before: str, after: str | None, expected: str) -> None:
    log = tmp_path / "log"
    log.write_text(before)
    since = launch.size(log)
    log.unlink()
    if after is not None:
        log.write_text(after)
    assert launch.tail(log, since) == expected


@pytest.mark.parametrize(("waiting", "ends"), [(True, True), (False, False)], ids=["its starter is gone", "it was told to go"])
def test_a_process_that_nobody_told_to_go_is_ended(tmp_path: Path, waiting: bool, ends: bool) -> None:
    places = Places("dev", tmp_path)
    places.run.mkdir(parents=True)
    process = processes.spawn(["sleep", "60"], tmp_path / "log")
    try:
        processes.write_pid_file(places.pid(launch.CONTROL_PLANE), process)
        if waiting:
            places.waiting(launch.CONTROL_PLANE).touch()
        launch.end_orphans(places)
        assert process.alive() is not ends
        assert not places.waiting(launch.CONTROL_PLANE).exists()
    finally:
        processes.kill([process])
