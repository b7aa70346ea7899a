from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from pilothouse.cluster import doctor, preflight, up
from pilothouse.cluster.doctor import Finding
from pilothouse.cluster.failure import ClusterFailure


@pytest.mark.parametrize(
    ("findings", "runs", "expected"),
    [
        pytest.param([Finding("root"), Finding("disk", needed=False)], True, "  ok       root", id="all is well"),
        pytest.param(
            [Finding("kubectl", "none", "get it", needed=False)], True, "  note     kubectl: none", id="something beside is missed"
        ),
        pytest.param([Finding("root", "no root", "use sudo")], False, "           what to do: use sudo", id="something needed is missing"),
    ],
)
def test_findings_are_told_with_a_verdict(findings: list[Finding], runs: bool, expected: str) -> None:
    told = [*doctor.lines(findings)]
    assert expected in told
    assert doctor.runs_containers(findings) is runs
    assert ("up --runtime simulated" in told[-1]) is not runs


def test_every_finding_that_is_not_well_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(doctor.linux, "SYSTEM_PATH", str(tmp_path))
    monkeypatch.setattr(sys, "version_info", (3, 9, 0))
    monkeypatch.setattr(doctor, "FREE_BYTES", 1 << 60)
    found = {one.name: one for one in doctor.examine(tmp_path) if not one.well}
    assert {"root", "programs", "container runtime", "Python", "kubectl", "disk"} <= found.keys()
    assert all(one.remedy for one in found.values())


def refuse() -> None:
    raise ClusterFailure("no root", "run it again with sudo")


@pytest.mark.parametrize(
    ("asked", "works", "expected"),
    [
        pytest.param(None, True, "containers", id="containers by default"),
        pytest.param("auto", True, "containers", id="containers where they run"),
        pytest.param("auto", False, "simulated", id="simulated where they do not"),
        pytest.param("simulated", True, "simulated", id="simulated when asked"),
        pytest.param("containers", False, None, id="never simulated when containers were asked for"),
        pytest.param(None, False, None, id="nor when nothing was said"),
    ],
)
def test_what_a_new_cluster_runs_on(asked: str | None, works: bool, expected: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "check", (lambda: None) if works else refuse)
    monkeypatch.setattr(doctor, "check_kernel", (lambda: None) if works else refuse)
    said: list[str] = []
    options = up.UpOptions("dev", runtime=asked)
    if expected is None:
        with pytest.raises(ClusterFailure, match="no root") as caught:
            up.runtime_of(options, None, said.append)
        assert "pilothouse up --runtime simulated" in caught.value.remedy
        return
    assert up.runtime_of(options, None, said.append) == expected
    assert any("no root" in line for line in said) is (asked == "auto" and not works)
