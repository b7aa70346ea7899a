"""The steps of scenarios that no scenario of this project needs to show."""

from __future__ import annotations

from pathlib import Path

import pytest

from pilothouse.testing.scenario import play

POD = """
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers: [{name: app, image: "web:1"}]
"""
STEPS = """
# A container that crashes, and an image that is there again.
apply pod.yaml
containers web:1 stop 2s prints it began
images fail web:1
advance 30s
get pods
images work web:1
advance 1m
logs web app
exit web app 3
advance 5s
get pods
"""


SHOWN = """
NAME   READY   STATUS             RESTARTS   AGE
web    0/1     ImagePullBackOff   0          30s

it began

NAME   READY   STATUS    RESTARTS     AGE
web    1/1     Running   1 (5s ago)   95s
"""


def test_what_goes_wrong_and_is_mended(tmp_path: Path) -> None:
    (tmp_path / "pod.yaml").write_text(POD)
    (tmp_path / "steps.txt").write_text(STEPS)
    assert play(tmp_path / "steps.txt") == SHOWN.removeprefix("\n")


def test_a_step_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "steps.txt").write_text("frobnicate web\n")
    with pytest.raises(ValueError, match="no step 'frobnicate': frobnicate web"):
        play(tmp_path / "steps.txt")
