"""`pods/binding`: binds a Pod to a node, once."""

from __future__ import annotations

from msgspec.structs import replace

from pilothouse.api.types.core_v1 import Binding, Pod, PodCondition
from pilothouse.apiserver.admission.plugin import CREATE
from pilothouse.apiserver.cache.entry import Entry
from pilothouse.apiserver.registry import strategy
from pilothouse.apiserver.registry.request import Request
from pilothouse.apiserver.registry.store import RegistryStore
from pilothouse.apiserver.registry.subresource import Action
from pilothouse.apiserver.registry.write import guaranteed_update
from pilothouse.machinery import time
from pilothouse.machinery.codec import clone
from pilothouse.machinery.conditions import find_condition
from pilothouse.machinery.errors import OBJECT_MODIFIED, bad_request, conflict, invalid
from pilothouse.machinery.meta_v1 import Status
from pilothouse.machinery.problems import Problems


async def run(store: RegistryStore, request: Request) -> Entry | Status:
    """Set the pod's node, once. Raises a 409 when the pod has a node or is being deleted."""
    binding: Binding = request.call.body
    name = request.name or binding.metadata.name
    _check(binding, name)
    strategy.match_namespace(binding, request.namespace)
    admission = request.admission(CREATE, name, binding, None, request.call.subresource, store.catalogue.of(Binding))
    await store.admission.mutate(admission)
    binding = admission.object
    await store.admission.validate(admission)
    pods = store.catalogue.of(Pod)

    async def attempt(current: Entry) -> None:
        new = bound(_copied(current.object), binding, time.now_text(store.clock))
        if not request.options.dry_run:
            await store.commit(pods, request.namespace, new, current)

    await guaranteed_update(store, pods, request.namespace, name, attempt)
    return Status(status="Success", code=201)


def _copied(pod: Pod) -> Pod:
    """A copy that may be bound: what is below its spec is shared, and stays as it is."""
    return replace(pod, metadata=clone(pod.metadata), spec=replace(pod.spec), status=clone(pod.status))


def _check(binding: Binding, name: str) -> None:
    problems = Problems("target")
    if binding.metadata.name and binding.metadata.name != name:
        raise bad_request(f"the name of the object ({binding.metadata.name}) does not match the name on the URL ({name})")
    if binding.target.kind not in ("", "Node"):
        problems.at("kind").not_supported(binding.target.kind, ("Node", "<empty>"))
    if not binding.target.name:
        problems.at("name").required()
    if problems:
        raise invalid("Binding", "", name, problems.found)


def bound(pod: Pod, binding: Binding, now: str) -> Pod:
    """The Pod with its node set. Raises a 409 when it has a node or is being deleted."""
    name, meta = pod.metadata.name, binding.metadata
    if meta.uid and meta.uid != pod.metadata.uid:
        cause = f"Precondition failed: UID in precondition: {meta.uid}, UID in object meta: {pod.metadata.uid}"
        raise conflict("pods", "", name, cause)
    if meta.resourceVersion and meta.resourceVersion != pod.metadata.resourceVersion:
        raise conflict("pods", "", name, OBJECT_MODIFIED)
    if pod.metadata.deletionTimestamp:
        raise conflict("pods/binding", "", name, f"pod {name} is being deleted, cannot be assigned to a host")
    if pod.spec.nodeName:
        raise conflict("pods/binding", "", name, f'pod {name} is already assigned to node "{pod.spec.nodeName}"')
    if pod.spec.schedulingGates:
        raise conflict("pods/binding", "", name, f"pod {name} has non-empty .spec.schedulingGates")
    pod.spec.nodeName = binding.target.name
    pod.metadata.annotations.update(meta.annotations)
    pod.metadata.labels.update(meta.labels)
    set_scheduled(pod, now)
    return pod


def set_scheduled(pod: Pod, now: str) -> None:
    """Set the condition PodScheduled to True; its time changes only with its status."""
    condition = find_condition(pod.status.conditions, "PodScheduled")
    if condition is None:
        condition = PodCondition(type="PodScheduled")
        pod.status.conditions.append(condition)
    if condition.status != "True":
        condition.lastTransitionTime = now
    condition.status, condition.reason, condition.message = "True", "", ""


BINDING = Action("binding", ("", "pods"), run)
