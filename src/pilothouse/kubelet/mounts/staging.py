"""Staging: volumes that are mounted once for all Pods of the node (upstream's MountDevice, CSI's NodeStageVolume).

- Each is mounted at `plugins/PLUGIN/mounts/NAME`; `plugins/PLUGIN/users/NAME` has one empty file a pod that uses it, by its uid.
- A use is recorded before the volume is staged, so that whoever is killed in between leaves nothing that nobody knows of.
- What goes is decided by these files alone: so the next kubelet goes on where this one ended.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping

from pilothouse.kubelet.host.port import Host, unmount_if_mounted
from pilothouse.kubelet.mounts.port import Place, StagingError, VolumeError, VolumeKind, VolumeStaging, failure_text
from pilothouse.kubelet.paths import Paths


class StagedVolumes:
    """Volumes that are prepared once for the node and then used by several pods. Calls about one volume come after one another."""

    def __init__(self, host: Host, paths: Paths, kinds: Mapping[str, VolumeKind]) -> None:
        self._host = host
        self._paths = paths
        self._kinds = kinds
        self._locks: defaultdict[tuple[str, str], asyncio.Lock] = defaultdict(asyncio.Lock)

    async def stage(self, kind: VolumeKind, place: Place) -> None:
        """Stage the volume unless it is staged, and set `place.staged`; does nothing for kinds without staging."""
        if kind.staging is None or not (name := await kind.staging.name(place)):
            return
        path, users = self._paths.staged(kind.plugin, name), self._paths.staged_users(kind.plugin, name)
        async with self._locks[kind.plugin, name]:
            await self._host.make_directory(users, 0o750)
            await self._host.write_file(f"{users}/{place.pod.metadata.uid}", b"", 0o600)
            if not await self._host.is_mounted(path):
                await self._host.make_directory(path, 0o750)
                await self._make(kind.staging, place, path)
        place.staged = path

    async def _make(self, staging: VolumeStaging, place: Place, path: str) -> None:
        try:
            await staging.stage(place, path)
        except (OSError, VolumeError) as error:
            raise StagingError(failure_text("MountDevice", place, error)) from error

    async def release(self, uid: str) -> None:
        """Unstage the volumes that no other Pod uses. Raises OSError when that fails; may be called again."""
        for kind in self._kinds.values():
            if kind.staging is None:
                continue
            for name in await self._host.list_directory(self._paths.staged_users(kind.plugin)):
                async with self._locks[kind.plugin, name]:
                    await self._leave(kind, name, uid)

    async def _leave(self, kind: VolumeKind, name: str, uid: str) -> None:
        path, users = self._paths.staged(kind.plugin, name), self._paths.staged_users(kind.plugin, name)
        using = await self._host.list_directory(users)
        if uid not in using:
            return
        if using == [uid]:
            await unmount_if_mounted(self._host, path)
            await self._host.remove_tree(path)
            await self._host.remove_tree(users)
        else:
            await self._host.remove_tree(f"{users}/{uid}")
