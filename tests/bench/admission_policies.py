"""What ValidatingAdmissionPolicies cost the creation of a Pod with two containers: none, one and ten of them, each with one expression.

Time of the processor in process, the best of several rounds: admission alone, without HTTP, decoding and store.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from pilothouse.api.catalogue import built_in, resource_of
from pilothouse.api.types.admissionregistration_v1 import ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding
from pilothouse.api.types.core_v1 import Namespace, Pod
from pilothouse.apiserver.admission.metrics import AdmissionMetrics
from pilothouse.apiserver.admission.plugin import CREATE, AdmissionRequest
from pilothouse.apiserver.admission.plugins.validatingadmissionpolicy import ValidatingAdmissionPolicyPlugin
from pilothouse.apiserver.auth.user import ADMIN
from pilothouse.client.call import Options
from pilothouse.kit.clock import SystemClock
from pilothouse.machinery.codec import from_dict
from tests.bench.figure import report

REQUESTS, ROUNDS = 300, 15
RULE = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE", "UPDATE"], "scope": "*"}
SELECTORS = {"namespaceSelector": {"matchLabels": {"env": "prod"}}, "objectSelector": {}, "matchPolicy": "Equivalent"}
EXPRESSIONS = (
    "object.spec.containers.all(c, c.image.startsWith('registry.example.com/'))",
    "has(object.metadata.labels.app)",
    "object.spec.containers.all(c, has(c.resources.limits) && has(c.resources.limits.memory))",
    "!has(object.spec.hostNetwork) || !object.spec.hostNetwork",
    "object.spec.containers.all(c, !has(c.securityContext.privileged) || !c.securityContext.privileged)",
    "size(object.spec.containers) < 5",
    "request.userInfo.username != 'nobody'",
    "namespaceObject.metadata.labels['env'] == 'prod'",
    "object.spec.containers.all(c, c.ports.all(p, p.containerPort > 10))",
    "size(object.metadata.name) < 60",
)
CONTAINER = {
    "image": "registry.example.com/web:1",
    "resources": {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1", "memory": "1Gi"}},
    "ports": [{"containerPort": 8080, "protocol": "TCP"}],
    "env": [{"name": "A", "value": "b"}],
    "securityContext": {"runAsNonRoot": True},
}
CONTAINERS = [{**CONTAINER, "name": name} for name in ("web", "side")]
POD = from_dict({"metadata": {"name": "p", "namespace": "n", "labels": {"app": "x"}}, "spec": {"containers": CONTAINERS}}, Pod)
NAMESPACE = from_dict({"metadata": {"name": "n", "labels": {"env": "prod"}}}, Namespace)
RESOURCE = resource_of(Pod)


class World:
    """A cluster of policies, their bindings and one namespace."""

    catalogue, clock, metrics = built_in(), SystemClock(), AdmissionMetrics()

    def __init__(self, count: int) -> None:
        self.objects: dict[type[Any], list[Any]] = {
            ValidatingAdmissionPolicy: [from_dict(policy(index), ValidatingAdmissionPolicy) for index in range(count)],
            ValidatingAdmissionPolicyBinding: [from_dict(binding(index), ValidatingAdmissionPolicyBinding) for index in range(count)],
        }

    async def get(self, kind: type[Any], name: str, namespace: str = "") -> Any:
        return NAMESPACE

    async def list(self, kind: type[Any], namespace: str = "") -> list[Any]:
        return self.objects[kind]

    def changed(self, kind: type[Any]) -> int:
        return 1


def policy(index: int) -> dict[str, Any]:
    spec = {"matchConstraints": {**SELECTORS, "resourceRules": [RULE]}, "validations": [{"expression": EXPRESSIONS[index]}]}
    return {"metadata": {"name": f"p{index}", "resourceVersion": "1"}, "spec": {**spec, "failurePolicy": "Fail"}}


def binding(index: int) -> dict[str, Any]:
    return {"metadata": {"name": f"b{index}"}, "spec": {"policyName": f"p{index}", "validationActions": ["Deny"]}}


def request() -> AdmissionRequest:
    return AdmissionRequest(CREATE, RESOURCE, "", "n", "p", POD, None, ADMIN, Options(), RESOURCE, RESOURCE)


async def microseconds(count: int) -> float:
    """Of one request under so many policies."""
    world: Any = World(count)
    plugin = ValidatingAdmissionPolicyPlugin()
    await plugin.validate(request(), world)
    best = float("inf")
    for _ in range(ROUNDS):
        requests = [request() for _ in range(REQUESTS)]
        begin = time.process_time()
        for each in requests:
            await plugin.validate(each, world)
        best = min(best, (time.process_time() - begin) / REQUESTS * 1e6)
    return best


def main() -> None:
    report("admission_policies_none", asyncio.run(microseconds(0)), "us", at_most=1)
    report("admission_policies_one", asyncio.run(microseconds(1)), "us")
    report("admission_policies_ten", asyncio.run(microseconds(10)), "us", at_most=300)


if __name__ == "__main__":
    main()
