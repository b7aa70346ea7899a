"""hostPath: a path of the node itself, checked to be what `type` says or made so."""

from __future__ import annotations

from pilothouse.kubelet.mounts.port import Place, VolumeError, VolumeKind

EXPECTED = {
    "Directory": ("directory", "hostPath type check failed: {} is not a directory"),
    "File": ("file", "hostPath type check failed: {} is not a file"),
    "Socket": ("socket", "hostPath type check failed: {} is not a socket file"),
    "CharDevice": ("char", "hostPath type check failed: {} is not a character device"),
    "BlockDevice": ("block", "hostPath type check failed: {} is not a block device"),
}


async def set_up(place: Place) -> str:
    """The path itself."""
    source = place.volume.hostPath
    assert source is not None
    wanted, path = source.type, source.path
    there = place.host.kind(path)
    if wanted == "DirectoryOrCreate":
        if not there:
            place.host.make_directory(path, 0o755)
        wanted = "Directory"
    elif wanted == "FileOrCreate":
        if not there:
            place.host.write_file(path, b"", 0o644)
        wanted = "File"
    elif not wanted and not there:
        place.host.make_directory(path, 0o755)  # as container runtimes do for a bind mount whose source is missing
    if wanted in EXPECTED:
        kind, message = EXPECTED[wanted]
        if place.host.kind(path) != kind:
            raise VolumeError(message.format(path))
    return path


HOST_PATH = VolumeKind("hostPath", "kubernetes.io/host-path", set_up, owned=False)
