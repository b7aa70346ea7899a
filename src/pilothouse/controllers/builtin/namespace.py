"""Namespace controller: deletes the content of terminating Namespaces, then finalizes them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from pilothouse.api.types.core_v1 import Namespace, NamespaceCondition, Pod
from pilothouse.client.call import Options
from pilothouse.client.client import Client
from pilothouse.client.store import Key
from pilothouse.controllers import pods
from pilothouse.controllers.framework.actions import Action, RequeueAfter, Update, UpdateStatus
from pilothouse.controllers.framework.controller import READ, UPDATE, Controller, Related, Rule
from pilothouse.controllers.framework.runner import Context
from pilothouse.controllers.framework.world import World
from pilothouse.machinery import codec
from pilothouse.machinery.catalogue import Catalogue
from pilothouse.machinery.errors import StatusError
from pilothouse.machinery.resource import Resource

FINALIZER = "kubernetes"
FINALIZER_ESTIMATE_SECONDS = 15
"""How long a finalizer is expected to take (upstream's finalizerEstimateSeconds)."""


@dataclass(slots=True)
class Sweep:
    """Result of deleting a Namespace's content: what remains, finalizers, failures."""

    remaining: Counter[str] = field(default_factory=Counter)
    """`pods.` or `replicasets.apps` -> how many."""
    finalizers: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    estimate_seconds: int = 0


def _namespace_of(pod: Pod, world: World) -> Iterator[Key]:
    namespace = world.get(Namespace, "", pod.metadata.namespace)
    if namespace is not None and namespace.metadata.deletionTimestamp:
        yield "", pod.metadata.namespace


class NamespaceController(Controller):
    """Deletes every object of every kind in a namespace that ends, Pods first, and then lets the namespace go.

    - Says in its conditions what is still there and which finalizers hold it.
    - Comes back when a Pod has gone, and after half the time that what is left is expected to take.
    """

    name = "namespace"
    account = "namespace-controller"
    reconciles = Namespace
    workers = 10
    watches = (Related(Pod, _namespace_of, lambda old, new: False),)
    rules = (
        Rule("", ("namespaces",), READ),
        Rule("", ("namespaces/finalize", "namespaces/status"), UPDATE),
        Rule("*", ("*",), ("delete", "deletecollection", "get", "list")),
    )

    async def observe(self, namespace: Namespace, context: Context) -> Sweep | None:
        """Delete content of a terminating namespace and say what is left; None for a namespace that stays."""
        if not namespace.metadata.deletionTimestamp or not namespace.spec.finalizers:
            return None
        return await sweep(context.client, namespace.metadata.name)

    def plan(self, namespace: Namespace, world: World) -> Iterator[Action]:
        """Write what is left into the conditions; when nothing is, remove the finalizer `kubernetes`."""
        sweep: Sweep | None = world.observed
        if sweep is None:
            return
        changed = codec.clone(namespace)
        changed.status.phase = "Terminating"
        changed.status.conditions = _conditions(namespace, sweep, world.now_text)
        if sweep.remaining or sweep.failures:
            yield UpdateStatus(changed)
            yield RequeueAfter(sweep.estimate_seconds / 2 + 1)
            return
        final = codec.clone(namespace)
        final.spec.finalizers = [finalizer for finalizer in namespace.spec.finalizers if finalizer != FINALIZER]
        yield Update(final, subresource="finalize")


def contents(catalogue: Catalogue) -> list[Resource[Any]]:
    """Every kind that a namespace may hold, each once though it is served in several versions; Pods first."""
    resources = [resource for resource in catalogue.stored() if resource.namespaced and {"delete", "list"} <= set(resource.verbs)]
    return sorted(resources, key=lambda resource: (resource.group, resource.plural) != ("", "pods"))


async def sweep(client: Client, name: str) -> Sweep:
    """Delete the content of a Namespace, and return what remains.

    While Pods remain nothing else is deleted, so that they keep what they use, such as network policies.
    """
    result = Sweep()
    first, *others = contents(client.catalogue)
    await _sweep_kind(client, name, first, result)
    if result.remaining or result.failures:
        return result
    await asyncio.gather(*(_sweep_kind(client, name, other, result) for other in others))
    return result


async def _sweep_kind(client: Client, name: str, resource: Resource[Any], result: Sweep) -> None:
    try:
        left = (await client.list(resource.type, name)).items
        if not left:
            return
        await _delete_all(client, name, resource, left)
        left = (await client.list(resource.type, name)).items
    except StatusError as error:
        if error.code not in (404, 405):
            result.failures.append(str(error))
        return
    except ConnectionError as error:
        result.failures.append(str(error))
        return
    if not left:
        return
    result.remaining[f"{resource.plural}.{resource.group}"] += len(left)
    result.finalizers.update(finalizer for obj in left for finalizer in obj.metadata.finalizers)
    graces = [obj.spec.terminationGracePeriodSeconds or 0 for obj in left if isinstance(obj, Pod) and not pods.is_finished(obj)]
    estimates = [*graces, *([FINALIZER_ESTIMATE_SECONDS] if any(obj.metadata.finalizers for obj in left) else [])]
    result.estimate_seconds = max([result.estimate_seconds, *estimates])


async def _delete_all(client: Client, name: str, resource: Resource[Any], left: Sequence[Any]) -> None:
    options = Options(propagation_policy="Background")
    if "deletecollection" in resource.verbs:
        await client.delete_collection(resource.type, name, options=options)
        return
    for obj in left:
        try:
            await client.delete(resource.type, obj.metadata.name, name, options=options)
        except StatusError as error:
            if error.code != 404:
                raise


def _conditions(namespace: Namespace, sweep: Sweep, now: str) -> list[NamespaceCondition]:
    failures = "; ".join(sorted(sweep.failures))
    remaining = ", ".join(f"{name} has {count} resource instances" for name, count in sorted(sweep.remaining.items()))
    finalizers = ", ".join(f"{name} in {count} resource instances" for name, count in sorted(sweep.finalizers.items()))
    wanted = [
        _condition("NamespaceDeletionDiscoveryFailure", "", "", "ResourcesDiscovered", "All resources successfully discovered"),
        _condition(
            "NamespaceDeletionGroupVersionParsingFailure", "", "", "ParsedGroupVersions", "All legacy kube types successfully parsed"
        ),
        _condition(
            "NamespaceDeletionContentFailure",
            "ContentDeletionFailed",
            failures and f"Failed to delete all resource types, {len(sweep.failures)} remaining: {failures}",
            "ContentDeleted",
            "All content successfully deleted, may be waiting on finalization",
        ),
        _condition(
            "NamespaceContentRemaining",
            "SomeResourcesRemain",
            remaining and f"Some resources are remaining: {remaining}",
            "ContentRemoved",
            "All content successfully removed",
        ),
        _condition(
            "NamespaceFinalizersRemaining",
            "SomeFinalizersRemain",
            finalizers and f"Some content in the namespace has finalizers remaining: {finalizers}",
            "ContentHasNoFinalizers",
            "All content-preserving finalizers finished",
        ),
    ]
    known = {condition.type: condition for condition in namespace.status.conditions}
    for condition in wanted:
        before = known.get(condition.type)
        condition.lastTransitionTime = before.lastTransitionTime if before is not None and before.status == condition.status else now
    names = {condition.type for condition in wanted}
    return [*(condition for condition in namespace.status.conditions if condition.type not in names), *wanted]


def _condition(type: str, bad_reason: str, bad_text: str, good_reason: str, good_text: str) -> NamespaceCondition:
    if bad_text:
        return NamespaceCondition(type=type, status="True", reason=bad_reason, message=bad_text)
    return NamespaceCondition(type=type, status="False", reason=good_reason, message=good_text)
