"""Selector of the default topology spread constraints: Pods of the same Services and the same controller."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pilothouse.api.types.apps_v1 import ReplicaSet, StatefulSet
from pilothouse.api.types.core_v1 import Pod, ReplicationController, Service
from pilothouse.client.informers import Informers
from pilothouse.machinery.labels import Requirement, Selector, from_label_selector, match_labels

Siblings = Callable[[Pod], Selector]
"""Whom a Pod is to be spread from; what selects everything means nobody."""
KINDS: tuple[type[Any], ...] = (Service, ReplicationController, ReplicaSet, StatefulSet)
OWNERS = {(f"{group}/v1".lstrip("/"), kind.__name__): kind for group, kind in (("", KINDS[1]), ("apps", KINDS[2]), ("apps", KINDS[3]))}


def siblings(informers: Informers) -> Siblings:
    """A function that gives the selector for a Pod from what the informers show."""
    services = informers.of(Service)
    owners = {name: informers.of(kind) for name, kind in OWNERS.items()}

    def of(pod: Pod) -> Selector:
        space, labels = pod.metadata.namespace, pod.metadata.labels
        wanted: dict[str, str] = {}
        for service in services.list(space):
            if service.spec.selector and match_labels(service.spec.selector).matches(labels):
                wanted |= service.spec.selector
        requirements: list[Requirement] = [*match_labels(wanted).requirements]
        owner = next((reference for reference in pod.metadata.ownerReferences if reference.controller), None)
        informer = owners.get((owner.apiVersion, owner.kind)) if owner is not None else None
        controller: Any = informer.get(space, owner.name) if informer is not None and owner is not None else None
        if controller is not None:
            given = controller.spec.selector
            requirements += (match_labels(given) if isinstance(given, dict) else from_label_selector(given)).requirements
        return Selector(tuple(dict.fromkeys(requirements)))

    return of
