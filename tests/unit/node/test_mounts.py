from __future__ import annotations

import pytest

from pilothouse.node import mounts

TABLE = r"""22 27 0:21 / /proc rw,relatime - proc proc rw
42 27 254:0 /run/netns /run/netns rw,relatime shared:1 - ext4 /dev/vda rw,discard
43 42 0:4 net:[4026532] /run/netns/one rw shared:2 - nsfs nsfs rw
44 27 0:9 / /mnt/with\040blank rw master:3 - tmpfs tmpfs rw,size=4k
45 44 0:9 / /mnt/with\040blank/deeper rw - tmpfs tmpfs rw
"""


@pytest.fixture
def table() -> list[mounts.Mount]:
    return mounts.parse(TABLE)


def test_reads_the_kernels_table(table: list[mounts.Mount]) -> None:
    assert [(one.point, one.kind, one.propagation) for one in table] == [
        ("/proc", "proc", ""),
        ("/run/netns", "ext4", "shared:1"),
        ("/run/netns/one", "nsfs", "shared:2"),
        ("/mnt/with blank", "tmpfs", "master:3"),
        ("/mnt/with blank/deeper", "tmpfs", ""),
    ]


@pytest.mark.parametrize(
    ("root", "expected"),
    [
        pytest.param("/mnt", ["/mnt/with blank/deeper", "/mnt/with blank"], id="deepest first"),
        pytest.param("/run/netns/one", ["/run/netns/one"], id="the root itself"),
        pytest.param("/mnt/with", [], id="a name that only begins alike is another"),
    ],
)
def test_finds_what_is_mounted_below(table: list[mounts.Mount], root: str, expected: list[str]) -> None:
    assert mounts.below(root, table) == expected
