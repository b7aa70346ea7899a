"""Streams of exec and attach, and their query parameters in a kubelet's URL.

Upstream: `remotecommand.Options` of the kubelet (k8s.io/kubelet/pkg/cri/streaming/remotecommand).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RemoteCommandStreams:
    """The streams between a client and a command in a container."""

    stdin: bool
    stdout: bool
    stderr: bool
    tty: bool

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> RemoteCommandStreams:
        """The streams that a request to the kubelet asks for; a terminal has no stderr of its own."""
        tty = query.get("tty") == "1"
        return cls(query.get("input") == "1", query.get("output") == "1", query.get("error") == "1" and not tty, tty)

    def query(self) -> list[tuple[str, str]]:
        """The parameters of a request to the kubelet."""
        flags = (("input", self.stdin), ("output", self.stdout), ("error", self.stderr), ("tty", self.tty))
        return [(name, "1") for name, is_set in flags if is_set]

    def __bool__(self) -> bool:
        """Whether there is any stream."""
        return self.stdin or self.stdout or self.stderr
