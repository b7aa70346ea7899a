from __future__ import annotations

import pytest

from pilothouse.cluster import launch


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
