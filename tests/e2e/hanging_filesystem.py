"""A FUSE filesystem that is mounted and then answers nothing, as one whose server is gone: `python hanging_filesystem.py DIRECTORY ASKED`.

Whoever looks at it waits until this process ends. The file ASKED is there as soon as somebody does.
"""

from __future__ import annotations

import os
import struct
import sys
from pathlib import Path

from pilothouse.node import linux

HEADER = struct.Struct("<IIQ")
"""Of a request: length, operation, number."""
INIT = 26
READY = struct.pack("<IIIIHHIIHHI7I", 7, 31, 65536, 0, 0, 0, 65536, 1, 0, 0, 0, *([0] * 7))
"""The answer to INIT, version 7.31."""


def main(directory: str, asked: str) -> None:
    """Mount it, agree on a version with the kernel, and say no more."""
    device = os.open("/dev/fuse", os.O_RDWR)
    linux.mount("hanging", directory, "fuse.hanging", 0, f"fd={device},rootmode=40000,user_id=0,group_id=0,allow_other")
    print("mounted", flush=True)
    while True:
        _, operation, number = HEADER.unpack_from(os.read(device, 1 << 20))
        if operation == INIT:
            os.write(device, struct.pack("<IiQ", 16 + len(READY), 0, number) + READY)
        else:
            Path(asked).touch()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
