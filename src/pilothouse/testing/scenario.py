"""Scenarios: kubectl-like text in, tables out, in virtual time; `--rewrite-scenarios` updates them.

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
    images fail|work IMAGE...          from now on they cannot be pulled, can be again
    scale KIND/NAME N
    set image KIND/NAME CONTAINER=IMAGE
    delete KIND/NAME [--cascade=foreground|orphan]
    patch KIND/NAME JSON               a strategic merge patch; it may contain spaces
    rollout pause|resume|restart DEPLOYMENT
    rollout undo DEPLOYMENT [--to-revision=N]
    containers IMAGE [run DURATION] [exit N] [stop DURATION] [prints TEXT]
                                       from now on containers of that image end by themselves, take so long to stop, and write this
    exit POD CONTAINER N               a running container ends with that code
    stop NODE, start NODE              the node's kubelet falls silent, comes back; a new name is a new node
    get KINDS [-o wide]                in the default namespace, by any of their names, separated by commas
    conditions KIND/NAME               of its status
    logs POD CONTAINER                 what it wrote
    events KINDS                       what was told of such objects: reasons and messages, in their order
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pilothouse.api import catalogue
from pilothouse.api.types.apps_v1 import ReplicaSet
from pilothouse.api.types.core_v1 import Event
from pilothouse.client.call import STRATEGIC_MERGE_PATCH, Options
from pilothouse.controllers.deployments.revisions import HASH_LABEL, REVISION
from pilothouse.kubelet.runtime.simulated_containers import Behaviour
from pilothouse.machinery import codec, strconv
from pilothouse.machinery.resource import Resource
from pilothouse.machinery.table import table
from pilothouse.machinery.time import text
from pilothouse.testing.cluster import Cluster
from pilothouse.testing.durations import seconds

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
        nodes = strconv.atoi(steps.pop(0)[1])
    with Cluster(nodes=nodes, clock="still") as cluster:
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
        """Carry out one line of a scenario, given as words."""
        steps: dict[str, Callable[..., object]] = {
            "apply": lambda name: self.cluster.apply((self.folder / name).read_text()),
            "advance": self.cluster.advance,
            "images": self._images,
            "scale": lambda target, replicas: self._patch(target, {"spec": {"replicas": strconv.atoi(replicas)}}),
            "set": self._set_image,
            "delete": self._delete,
            "patch": lambda target, *words: self._patch(target, json.loads(" ".join(words))),
            "rollout": self._rollout,
            "containers": self._behave,
            "exit": lambda pod, container, code: self.cluster.exit(pod, container, strconv.atoi(code)),
            "logs": lambda pod, container: self.shown.append(self.cluster.logs(pod, container)),
            "conditions": self._conditions,
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

    def _delete(self, target: str, cascade: str = "--cascade=background") -> None:
        kind, _, name = target.partition("/")
        options = Options(propagation_policy=cascade.removeprefix("--cascade=").capitalize())
        self.cluster.delete(named(kind).type, name, NAMESPACE if named(kind).namespaced else "", options=options)

    def _rollout(self, verb: str, target: str, revision: str = "--to-revision=0") -> None:
        """What kubectl does for these: patches of the Deployment, and for undo the template of a ReplicaSet of its own."""
        name = target.partition("/")[2]
        if verb in ("pause", "resume"):
            self._patch(target, {"spec": {"paused": verb == "pause"}})
        elif verb == "restart":
            stamp = {"kubectl.kubernetes.io/restartedAt": text(self.cluster.clock.now())}
            self._patch(target, {"spec": {"template": {"metadata": {"annotations": stamp}}}})
        elif verb == "undo":
            history = {
                strconv.atoi(replicaset.metadata.annotations[REVISION]): replicaset
                for replicaset in self.cluster.list(ReplicaSet, NAMESPACE)
                if _owned(replicaset, name)
            }
            wanted = (strconv.integer(revision.partition("=")[2]) or 0) or sorted(history)[-2]
            template = codec.to_dict(history[wanted].spec.template)
            template["metadata"]["labels"].pop(HASH_LABEL)
            self._patch(target, {"spec": {"template": template | {"$patch": "replace"}}})
        else:
            raise ValueError(f"no rollout {verb!r}")

    def _images(self, how: str, *images: str) -> None:
        {"fail": self.cluster.images_fail, "work": self.cluster.images_work}[how](*images)

    def _behave(self, image: str, *words: str) -> None:
        told, _, text = " ".join(words).partition("prints ")
        said = dict(zip(told.split()[::2], told.split()[1::2], strict=True))
        run, stop = said.get("run"), said.get("stop", "0s")
        made = Behaviour(
            run_seconds=seconds(run) if run else None,
            exit_code=strconv.atoi(str(said.get("exit", 0))),
            stop_seconds=seconds(stop),
            prints=[text] if text else (),
        )
        self.cluster.behave(image, made)

    def _conditions(self, target: str) -> None:
        kind, _, name = target.partition("/")
        conditions = self.cluster.get(named(kind).type, name, NAMESPACE if named(kind).namespaced else "").status.conditions
        self.shown.append(
            aligned(
                [
                    ["TYPE", "STATUS", "REASON", "MESSAGE"],
                    *([condition.type, condition.status, condition.reason, condition.message] for condition in conditions),
                ]
            )
        )

    def _get(self, kinds: str, *options: str) -> None:
        resources = [named(kind) for kind in kinds.split(",")]
        tables = [self._table(resource, wide="wide" in options, prefixed=len(resources) > 1) for resource in resources]
        self.shown.append("\n".join(table for table in tables if table))

    def _table(self, resource: Resource[Any], *, wide: bool, prefixed: bool) -> str:
        objects = sorted(self.cluster.list(resource.type, NAMESPACE if resource.namespaced else ""), key=lambda obj: obj.metadata.name)
        made = table(resource, objects, self.cluster.clock.now(), "None")
        columns = [index for index, column in enumerate(made["columnDefinitions"]) if wide or not column["priority"]]
        prefix = f"{resource.singular}.{resource.group}/".replace("./", "/") if prefixed else ""
        heads = [made["columnDefinitions"][index]["name"].upper() for index in columns]
        rows = [[str(row["cells"][index]) for index in columns] for row in made["rows"] or ()]
        for row in rows:
            row[0] = prefix + row[0]
        return aligned([heads, *rows]) if rows else ""

    def _events(self, kinds: str) -> None:
        wanted = {named(kind).kind for kind in kinds.split(",")}
        told = [event for event in self.cluster.list(Event, NAMESPACE) if event.involvedObject.kind in wanted]
        events = sorted(told, key=lambda event: strconv.parse_uint(event.metadata.resourceVersion))
        heads = ["TYPE", "REASON", "OBJECT", "MESSAGE"]
        rows = [
            [event.type, event.reason, f"{event.involvedObject.kind.lower()}/{event.involvedObject.name}", event.message]
            for event in events
        ]
        self.shown.append(aligned([heads, *rows]))


def _owned(replicaset: ReplicaSet, deployment: str) -> bool:
    return any(owner.kind == "Deployment" and owner.name == deployment for owner in replicaset.metadata.ownerReferences)


def named(name: str) -> Resource[Any]:
    """A resource by any name that kubectl knows it by."""
    for resource in catalogue.resources():
        if name.lower() in (resource.plural, resource.singular, *resource.short_names):
            return resource
    raise ValueError(f"no kind {name!r}")


def aligned(rows: list[list[str]]) -> str:
    """Rows as kubectl prints them: left-aligned columns."""
    widths = [max(map(len, column)) + GAP for column in zip(*rows, strict=True)]
    return "".join("".join(map(str.ljust, row, widths)).rstrip() + "\n" for row in rows)


def scenarios(folder: Path) -> Iterable[Path]:
    """The scenario files of a folder."""
    return sorted(folder.rglob("*.txt"))
