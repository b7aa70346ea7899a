"""Static Pods: runs manifests of a directory, and maintains their mirror Pods.

- A file is a pod; what changes in it ends that pod and begins another. Files that begin with a dot are not looked at.
- A static pod's uid is the hash of its manifest, its name ends in the node's; it runs whether the API answers or not.
- Manifests are read by staticmanifest.py; one that is wrong is told in the log, and harms no other.
- A mirror only shows: it is made again when somebody deletes it, and deleted when the manifest is gone.
- The folder is looked at every second: no more than a few small files are read.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

from pilothouse.api import wellknown
from pilothouse.api.types.core_v1 import Node, Pod
from pilothouse.client.call import Options
from pilothouse.client.client import Client
from pilothouse.kit.clock import Clock, wait_for
from pilothouse.kubelet.host.port import Host
from pilothouse.kubelet.pods.publisher import StatusPublisher
from pilothouse.kubelet.staticmanifest import HASH, mirror_of, read_pod
from pilothouse.machinery import time as times
from pilothouse.machinery.errors import StatusError

log = logging.getLogger(__name__)
CHECK_SECONDS = 20.0
LOOK_SECONDS = 1.0
"""How soon a change of the folder is seen."""
FILES_LIMIT = 110


class StaticPods:
    """Runs the Pods of the manifests in a directory, and maintains their mirror Pods.

    `update` and `remove` are the workers'; `node` and `mirrors` are what the API has of this node.
    """

    def __init__(
        self,
        client: Client,
        node_name: str,
        folder: str,
        host: Host,
        clock: Clock,
        publisher: StatusPublisher,
        update: Callable[[Pod], None],
        remove: Callable[[Pod], None],
        node: Callable[[], Node | None],
        mirrors: Callable[[], list[Pod]],
    ) -> None:
        self._client = client
        self._node_name = node_name
        self._folder = folder
        self._host = host
        self._clock = clock
        self._publisher = publisher
        self._update = update
        self._remove = remove
        self._node = node
        self._mirrors = mirrors
        self.pods: dict[str, Pod] = {}
        """By uid."""
        self._manifests: dict[str, bytes] = {}
        """As they were read last, by name."""
        self._wake = asyncio.Event()

    async def run(self) -> None:
        """Read the folder when it changes, run its pods and keep their mirrors, until cancelled."""
        while self._folder:
            old, new = await self.read()
            for pod in old:
                self._remove(pod)
            for pod in new:
                self._update(pod)
            for pod in [*self.pods.values()]:
                await self._attempt(self._show, pod)
            for mirror in self._mirrors():
                await self._attempt(self._forget, mirror)
            await self._until_something_changes()

    def mirror_changed(self) -> None:
        """A mirror Pod may have been deleted."""
        self._wake.set()

    async def _until_something_changes(self) -> None:
        """Or until the time has come to look whether all mirrors are there."""
        self._wake.clear()
        until = self._clock.monotonic() + CHECK_SECONDS
        while self._clock.monotonic() < until and await self._found() == self._manifests:
            try:
                await wait_for(self._clock, self._wake.wait(), LOOK_SECONDS)
            except TimeoutError:
                continue
            return

    async def _found(self) -> dict[str, bytes]:
        """The files of the folder; one that goes while they are read is none."""
        files = {}
        for name in [file_name for file_name in await self._host.list_directory(self._folder) if not file_name.startswith(".")][
            :FILES_LIMIT
        ]:
            path = f"{self._folder}/{name}"
            if await self._host.kind(path) == "file":
                with suppress(OSError):
                    files[name] = await self._host.read_file(path)
        return files

    async def read(self) -> tuple[list[Pod], list[Pod]]:
        """Read the directory. Returns (removed Pods, new Pods)."""
        by_uid: dict[str, Pod] = {}
        self._manifests = await self._found()
        for name, text in self._manifests.items():
            try:
                pod = read_pod(text, self._node_name, times.now_text(self._clock))
            except StatusError as error:
                log.warning("a static pod cannot be read", extra={"file": name, "error": str(error)})
                continue
            by_uid[pod.metadata.uid] = self.pods.get(pod.metadata.uid) or self._as_shown(pod)
        old = [pod for uid, pod in self.pods.items() if uid not in by_uid]
        new = [pod for uid, pod in by_uid.items() if uid not in self.pods]
        self.pods = by_uid
        return old, new

    def _as_shown(self, pod: Pod) -> Pod:
        """With what a kubelet before this one told of it: the next word is about what has changed since."""
        shown = pod.metadata.annotations[HASH]
        pod.status = next(
            (mirror.status for mirror in self._mirrors() if mirror.metadata.annotations.get(wellknown.CONFIG_MIRROR) == shown), pod.status
        )
        return pod

    async def _forget(self, pod: Pod) -> None:
        """Take away a mirror that shows nothing any more."""
        if pod.metadata.annotations.get(wellknown.CONFIG_MIRROR) not in {
            static_pod.metadata.annotations[HASH] for static_pod in self.pods.values()
        }:
            await self._delete(pod)

    async def _attempt(self, work: Callable[[Pod], Awaitable[None]], pod: Pod) -> None:
        try:
            await work(pod)
        except (ConnectionError, StatusError) as error:
            log.warning("a static pod is not shown", extra={"pod": pod.metadata.name, "error": str(error)})

    async def _show(self, pod: Pod) -> None:
        """Make the mirror, again if it is another pod's or is being deleted."""
        node = self._node()
        if node is None:
            return
        mirror = self._mirror(pod)
        if mirror is not None:
            if (
                mirror.metadata.annotations.get(wellknown.CONFIG_MIRROR) == pod.metadata.annotations[HASH]
                and not mirror.metadata.deletionTimestamp
            ):
                return
            await self._delete(mirror)
        try:
            await self._client.create(mirror_of(pod, node))
        except StatusError as error:
            if error.reason != "AlreadyExists":
                raise
            log.warning("a pod of the API has the name of a static pod", extra={"pod": pod.metadata.name})
            return
        self._publisher.mirror_created(pod)

    def _mirror(self, pod: Pod) -> Pod | None:
        """The mirror as it was last heard of: a node may not ask for Pods that are not there."""
        wanted = (pod.metadata.namespace, pod.metadata.name)
        return next((mirror for mirror in self._mirrors() if (mirror.metadata.namespace, mirror.metadata.name) == wanted), None)

    async def _delete(self, mirror: Pod) -> None:
        options = Options(grace_period_seconds=0, precondition_uid=mirror.metadata.uid)
        try:
            await self._client.delete(Pod, mirror.metadata.name, mirror.metadata.namespace, options=options)
        except StatusError as error:
            if error.code not in {404, 409}:
                raise
