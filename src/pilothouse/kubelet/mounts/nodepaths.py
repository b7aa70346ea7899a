"""Paths of the node for hostPath volumes: checked against, or created as, their type."""

from __future__ import annotations

from pilothouse.api.types.core_v1 import HostPathVolumeSource
from pilothouse.kubelet.host.port import Host
from pilothouse.kubelet.mounts.port import VolumeError

EXPECTED = {
    "Directory": ("directory", "hostPath type check failed: {} is not a directory"),
    "File": ("file", "hostPath type check failed: {} is not a file"),
    "Socket": ("socket", "hostPath type check failed: {} is not a socket file"),
    "CharDevice": ("char", "hostPath type check failed: {} is not a character device"),
    "BlockDevice": ("block", "hostPath type check failed: {} is not a block device"),
}


async def path_of_the_node(host: Host, source: HostPathVolumeSource) -> str:
    """Check or create the path. Returns it."""
    wanted, path = source.type, source.path
    there = await host.kind(path)
    if wanted == "DirectoryOrCreate":
        if not there:
            await host.make_directory(path, 0o755)
        wanted = "Directory"
    elif wanted == "FileOrCreate":
        if not there:
            await host.write_file(path, b"", 0o644)
        wanted = "File"
    elif not wanted and not there:
        await host.make_directory(path, 0o755)  # as container runtimes do for a bind mount whose source is missing
    if wanted in EXPECTED:
        kind, message = EXPECTED[wanted]
        if await host.kind(path) != kind:
            raise VolumeError(message.format(path))
    return path
