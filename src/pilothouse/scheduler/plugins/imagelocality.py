"""ImageLocality: prefer nodes that have the Pod's images already; an image that few nodes have attracts less."""

from __future__ import annotations

import numpy as np

from pilothouse.scheduler.facts import PodFacts
from pilothouse.scheduler.framework.interfaces import Scores, Wake
from pilothouse.scheduler.snapshot import Mask, NodeColumns

MEGABYTE = 1024 * 1024
LEAST = 23 * MEGABYTE
MOST_PER_CONTAINER = 1000 * MEGABYTE


def full_name(image: str) -> str:
    """An image name with its tag: `busybox` is `busybox:latest`."""
    return image if image.rfind(":") > image.rfind("/") else image + ":latest"


class ImageLocality:
    """Scores nodes by the size of the Pod's images that they have."""

    name = "ImageLocality"
    woken_by: tuple[Wake, ...] = ()

    def pre_score(self, pod: PodFacts, nodes: NodeColumns, feasible: Mask) -> bool:
        """Whether any node has one of the Pod's images."""
        return any(full_name(image) in nodes.images for image in pod.images)

    def score(self, pod: PodFacts, nodes: NodeColumns) -> Scores:
        """Sum of the sizes of present images, each scaled by the share of nodes that have it, on a scale of 0 to 100."""
        sizes = np.zeros(len(nodes.names), np.int64)
        for image in pod.images:
            holders = nodes.images.get(full_name(image), {})
            spread = len(holders) / nodes.total
            for name in nodes.rows.keys() & holders.keys():  # a window knows one node only
                sizes[nodes.rows[name]] += int(holders[name] * spread)
        most = MOST_PER_CONTAINER * len(pod.images)
        return 100 * (np.clip(sizes, LEAST, most) - LEAST) // (most - LEAST)

    def normalize(self, scores: Scores) -> Scores:
        """The scores as they are: they are between 0 and 100 already."""
        return scores
