"""Image manager: makes images present by pull policy, with upstream's reasons, messages and events.

- A pull that failed is not tried again before its back-off (10 s doubling to 300 s, per pod and image) is over.
- Pulls wait for one another unless the node is told otherwise; what is present never waits.
- Every failure is a LaunchError with the container's waiting reason.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pilothouse.api.types.core_v1 import Pod, Secret
from pilothouse.kit.clock import Clock
from pilothouse.kubelet.images.credentials import credentials_for
from pilothouse.kubelet.images.references import InvalidReference, with_default_tag
from pilothouse.kubelet.launch.environment import Objects
from pilothouse.kubelet.launch.errors import LaunchError
from pilothouse.kubelet.launch.fields import go_duration
from pilothouse.kubelet.pods.backoff import LONGEST_SECONDS, used, waits_until
from pilothouse.kubelet.pods.observed import BackOff
from pilothouse.kubelet.pods.steps import AnyContainer
from pilothouse.kubelet.runtime.images import Credentials, Image
from pilothouse.kubelet.runtime.port import Runtime, RuntimeFailure
from pilothouse.machinery.errors import StatusError

Tell = Callable[[str, str, str], None]
"""(type, reason, message) of an event about the container."""

SHOW_ERROR_SECONDS = 3.0
"""ErrImagePull is shown for this long before it becomes ImagePullBackOff."""
LOOKED_UP_SECONDS = 5.0
"""How long an image that was seen is taken to be there, unless this kubelet removes one meanwhile."""
BACK_OFFS_LIMIT = 4096


class PullFailure(LaunchError):
    """An image cannot be pulled; it is tried again at `retry_at`."""

    def __init__(self, reason: str, message: str, retry_at: float) -> None:
        super().__init__(reason, message)
        self.retry_at = retry_at


@dataclass(slots=True)
class FailedPull:
    """The last failed pull of an image, with its backoff."""

    back_off: BackOff
    error: str


class ImageManager:
    """Makes sure that a container's image is present, by its pull policy and with back-off."""

    def __init__(
        self,
        runtime: Runtime,
        objects: Objects,
        clock: Clock,
        *,
        serialize: bool = True,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._changed = changed
        self._runtime = runtime
        self._objects = objects
        self._clock = clock
        self._slots = asyncio.Semaphore(1 if serialize else 16)
        self._refused: dict[tuple[str, str], FailedPull] = {}
        self._looked_up: dict[str, tuple[Image, float]] = {}
        """What was seen lately, and when: Pods that start together look once for an image that they share."""
        self._looking = asyncio.Lock()

    async def look_up(self, pod: Pod) -> None:
        """Look up the Pod's images ahead of time; errors are left to `ensure`."""
        for container in (*pod.spec.initContainers, *pod.spec.containers):
            try:
                name = with_default_tag(container.image)
                async with self._looking:
                    if self._just_seen(name) is None:
                        self._seen(name, await self._runtime.image_status(name))
            except (InvalidReference, RuntimeFailure):
                continue

    def forget_looked_up(self) -> None:
        """Images have come or gone: look again."""
        self._looked_up.clear()

    def _seen(self, name: str, image: Image | None) -> None:
        if image is not None and len(self._looked_up) < BACK_OFFS_LIMIT:
            self._looked_up[name] = (image, self._clock.monotonic())

    async def ensure(self, pod: Pod, container: AnyContainer, tell: Tell) -> Image:
        """The image for the container, pulled if needed. Raises PullFailure or LaunchError."""
        name = self._named(container.image, tell)
        image = self._just_seen(name) or await self._present(name, tell)
        policy = container.imagePullPolicy or ("Always" if name.endswith(":latest") else "IfNotPresent")
        if image is not None and policy != "Always":
            tell("Normal", "Pulled", f'Container image "{container.image}" already present on machine')
            return image
        if policy == "Never":
            message = f'Container image "{container.image}" is not present with pull policy of Never'
            tell("Warning", "ErrImageNeverPull", message)
            raise LaunchError("ErrImageNeverPull", message)
        self._check_back_off(pod, container.image, tell)
        return await self._pull(pod, container.image, name, tell)

    def forget(self, uid: str) -> None:
        """Drop what is kept for a Pod that is gone."""
        for key in [key for key in self._refused if key[0] == uid]:
            del self._refused[key]

    def _named(self, image: str, tell: Tell) -> str:
        try:
            return with_default_tag(image)
        except InvalidReference as error:
            message = f'Failed to apply default image tag "{image}": couldn\'t parse image name "{image}": {error}'
            tell("Warning", "InspectFailed", message)
            raise LaunchError("InvalidImageName", message) from error

    def _just_seen(self, name: str) -> Image | None:
        image, at = self._looked_up.get(name, (None, 0.0))
        if image is not None and self._clock.monotonic() - at > LOOKED_UP_SECONDS:
            del self._looked_up[name]
            return None
        return image

    async def _present(self, name: str, tell: Tell) -> Image | None:
        try:
            return await self._runtime.image_status(name)
        except RuntimeFailure as error:
            message = f'Failed to inspect image "{name}": {error}'
            tell("Warning", "InspectFailed", message)
            raise LaunchError("ImageInspectError", message) from error

    def _check_back_off(self, pod: Pod, image: str, tell: Tell) -> None:
        refused = self._refused.get((pod.metadata.uid, image))
        if refused is None:
            return
        until = waits_until(refused.back_off, refused.back_off.used_at, self._now())
        if until is not None:
            tell("Normal", "BackOff", f'Back-off pulling image "{image}"')
            message = f'Back-off pulling image "{image}": ErrImagePull: {refused.error}'
            raise PullFailure("ImagePullBackOff", message, until)

    async def _pull(self, pod: Pod, image: str, name: str, tell: Tell) -> Image:
        tell("Normal", "Pulling", f'Pulling image "{image}"')
        asked = self._clock.monotonic()
        async with self._slots:
            began = self._clock.monotonic()
            try:
                reference = await self._pull_with_credentials(pod, name, tell)
                pulled = await self._runtime.image_status(name) or Image(reference)
            except RuntimeFailure as error:
                # Upstream takes the code off only where it says nothing.
                said = str(error) if error.code == "UNKNOWN" else error.status_text
                raise self._failed(pod, image, said, tell) from error
        self._refused.pop((pod.metadata.uid, image), None)
        self._changed()
        ended = self._clock.monotonic()
        took, whole = go_duration(ended - began), go_duration(ended - asked)
        size = f" Image size: {pulled.size} bytes." if pulled.size else ""
        tell("Normal", "Pulled", f'Successfully pulled image "{image}" in {took} ({whole} including waiting).{size}')
        return pulled

    async def _pull_with_credentials(self, pod: Pod, name: str, tell: Tell) -> str:
        """With each set of credentials that is for the image; without any when none is."""
        secrets = await self._secrets(pod, tell)
        tries: list[Credentials | None] = [*credentials_for(name, secrets)] or [None]
        failure: RuntimeFailure | None = None
        for credentials in tries:
            try:
                return await self._runtime.pull_image(name, credentials)
            except RuntimeFailure as error:
                failure = error
        assert failure is not None
        raise failure

    async def _secrets(self, pod: Pod, tell: Tell) -> Sequence[Secret]:
        """Those that are there: a missing pull secret is no failure by itself, but it is told."""
        secrets, missing = [], []
        for reference in pod.spec.imagePullSecrets:
            try:
                secrets.append(await self._objects.get(Secret, pod.metadata.namespace, reference.name))
            except (StatusError, ConnectionError, TimeoutError):
                missing.append(reference.name)
        if missing:
            text = f"Unable to retrieve some image pull secrets ({', '.join(missing)}); attempting to pull the image may not succeed."
            tell("Warning", "FailedToRetrieveImagePullSecret", text)
        return secrets

    def _failed(self, pod: Pod, image: str, error: str, tell: Tell) -> PullFailure:
        tell("Warning", "Failed", f'Failed to pull image "{image}": {error}')
        key, now = (pod.metadata.uid, image), self._now()
        old = self._refused.get(key)
        back_off = used(old.back_off if old else None, now, now)
        if len(self._refused) >= BACK_OFFS_LIMIT:
            self._refused.pop(next(iter(self._refused)))
        self._refused[key] = FailedPull(back_off, error)
        return PullFailure("ErrImagePull", error, now + min(SHOW_ERROR_SECONDS, back_off.seconds, LONGEST_SECONDS))

    def _now(self) -> float:
        return self._clock.now().timestamp()
