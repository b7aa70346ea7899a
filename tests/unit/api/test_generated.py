"""The committed structs are what the tool makes of the definitions."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

TOOL = Path(__file__).resolve().parents[3] / "tools" / "generate_types.py"


def test_the_committed_structs_are_up_to_date(tmp_path: Path) -> None:
    result = subprocess.run([sys.executable, str(TOOL), "--check"], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert result.returncode == 0, result.stderr
