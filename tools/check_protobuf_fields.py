"""Compare the table of protobuf field numbers with the descriptors that a real kubectl carries.

    python tools/check_protobuf_fields.py PATH_OF_KUBECTL     (1.33 or older: later ones carry no descriptors)

The table (apiserver/http/protobuf/fields.json) is facts: per type and number the JSON name, the kind, how often, and
whether a zero is more than absence. Exit 1 when a number of the table has another name in the descriptors.
"""

from __future__ import annotations

import json
import mmap
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

from google.protobuf import descriptor_pb2

TABLE = Path(__file__).resolve().parent.parent / "src/pilothouse/apiserver/http/protobuf/fields.json"
GZIP = b"\x1f\x8b\x08"
LONGEST_DESCRIPTOR = 2_000_000


def descriptors(binary: Path) -> Iterator[descriptor_pb2.FileDescriptorProto]:
    """The file descriptors of Kubernetes' API that a Go binary carries, each compressed on its own."""
    with binary.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        at = data.find(GZIP)
        while at >= 0:
            unpacker = zlib.decompressobj(31)
            found = descriptor_pb2.FileDescriptorProto()
            try:
                found.ParseFromString(unpacker.decompress(data[at : at + LONGEST_DESCRIPTOR]))
            except Exception:  # bytes that look like the beginning of a descriptor, and are none
                found.Clear()
            if found.name.startswith("k8s.io/"):
                yield found
            at = data.find(GZIP, at + 1)


def differences(binary: Path) -> Iterator[str]:
    table = json.loads(TABLE.read_text())
    compared = 0
    for file in descriptors(binary):
        group, version = file.package.split(".")[-2:]
        for message in file.message_type:
            known = table.get(f"{group}_{version}.{message.name}", {})
            for field in message.field:
                name = known.get(str(field.number), [""])[0]
                compared += bool(name)
                if name and name.lstrip("$").lower() != field.name.lstrip("_").lower():
                    yield f"{group}_{version}.{message.name} {field.number}: {name} here, {field.name} there"
    if not compared:
        yield f"{binary} carries no descriptors"
    print(f"{compared} numbers compared", file=sys.stderr)


def main() -> int:
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    found = list(differences(Path(sys.argv[1])))
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
