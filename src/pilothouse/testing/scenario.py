"""Scenarios: text in, text out, in virtual time; who knows kubectl can judge them, and `--rewrite-scenarios` writes them anew.

    # What this shows.
    nodes 2
    apply web.yaml
    advance 30s
    get deployments,pods
    ----
    NAME                  READY   UP-TO-DATE   AVAILABLE   AGE
    ...

A scenario is steps, a line of dashes, and what its `get`s print, one after another with an empty line between. Steps:

    nodes N                            before any other: how many simulated nodes there are (default 1)
    apply FILE                         beside the scenario
    advance DURATION                   as testing/durations.py reads it
    images fail IMAGE...               from now on they cannot be pulled
    scale KIND/NAME N
    set image KIND/NAME CONTAINER=IMAGE
    delete KIND/NAME
    stop NODE, start NODE              the node's kubelet falls silent, comes back
    get KINDS [-o wide]                in the default namespace, by any of their names, separated by commas
    events KINDS                       what was told of such objects: reasons and messages, in their order
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pilothouse.api import catalogue
from pilothouse.api.types.core_v1 import Event
from pilothouse.client.call import STRATEGIC_MERGE_PATCH
from pilothouse.machinery.resource import Resource
from pilothouse.machinery.table import table
from pilothouse.testing.cluster import Cluster

SEPARATOR = "----"
GAP = 3
NAMESPACE = "default"


def split(text: str) -> tuple[str, str]:
    """Steps and expected output of a scenario's text."""
    steps, _, expected = text.partition(f"\n{SEPARATOR}\n")
    return steps, expected


def play(path: Path) -> str:
    """Run the scenario; what it prints."""
    lines = [line.strip() for line in split(path.read_text())[0].splitlines()]
    steps = [line.split() for line in lines if line and not line.startswith("#")]
    nodes = 1
    if steps and steps[0][0] == "nodes":
        nodes = int(steps.pop(0)[1])
    with Cluster(nodes=nodes) as cluster:
        player = Player(cluster, path.parent)
        for words in steps:
            player.step(words)
    return "\n".join(player.shown)


@dataclass
class Player:
    """Carries out steps on a cluster, and collects what they print."""

    cluster: Cluster
    folder: Path
    shown: list[str] = field(default_factory=list)

    def step(self, words: list[str]) -> None:
        steps: dict[str, Callable[..., object]] = {
            "apply": lambda name: self.cluster.apply((self.folder / name).read_text()),
            "advance": self.cluster.advance,
            "images": lambda _, *images: self.cluster.images_fail(*images),
            "scale": lambda target, replicas: self._patch(target, {"spec": {"replicas": int(replicas)}}),
            "set": self._set_image,
            "delete": self._delete,
            "stop": self.cluster.stop_node,
            "start": self.cluster.start_node,
            "get": self._get,
            "events": self._events,
        }
        if words[0] not in steps:
            raise ValueError(f"no step {words[0]!r}: {' '.join(words)}")
        steps[words[0]](*words[1:])

    def _set_image(self, _: str, target: str, assignment: str) -> None:
        container, _, image = assignment.partition("=")
        containers = [{"name": container, "image": image}]
        self._patch(target, {"spec": {"template": {"spec": {"containers": containers}}}})

    def _patch(self, target: str, patch: dict[str, Any]) -> None:
        kind, _, name = target.partition("/")
        client, body = self.cluster.client, json.dumps(patch).encode()
        self.cluster.run(client.patch(named(kind).type, name, NAMESPACE, body, patch_type=STRATEGIC_MERGE_PATCH))

    def _delete(self, target: str) -> None:
        kind, _, name = target.partition("/")
        self.cluster.delete(named(kind).type, name, NAMESPACE if named(kind).namespaced else "")

    def _get(self, kinds: str, *options: str) -> None:
        resources = [named(one) for one in kinds.split(",")]
        tables = [self._table(one, wide="wide" in options, prefixed=len(resources) > 1) for one in resources]
        self.shown.append("\n".join(one for one in tables if one))

    def _table(self, resource: Resource[Any], *, wide: bool, prefixed: bool) -> str:
        found = sorted(self.cluster.list(resource.type, NAMESPACE if resource.namespaced else ""), key=lambda one: one.metadata.name)
        made = table(resource, found, self.cluster.clock.now(), "None")
        columns = [index for index, one in enumerate(made["columnDefinitions"]) if wide or not one["priority"]]
        prefix = f"{resource.singular}.{resource.group}/".replace("./", "/") if prefixed else ""
        heads = [made["columnDefinitions"][index]["name"].upper() for index in columns]
        rows = [[str(one["cells"][index]) for index in columns] for one in made["rows"]]
        for row in rows:
            row[0] = prefix + row[0]
        return aligned([heads, *rows]) if rows else ""

    def _events(self, kinds: str) -> None:
        wanted = {named(one).kind for one in kinds.split(",")}
        told = [one for one in self.cluster.list(Event, NAMESPACE) if one.involvedObject.kind in wanted]
        found = sorted(told, key=lambda one: int(one.metadata.resourceVersion))
        heads = ["TYPE", "REASON", "OBJECT", "MESSAGE"]
        rows = [[one.type, one.reason, f"{one.involvedObject.kind.lower()}/{one.involvedObject.name}", one.message] for one in found]
        self.shown.append(aligned([heads, *rows]))


def named(name: str) -> Resource[Any]:
    """A resource by any name that kubectl knows it by."""
    for one in catalogue.resources():
        if name.lower() in (one.plural, one.singular, *one.short_names):
            return one
    raise ValueError(f"no kind {name!r}")


def aligned(rows: list[list[str]]) -> str:
    widths = [max(map(len, column)) + GAP for column in zip(*rows, strict=True)]
    return "".join("".join(map(str.ljust, row, widths)).rstrip() + "\n" for row in rows)


def scenarios(folder: Path) -> Iterable[Path]:
    """The scenario files of a folder."""
    return sorted(folder.rglob("*.txt"))
