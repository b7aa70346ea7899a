"""Run every benchmark of this folder, one after the other, and print their figures; see docs/measuring.md.

    python tests/bench/run.py            all of them
    python tests/bench/run.py up idle    those whose file names contain one of the words

Exit 0 whatever the figures say: they are for reading. A benchmark that fails says so on a line of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
NO_BENCHMARKS = {"run.py", "figure.py", "processes.py", "__init__.py"}
LIMIT_SECONDS = 300


def main(words: list[str]) -> int:
    environment = {**os.environ, "PYTHONPATH": str(HERE.parents[1])}
    for path in sorted(HERE.glob("*.py")):
        if path.name in NO_BENCHMARKS or (words and not any(word in path.stem for word in words)):
            continue
        try:
            done = subprocess.run(
                [sys.executable, str(path)], env=environment, stdout=subprocess.PIPE, text=True, timeout=LIMIT_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            print(f"{path.stem} failed: not finished within {LIMIT_SECONDS} s", flush=True)
            continue
        print(done.stdout, end="", flush=True)
        if done.returncode != 0:
            print(f"{path.stem} failed with exit code {done.returncode}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
