"""What the end-to-end tests drive: the real kubectl, and a real cluster of their own."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
PATIENCE_SECONDS = 180


def kubectls() -> dict[str, Path]:
    """Every kubectl of this machine by its minor version ("1.27"), the one on PATH as "path"; those beside it count too."""
    on_path = shutil.which("kubectl")
    assert on_path, "no kubectl on PATH: `make test` installs one (tools/bootstrap.py)"
    beside = Path(os.path.realpath(on_path)).parent.glob("kubectl.1.*")
    found = {match[1]: path for path in beside if (match := re.fullmatch(r"kubectl\.(1\.\d+)", path.name))}
    return {"path": Path(on_path), **found}


def oldest_and_newest() -> dict[str, Path]:
    """The two ends of `kubectls()`; the one on PATH alone where no others lie beside it."""
    found = kubectls()
    versions = sorted((name for name in found if name != "path"), key=lambda one: int(one.partition(".")[2]))
    return {name: found[name] for name in (versions[0], versions[-1])} if versions else found


@cache
def minor(binary: Path) -> int:
    """Its minor version: Debian 12's own is 20, which knows less than the newer ones."""
    shown = subprocess.run([binary, "version", "--client", "-o", "json"], capture_output=True, text=True, check=True).stdout
    match = re.match(r"\d+", json.loads(shown)["clientVersion"]["minor"])
    assert match, shown
    return int(match[0])


NOT_KNOWN = ("unknown command", "unknown flag", "unrecognized condition", "flags cannot be placed before plugin name")
"""What a kubectl says of a command or flag that is younger than itself."""


@dataclass
class Kubectl:
    """One kubectl, speaking to one cluster."""

    binary: Path
    kubeconfig: Path
    namespace: str = ""

    def command(self, *arguments: str) -> list[str]:
        scope = ["-n", self.namespace] if self.namespace else []
        return [str(self.binary), "--kubeconfig", str(self.kubeconfig), *scope, *arguments]

    @property
    def minor(self) -> int:
        return minor(self.binary)

    def run(self, *arguments: str, stdin: str | None = None, timeout: float = PATIENCE_SECONDS + 60) -> subprocess.CompletedProcess[str]:
        """Run to the end, whatever comes of it."""
        return subprocess.run(self.command(*arguments), input=stdin, capture_output=True, text=True, timeout=timeout, check=False)

    def __call__(self, *arguments: str, stdin: str | None = None, timeout: float = PATIENCE_SECONDS + 60) -> str:
        """What it prints; AssertionError when it fails."""
        done = self.run(*arguments, stdin=stdin, timeout=timeout)
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def fails(self, *arguments: str, stdin: str | None = None) -> str:
        """What it says when it fails; AssertionError when it does not."""
        done = self.run(*arguments, stdin=stdin)
        assert done.returncode != 0, f"kubectl {' '.join(arguments)} was to fail\n{done.stdout}"
        return done.stderr

    def apply(self, manifest: str | dict[str, Any]) -> str:
        return self("apply", "-f", "-", stdin=manifest if isinstance(manifest, str) else json.dumps(manifest))

    def get(self, *arguments: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self("get", *arguments, "-o", "json"))
        return found


def until(what: str, condition: Callable[[], Any], seconds: float = PATIENCE_SECONDS) -> Any:
    """The first true value of `condition`; AssertionError naming `what` when there is none in time."""
    deadline, last = time.monotonic() + seconds, None
    while time.monotonic() < deadline:
        last = condition()
        if last:
            return last
        time.sleep(0.1)
    raise AssertionError(f"not within {seconds} s: {what}; last seen: {last!r}")


def pilothouse(*arguments: str, environment: dict[str, str] | None = None, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    """Run the command line of this checkout."""
    return subprocess.run(
        [sys.executable, "-m", "pilothouse", *arguments],
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
