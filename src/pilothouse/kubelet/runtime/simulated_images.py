"""Simulated image service: images in memory, pulled in virtual time; pulls fail where a test says so."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from pilothouse.kit.clock import Clock
from pilothouse.kubelet.runtime.images import Credentials, FilesystemUsage, Image
from pilothouse.kubelet.runtime.port import RuntimeFailure


class SimulatedImages:
    """CRI's ImageService in virtual time. A pull takes `pull_seconds`."""

    def __init__(self, clock: Clock, pull_seconds: float) -> None:
        self._clock = clock
        self.pull_seconds = pull_seconds
        self.images: dict[str, Image] = {}
        self._failing_images: dict[str, str] = {}

    def images_fail(self, *images: str, message: str = "") -> None:
        """Make pulls of these images fail from now on."""
        for image in images:
            name = full_reference(image)
            self._failing_images[name] = message or f'failed to pull and unpack image "{name}": {name}: not found'
            self.images.pop(name, None)

    def images_work(self, *images: str) -> None:
        """Let pulls of these images succeed again."""
        for image in images:
            self._failing_images.pop(full_reference(image), None)

    def has_image(self, image: str, size: int = 10_000_000) -> Image:
        """Make the image present without a pull."""
        name = full_reference(image)
        made = Image(f"sha256:{_digest(name)}", (name,), (f"{name.rpartition(':')[0]}@sha256:{_digest(name)}",), size)
        self.images[name] = made
        return made

    async def list_images(self) -> Sequence[Image]:
        """All images, each once."""
        return list(dict.fromkeys(self.images.values()))

    async def image_status(self, image: str) -> Image | None:
        """The image of this name, id or digest, or None."""
        known = self.images.get(full_reference(image))
        if known is not None:
            return known
        return next((known for known in self.images.values() if image in {known.id, *known.digests, *known.tags}), None)

    async def pull_image(self, image: str, credentials: Credentials | None = None) -> str:
        """Add the image after `pull_seconds` and give its id. Raises RuntimeFailure for images that are to fail."""
        if full_reference(image) not in self.images:  # a pull of what is here only asks for the manifest
            await self._clock.sleep(self.pull_seconds)
        error = self._failing_images.get(full_reference(image))
        if error is not None:
            raise RuntimeFailure(error, "NOT_FOUND")
        return self.has_image(image).id

    async def remove_image(self, image: str) -> None:
        """Remove an image under all its names."""
        removed = await self.image_status(image)
        if removed is not None:
            self.images = {name: image for name, image in self.images.items() if image.id != removed.id}

    async def image_filesystem(self) -> Sequence[FilesystemUsage]:
        """Bytes of all images."""
        return [FilesystemUsage("/var/lib/containerd", sum(image.size for image in self.images.values()))]


def full_reference(image: str) -> str:
    """The complete reference of an image name: `docker.io/library/busybox:latest`."""
    if image.startswith("sha256:"):
        return image
    first, slash, _ = image.partition("/")
    if not slash:
        image = f"docker.io/library/{image}"
    elif "." not in first and ":" not in first and first != "localhost":
        image = f"docker.io/{image}"
    return image if ":" in image.rpartition("/")[2] or "@" in image else f"{image}:latest"


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()
