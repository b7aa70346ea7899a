"""`pods/eviction`: deletes a Pod if its PodDisruptionBudget allows it, and sets the condition DisruptionTarget."""

from __future__ import annotations

from dataclasses import replace

from pilothouse.api.types.core_v1 import Pod, PodCondition
from pilothouse.api.types.policy_v1 import Eviction, PodDisruptionBudget
from pilothouse.apiserver.admission.plugin import CREATE
from pilothouse.apiserver.cache.entry import Entry
from pilothouse.apiserver.registry import strategy
from pilothouse.apiserver.registry.delete import check_preconditions, delete
from pilothouse.apiserver.registry.request import Request
from pilothouse.apiserver.registry.store import RegistryStore
from pilothouse.apiserver.registry.subresource import Action
from pilothouse.apiserver.registry.write import guaranteed_update
from pilothouse.client.call import Options
from pilothouse.machinery import labels, time
from pilothouse.machinery.codec import clone
from pilothouse.machinery.conditions import find_condition, is_condition_true
from pilothouse.machinery.errors import StatusError, bad_request, failure, forbidden, not_found, too_many_requests
from pilothouse.machinery.meta_v1 import Condition, Status, StatusCause
from pilothouse.machinery.resource import Resource

ATTEMPTS = 20
DISRUPTED_LIMIT = 2_000
"""Evictions that a budget's controller has not confirmed yet; more are refused."""
TARGET = "DisruptionTarget"
EVICTIONS = Resource(Eviction, plural="evictions", verbs=())
VIOLATES = "Cannot evict pod as it would violate the pod's disruption budget."


async def run(store: RegistryStore, request: Request) -> Entry | Status:
    """Delete the pod when its PodDisruptionBudget allows it. Raises a 429 when it does not, a 500 when several budgets select the pod."""
    eviction: Eviction = request.call.body
    if eviction.metadata.name != request.name:
        raise bad_request("name in URL does not match name in Eviction object")
    strategy.match_namespace(eviction, request.namespace)
    admission = request.admission(CREATE, request.name, eviction, None, "eviction", EVICTIONS)
    await store.admission.mutate(admission)
    eviction = admission.object
    await store.admission.validate(admission)
    request = replace(request, call=replace(request.call, verb="delete", subresource="", options=delete_options(eviction, request.options)))
    pod: Pod = (await store.entry(request.resource, request.namespace, request.name)).object
    if not can_ignore_budget(pod):
        budgets = [budget for budget in await store.list(PodDisruptionBudget, request.namespace) if covers(budget, pod)]
        if len(budgets) > 1:
            raise failure(500, "", "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.")
        if budgets and not is_spare(budgets[0], pod):
            await _spend(store, request, budgets[0].metadata.name)
    await delete(store, await _marked(store, request), admitted=True)
    return Status(status="Success", code=201)


def delete_options(eviction: Eviction, asked: Options) -> Options:
    """Delete options of the eviction; a dry run in either place counts."""
    wished = eviction.deleteOptions
    if wished is None:
        return asked
    before = wished.preconditions
    return replace(
        asked,
        dry_run=asked.dry_run or bool(wished.dryRun),
        grace_period_seconds=wished.gracePeriodSeconds,
        propagation_policy=wished.propagationPolicy or "",
        precondition_uid=before.uid if before else None,
        precondition_resource_version=before.resourceVersion if before else None,
    )


def can_ignore_budget(pod: Pod) -> bool:
    """Whether the Pod is finished, pending or terminating, so that no budget counts it (upstream's canIgnorePDB)."""
    return pod.status.phase in ("Succeeded", "Failed", "Pending") or bool(pod.metadata.deletionTimestamp)


def covers(budget: PodDisruptionBudget, pod: Pod) -> bool:
    """Whether the budget's selector matches the pod."""
    return labels.from_label_selector(budget.spec.selector).matches(pod.metadata.labels)


def is_ready(pod: Pod) -> bool:
    """Whether the pod's condition Ready is True."""
    return is_condition_true(pod.status.conditions, "Ready")


def is_spare(budget: PodDisruptionBudget, pod: Pod) -> bool:
    """Whether an unready Pod may be evicted: by unhealthyPodEvictionPolicy, or because the budget is satisfied."""
    if is_ready(pod):
        return False
    status = budget.status
    holds = status.currentHealthy >= status.desiredHealthy and status.desiredHealthy > 0
    return holds or budget.spec.unhealthyPodEvictionPolicy == "AlwaysAllow"


async def _marked(store: RegistryStore, request: Request) -> Request:
    """Note in the pod that it is disrupted, so that its owner (a Job, by its failure policy) knows its end for what it is. Gives the
    request to delete it as it is then."""

    async def attempt(current: Entry) -> Request:
        check_preconditions(request, current)
        new = disrupted(clone(current.object), time.now_text(store.clock))
        if request.options.dry_run or new.status == current.object.status:
            return request
        marked = await store.commit(request.resource, request.namespace, new, current)
        if request.options.precondition_resource_version is None:
            return request
        options = replace(request.options, precondition_resource_version=str(marked.revision))
        return replace(request, call=replace(request.call, options=options))

    return await guaranteed_update(store, request.resource, request.namespace, request.name, attempt, ATTEMPTS)


def disrupted(pod: Pod, now: str) -> Pod:
    """The Pod with the condition DisruptionTarget."""
    condition = find_condition(pod.status.conditions, TARGET)
    if condition is None:
        condition = PodCondition(type=TARGET)
        pod.status.conditions = [*pod.status.conditions, condition]
    if condition.status != "True":
        condition.status, condition.lastTransitionTime = "True", now
    condition.reason, condition.message = "EvictionByEvictionAPI", "Eviction API: evicting"
    return pod


async def _spend(store: RegistryStore, request: Request, name: str) -> None:
    """Take one disruption off the budget; a StatusError 429 when there is none."""
    for _ in range(ATTEMPTS):
        budget = await store.get(PodDisruptionBudget, name, request.namespace)
        if budget is None:
            raise not_found("poddisruptionbudgets", "policy", name)
        changed = spent(clone(budget), request.name, time.now_text(store.clock))
        if request.options.dry_run or await store.update_status(changed):
            return
    raise failure(504, "Timeout", f'Timeout: couldn\'t update PodDisruptionBudget "{name}" due to conflicts')


def spent(budget: PodDisruptionBudget, pod: str, now: str) -> PodDisruptionBudget:
    """The budget after one more disruption. Raises StatusError when it allows none."""
    name, status = budget.metadata.name, budget.status
    if (status.observedGeneration or 0) < budget.metadata.generation:
        raise _refused(f"The disruption budget {name} is still being processed by the server.", 10)
    if status.disruptionsAllowed < 0:
        raise forbidden("poddisruptionbudget", "policy", name, "pdb disruptions allowed is negative")
    if len(status.disruptedPods) > DISRUPTED_LIMIT:
        text = "DisruptedPods map too big - too many evictions not confirmed by PDB controller"
        raise forbidden("poddisruptionbudget", "policy", name, text)
    if status.disruptionsAllowed == 0:
        text = f"The disruption budget {name} needs {status.desiredHealthy} healthy pods and has {status.currentHealthy} currently"
        raise _refused(text, 0)
    status.disruptionsAllowed -= 1
    status.disruptedPods[pod] = now
    if status.disruptionsAllowed == 0:
        _set_insufficient_pods(budget, now)
    return budget


def _set_insufficient_pods(budget: PodDisruptionBudget, now: str) -> None:
    condition = find_condition(budget.status.conditions, "DisruptionAllowed")
    if condition is None:
        condition = Condition(type="DisruptionAllowed")
        budget.status.conditions = [*budget.status.conditions, condition]
    if condition.status != "False":
        condition.lastTransitionTime = now
    condition.status, condition.reason, condition.observedGeneration = "False", "InsufficientPods", budget.status.observedGeneration


def _refused(message: str, seconds: int) -> StatusError:
    error = too_many_requests(VIOLATES, seconds)
    assert error.status.details is not None
    error.status.details.retryAfterSeconds = seconds
    error.status.details.causes = [StatusCause(reason="DisruptionBudget", message=message)]
    return error


EVICTION = Action("eviction", ("", "pods"), run)
