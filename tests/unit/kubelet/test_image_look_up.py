"""Images are looked for once by Pods that start together, and anew when images may have gone."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from pilothouse.api.types.core_v1 import Container, Pod, PodSpec
from pilothouse.kit.virtual_clock import VirtualClock
from pilothouse.kubelet.images.manager import LOOKED_UP_SECONDS, ImageManager
from pilothouse.kubelet.runtime.images import Image


class Counting:
    """A runtime that has every image and counts how often it is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def image_status(self, name: str) -> Image:
        self.asked.append(name)
        await asyncio.sleep(0)
        return Image(f"id of {name}")


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def runtime() -> Counting:
    return Counting()


@pytest.fixture
def images(runtime: Counting, clock: VirtualClock) -> ImageManager:
    return ImageManager(cast(Any, runtime), cast(Any, None), clock)


def pod(*images: str) -> Pod:
    return Pod(spec=PodSpec(containers=[Container(name=f"c{index}", image=image) for index, image in enumerate(images)]))


async def start(images: ImageManager, made: Pod) -> list[str]:
    await images.look_up(made)
    return [(await images.ensure(made, container, lambda *_: None)).id for container in made.spec.containers]


async def test_pods_that_start_together_look_once_for_an_image_that_they_share(images: ImageManager, runtime: Counting) -> None:
    found = await asyncio.gather(*(start(images, pod("web:1", "log:2")) for _ in range(50)))
    assert found == [["id of web:1", "id of log:2"]] * 50
    assert runtime.asked == ["web:1", "log:2"]


async def test_what_was_seen_long_ago_is_looked_for_again(images: ImageManager, runtime: Counting, clock: VirtualClock) -> None:
    await start(images, pod("web:1"))
    await clock.advance(LOOKED_UP_SECONDS + 1)
    await start(images, pod("web:1"))
    assert runtime.asked == ["web:1", "web:1"]


async def test_when_images_were_removed_they_are_looked_for_again(images: ImageManager, runtime: Counting) -> None:
    await start(images, pod("web:1"))
    images.forget_looked_up()
    await start(images, pod("web:1"))
    assert runtime.asked == ["web:1", "web:1"]
