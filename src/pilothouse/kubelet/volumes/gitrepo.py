"""gitRepo: disabled by default in upstream's kubelet; fails with its message."""

from __future__ import annotations

from pilothouse.kubelet.mounts.port import Place, VolumeError, VolumeKind

DISABLED = "git-repo volume plugin has been disabled; if necessary, it may be re-enabled by enabling the feature-gate `GitRepoVolumeDriver`"


async def publish(place: Place) -> None:
    """Always raises VolumeError: the kind is disabled."""
    raise VolumeError(DISABLED)


GIT_REPO = VolumeKind("gitRepo", "kubernetes.io/git-repo", publish)
