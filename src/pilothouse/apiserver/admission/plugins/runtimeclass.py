"""RuntimeClass: a pod that names a runtime class takes over what that runtime costs and where it can run."""

from __future__ import annotations

from pilothouse.api.types.core_v1 import Pod
from pilothouse.api.types.node_v1 import RuntimeClass
from pilothouse.apiserver.admission.plugin import CREATE, PODS, AdmissionRequest, Plugin, World, refused
from pilothouse.machinery import quantity
from pilothouse.machinery.codec import clone
from pilothouse.machinery.errors import failure
from pilothouse.machinery.said_empty import is_said
from pilothouse.machinery.struct import Quantity


class RuntimeClassAdmission(Plugin):
    """Sets overhead and scheduling of a pod from its RuntimeClass."""

    name = "RuntimeClass"
    kinds = frozenset({PODS})

    async def mutate(self, request: AdmissionRequest, world: World) -> None:
        """Set the pod's overhead, node selector and tolerations from its RuntimeClass.

        Refuses (403) another overhead, a missing class, or a contradicting node selector.
        """
        if not request.is_pod or request.operation != CREATE or request.object.spec.runtimeClassName is None:
            return
        runtime_class = await _class_of(request, world)
        spec = request.object.spec
        if runtime_class.overhead is not None and runtime_class.overhead.podFixed:
            if spec.overhead and not equal_amounts(spec.overhead, runtime_class.overhead.podFixed):
                raise refused(request, "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead")
            spec.overhead = dict(runtime_class.overhead.podFixed)
        if runtime_class.scheduling is not None:
            _narrow(request, runtime_class)

    async def validate(self, request: AdmissionRequest, world: World) -> None:
        """Refuse a new pod with an overhead that its RuntimeClass does not define."""
        if not request.is_pod or request.operation != CREATE:
            return
        pod: Pod = request.object
        wanted: dict[str, Quantity] = {}
        if pod.spec.runtimeClassName is not None:
            runtime_class = await _class_of(request, world)
            wanted = runtime_class.overhead.podFixed if runtime_class.overhead is not None else {}
        if is_said(pod.spec.overhead) and not wanted:
            text = "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"
            raise refused(request, text)


async def _class_of(request: AdmissionRequest, world: World) -> RuntimeClass:
    name = request.object.spec.runtimeClassName
    if not name:
        raise failure(500, "", "resource name may not be empty")
    runtime_class = await world.get(RuntimeClass, name)
    if runtime_class is None:
        raise refused(request, f'pod rejected: RuntimeClass "{name}" not found')
    return runtime_class


def equal_amounts(first: dict[str, Quantity], other: dict[str, Quantity]) -> bool:
    """Whether two maps of quantities have equal names and amounts."""
    return first.keys() == other.keys() and all(quantity.parse(first[name]).nanos == quantity.parse(other[name]).nanos for name in first)


def _narrow(request: AdmissionRequest, runtime_class: RuntimeClass) -> None:
    """The class's node selector and the pod's must both hold; the class's tolerations are the pod's, too."""
    assert runtime_class.scheduling is not None
    spec = request.object.spec
    for key, value in runtime_class.scheduling.nodeSelector.items():
        if spec.nodeSelector.get(key, value) != value:
            theirs = f"runtimeClass.scheduling.nodeSelector[{key}] = {value}"
            raise refused(request, f"conflict: {theirs}; pod.spec.nodeSelector[{key}] = {spec.nodeSelector[key]}")
        spec.nodeSelector[key] = value
    missing = [clone(toleration) for toleration in runtime_class.scheduling.tolerations if toleration not in spec.tolerations]
    spec.tolerations = [*spec.tolerations, *missing]
