"""Priority: the name of a pod's priority class becomes the number that the scheduler goes by; one class at most is the default."""

from __future__ import annotations

from pilothouse.api.scheduling.priorityclass import SYSTEM
from pilothouse.api.types.core_v1 import Pod
from pilothouse.api.types.scheduling_v1 import PriorityClass
from pilothouse.apiserver.admission.plugin import CREATE, DELETE, PODS, UPDATE, AdmissionRequest, Plugin, World, refused

CLASSES = ("scheduling.k8s.io", "priorityclasses")
PREEMPT = "PreemptLowerPriority"


class Priority(Plugin):
    """Sets a pod's priority from its PriorityClass; allows one default class."""

    name = "Priority"
    kinds = frozenset({PODS, CLASSES})

    async def mutate(self, request: AdmissionRequest, world: World) -> None:
        """Set `priority` and `preemptionPolicy` of a new pod from its PriorityClass, or from the default class; an update keeps them."""
        if request.is_pod and request.operation == UPDATE:
            _keep(request.object, request.old_object)
        elif request.is_pod and request.operation == CREATE:
            await _resolve(request, world)

    async def validate(self, request: AdmissionRequest, world: World) -> None:
        """Refuse deletion of a system PriorityClass, and a second class with `globalDefault`."""
        if request.group_plural == CLASSES and request.operation == DELETE and request.name in SYSTEM:
            raise refused(request, "this is a system priority class and cannot be deleted")
        if request.group_plural != CLASSES or request.operation not in (CREATE, UPDATE) or not request.object.globalDefault:
            return
        for other in await world.list(PriorityClass):
            if other.globalDefault and other.metadata.name != request.object.metadata.name:
                text = f"PriorityClass {other.metadata.name} is already marked as default. Only one default can exist"
                raise refused(request, text)


def _keep(new: Pod, old: Pod) -> None:
    """A client that knows nothing of the numbers leaves them out."""
    if new.spec.priority is None:
        new.spec.priority = old.spec.priority
    new.spec.preemptionPolicy = new.spec.preemptionPolicy or old.spec.preemptionPolicy


async def _resolve(request: AdmissionRequest, world: World) -> None:
    pod: Pod = request.object
    priority_class = await _class_of(request, world, pod)
    value = priority_class.value if priority_class is not None else 0
    policy = (priority_class.preemptionPolicy if priority_class is not None else "") or PREEMPT
    if pod.spec.priority is not None and pod.spec.priority != value:
        raise refused(
            request,
            f"the integer value of priority ({pod.spec.priority}) must not be provided in pod spec; priority admission "
            f"controller computed {value} from the given PriorityClass name",
        )
    if pod.spec.preemptionPolicy is not None and pod.spec.preemptionPolicy != policy:
        raise refused(
            request,
            f"the string value of PreemptionPolicy ({pod.spec.preemptionPolicy}) must not be provided in pod spec; priority "
            f"admission controller computed {policy} from the given PriorityClass name",
        )
    pod.spec.priority, pod.spec.preemptionPolicy = value, policy


async def _class_of(request: AdmissionRequest, world: World, pod: Pod) -> PriorityClass | None:
    name = pod.spec.priorityClassName
    if name:
        priority_class = await world.get(PriorityClass, name)
        if priority_class is None:
            raise refused(request, f"no PriorityClass with name {name} was found")
        return priority_class
    defaults = [priority_class for priority_class in await world.list(PriorityClass) if priority_class.globalDefault]
    if not defaults:
        return None
    lowest = min(defaults, key=lambda priority_class: (priority_class.value, priority_class.metadata.name))
    pod.spec.priorityClassName = lowest.metadata.name
    return lowest
