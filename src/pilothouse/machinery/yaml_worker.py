"""A process that turns large YAML documents into JSON for another, which must not be held up by it.

On stdin: the length of a document (8 bytes, big endian), and the document. On stdout: two lengths of the same form, then the JSON of
{"error": text} or {"repeated": [lines]}, then the JSON of the document's value. One after the other, until stdin ends.

It is meant to be killed: it limits its own memory, and runs behind everything else on the machine.
"""

from __future__ import annotations

import contextlib
import os
import resource
import sys
from typing import Any, BinaryIO

from msgspec import json

from pilothouse.machinery import yaml

MEMORY_LIMIT_BYTES = 1 << 30
NICENESS = 10


def main(source: BinaryIO, sink: BinaryIO) -> None:
    """Answer documents from `source` on `sink`, one at a time, until `source` ends."""
    while len(head := source.read(8)) == 8:
        for part in answer(source.read(int.from_bytes(head, "big"))):
            sink.write(part)
        sink.flush()


def answer(document: bytes) -> tuple[bytes, bytes, bytes, bytes]:
    """The four parts of one answer: length of the note and of the document, the note, the document as JSON.

    Raises nothing: bad YAML becomes a note.
    """
    repeated: list[str] = []
    note: dict[str, Any] = {"repeated": repeated}
    value = b""
    try:
        value = json.encode(yaml.parse(document, repeated))
    except yaml.YamlError as error:
        note = {"error": str(error)}
    except (MemoryError, RecursionError):
        note = {"error": f"yaml: {yaml.TOO_MANY}"}
    told = json.encode(note)
    return len(told).to_bytes(8, "big"), len(value).to_bytes(8, "big"), told, value


if __name__ == "__main__":
    os.nice(NICENESS)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT_BYTES, MEMORY_LIMIT_BYTES))
    with contextlib.suppress(BrokenPipeError):  # who asked is gone
        main(sys.stdin.buffer, sys.stdout.buffer)
    os._exit(0)  # past the flush of a pipe that nobody reads
