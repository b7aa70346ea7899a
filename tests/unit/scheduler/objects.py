"""Nodes and Pods for the scheduler's tests, in one line each."""

from __future__ import annotations

import itertools
from typing import Any

from pilothouse.api.types.core_v1 import (
    Container,
    ContainerPort,
    Node,
    NodeSpec,
    NodeStatus,
    Pod,
    PodSpec,
    ResourceRequirements,
    Taint,
)
from pilothouse.machinery.meta_v1 import ObjectMeta
from pilothouse.scheduler.facts import PodFacts, facts_of
from pilothouse.scheduler.snapshot import NodeColumns

_uids = itertools.count()


def node(name: str, *, cpu: str = "4", memory: str = "8Gi", pods: str = "110", taints: str = "", **more: Any) -> Node:
    """`taints` as kubectl writes them: `key=value:Effect`, with commas. Other arguments: labels, unschedulable, images, resources."""
    return Node(
        metadata=ObjectMeta(name=name, labels={"kubernetes.io/hostname": name, **more.get("labels", {})}),
        spec=NodeSpec(unschedulable=more.get("unschedulable", False), taints=[taint(one) for one in taints.split(",") if one]),
        status=NodeStatus(
            allocatable={"cpu": cpu, "memory": memory, "pods": pods, **more.get("resources", {})}, images=more.get("images", [])
        ),
    )


def taint(text: str) -> Taint:
    pair, effect = text.rsplit(":", 1)
    key, _, value = pair.partition("=")
    return Taint(key=key, value=value, effect=effect)


def host_port(port: int, address: str = "", protocol: str = "TCP") -> ContainerPort:
    return ContainerPort(containerPort=port, hostPort=port, hostIP=address, protocol=protocol)


def container(*, image: str = "app:1", ports: tuple[int | ContainerPort, ...] = (), restart: str = "", **requests: str) -> Container:
    named = {name.replace("_", "-").replace("example-", "example.com/"): value for name, value in requests.items()}
    return Container(
        name="app",
        image=image,
        restartPolicy=restart,
        ports=[host_port(port) if isinstance(port, int) else port for port in ports],
        resources=ResourceRequirements(requests=named),
    )


def pod(name: str = "web", *, namespace: str = "default", labels: dict[str, str] | None = None, **spec: Any) -> Pod:
    """`cpu`, `memory`: requests of the one container, unless `containers` says otherwise; the rest are fields of the spec."""
    requests = {key: spec.pop(key) for key in ("cpu", "memory") if key in spec}
    spec.setdefault("containers", [container(**requests)])
    meta = ObjectMeta(name=name, namespace=namespace, uid=f"uid-{next(_uids)}", labels=labels or {})
    return Pod(metadata=meta, spec=PodSpec(schedulerName="default-scheduler", **spec))


def facts(name: str = "web", **arguments: Any) -> PodFacts:
    return facts_of(pod(name, **arguments))


def columns(*nodes: Node) -> NodeColumns:
    made = NodeColumns(2)  # small, so that tests see it grow
    for one in nodes:
        made.set_node(one)
    return made
