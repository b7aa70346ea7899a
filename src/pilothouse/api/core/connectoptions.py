"""Options of connections to Pods, Services and Nodes, as admission sees them (operation CONNECT). Never stored.

Upstream: PodExecOptions and its neighbours in k8s.io/api/core/v1, read from the query of the request.
"""

from __future__ import annotations

from typing import ClassVar

from msgspec import field

from pilothouse.machinery.resource import Resource
from pilothouse.machinery.struct import Object, constant


class PodAttachOptions(Object):
    """Streams of an attach."""

    GVK: ClassVar[tuple[str, str, str]] = ("", "v1", "PodAttachOptions")
    kind: str = field(default_factory=constant("PodAttachOptions"))
    apiVersion: str = field(default_factory=constant("v1"))
    stdin: bool = False
    stdout: bool = False
    stderr: bool = False
    tty: bool = False
    container: str = ""


class PodExecOptions(Object):
    """Command and streams of an exec."""

    GVK: ClassVar[tuple[str, str, str]] = ("", "v1", "PodExecOptions")
    kind: str = field(default_factory=constant("PodExecOptions"))
    apiVersion: str = field(default_factory=constant("v1"))
    stdin: bool = False
    stdout: bool = False
    stderr: bool = False
    tty: bool = False
    container: str = ""
    command: list[str] | None = None


class PodPortForwardOptions(Object):
    """Ports of a port-forward, if the client names them at the start (over WebSocket)."""

    GVK: ClassVar[tuple[str, str, str]] = ("", "v1", "PodPortForwardOptions")
    kind: str = field(default_factory=constant("PodPortForwardOptions"))
    apiVersion: str = field(default_factory=constant("v1"))
    ports: list[int] = field(default_factory=list)


class PodProxyOptions(Object):
    """The path behind the proxy of a pod."""

    GVK: ClassVar[tuple[str, str, str]] = ("", "v1", "PodProxyOptions")
    kind: str = field(default_factory=constant("PodProxyOptions"))
    apiVersion: str = field(default_factory=constant("v1"))
    path: str = ""


class ServiceProxyOptions(Object):
    """The path behind the proxy of a service."""

    GVK: ClassVar[tuple[str, str, str]] = ("", "v1", "ServiceProxyOptions")
    kind: str = field(default_factory=constant("ServiceProxyOptions"))
    apiVersion: str = field(default_factory=constant("v1"))
    path: str = ""


class NodeProxyOptions(Object):
    """The path behind the proxy of a node."""

    GVK: ClassVar[tuple[str, str, str]] = ("", "v1", "NodeProxyOptions")
    kind: str = field(default_factory=constant("NodeProxyOptions"))
    apiVersion: str = field(default_factory=constant("v1"))
    path: str = ""


ConnectOptions = PodAttachOptions | PodExecOptions | PodPortForwardOptions | PodProxyOptions | ServiceProxyOptions | NodeProxyOptions
EXCHANGED: dict[type[ConnectOptions], Resource[ConnectOptions]] = {
    kind: Resource(kind, plural=f"{kind.__name__.lower()}", verbs=())
    for kind in (PodAttachOptions, PodExecOptions, PodPortForwardOptions, PodProxyOptions, ServiceProxyOptions, NodeProxyOptions)
}
"""The kinds as admission has them."""
