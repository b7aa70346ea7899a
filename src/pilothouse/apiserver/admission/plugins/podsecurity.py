"""PodSecurity: enforces the standards that a namespace's labels ask for, and warns.

- Only pods are turned away; of workloads that would make such pods their writer is warned.
- A namespace that becomes stricter keeps the pods that it has: its writer is told which of them break the new standard.
"""

from __future__ import annotations

from typing import Any

from pilothouse.api import wellknown
from pilothouse.api.types.core_v1 import Namespace, Pod, PodSpec
from pilothouse.apiserver.admission.plugin import CREATE, PODS, UPDATE, AdmissionRequest, Plugin, World, refused
from pilothouse.apiserver.admission.podsecurity.policy import NOTHING, PREFIX, Policy, Standard, policy_of
from pilothouse.machinery.errors import invalid
from pilothouse.machinery.meta_v1 import ObjectMeta

NAMESPACES = ("", "namespaces")
WORKLOADS = frozenset(
    {
        ("", "podtemplates"),
        ("", "replicationcontrollers"),
        ("apps", "daemonsets"),
        ("apps", "deployments"),
        ("apps", "replicasets"),
        ("apps", "statefulsets"),
        ("batch", "cronjobs"),
        ("batch", "jobs"),
    }
)
IGNORED = frozenset({"attach", "binding", "eviction", "exec", "log", "portforward", "proxy", "status"})
"""Subresources of pods that change nothing of what the standards look at."""
PRIVILEGED = str(Standard())
PODS_LIMIT = 3_000
"""How many pods of a namespace are looked at when it becomes stricter."""


class PodSecurity(Plugin):
    """Pods keep to the standard that the labels of their namespace name."""

    name = "PodSecurity"
    kinds = frozenset({PODS, NAMESPACES, *WORKLOADS})

    async def validate(self, request: AdmissionRequest, world: World) -> None:
        """Check a pod, a workload's template or a namespace's new labels against the standards: refuse (pods only), warn, annotate for
        audit.
        """
        if request.operation not in (CREATE, UPDATE):
            return
        kind = request.group_plural
        if kind == PODS and request.subresource not in IGNORED:
            await _judge_pod(request, world)
        elif kind in WORKLOADS and not request.subresource:
            await _judge_workload(request, world)
        elif kind == NAMESPACES and not request.subresource:
            await _judge_namespace(request, world)


async def _policy(request: AdmissionRequest, world: World) -> Policy:
    namespace = await world.get(Namespace, request.namespace)
    return policy_of(namespace.metadata.labels)[0] if namespace is not None else NOTHING


async def _judge_pod(request: AdmissionRequest, world: World) -> None:
    policy = await _policy(request, world)
    pod: Pod = request.object
    if policy is NOTHING and (request.operation == CREATE or matters(pod, request.old_object)):
        request.audit_annotations[f"{PREFIX}enforce-policy"] = PRIVILEGED
    if policy is NOTHING or (request.operation == UPDATE and not matters(pod, request.old_object)):
        return
    broken = policy.enforce.findings(pod.metadata, pod.spec)
    request.audit_annotations[f"{PREFIX}enforce-policy"] = str(policy.enforce)
    _note_violations(request, policy.audit, pod.metadata, pod.spec)
    if broken:
        raise refused(request, f'violates PodSecurity "{policy.enforce}": {", ".join(map(str, broken))}')
    _warn(request, policy.warn, pod.metadata, pod.spec)


async def _judge_workload(request: AdmissionRequest, world: World) -> None:
    policy = await _policy(request, world)
    template = template_of(request.object)
    if template is not None:
        _note_violations(request, policy.audit, template.metadata, template.spec)
        _warn(request, policy.warn, template.metadata, template.spec)


def _note_violations(request: AdmissionRequest, standard: Standard, meta: ObjectMeta, spec: PodSpec) -> None:
    """For the audit log: what breaks the standard that the namespace audits by."""
    broken = standard.findings(meta, spec)
    if broken:
        text = f'would violate PodSecurity "{standard}": {", ".join(map(str, broken))}'
        request.audit_annotations[f"{PREFIX}audit-violations"] = text


def _warn(request: AdmissionRequest, standard: Standard, meta: ObjectMeta, spec: PodSpec) -> None:
    broken = standard.findings(meta, spec)
    if broken:
        request.warnings.append(f'would violate PodSecurity "{standard}": {", ".join(map(str, broken))}')


async def _judge_namespace(request: AdmissionRequest, world: World) -> None:
    new, problems = policy_of(request.object.metadata.labels)
    if request.operation == CREATE:
        if problems:
            raise invalid("Namespace", "", request.name, problems)
        return
    old, known = policy_of(request.old_object.metadata.labels)
    if problems and problems != known:
        raise invalid("Namespace", "", request.name, problems)
    after, before = new.enforce, old.enforce
    if after != before and after.strictness and (after.minor != before.minor or after.strictness > before.strictness):
        pods = await world.list(Pod, request.name)
        request.warnings.extend(of_those_that_stay(request.name, after, pods))


def of_those_that_stay(namespace: str, standard: Standard, pods: Any) -> list[str]:
    """Warnings about existing Pods of a namespace that violate the standard, grouped by violation."""
    names: dict[str, list[str]] = {}
    for pod in pods[:PODS_LIMIT]:
        broken = standard.findings(pod.metadata, pod.spec)
        if broken:
            names.setdefault(", ".join(finding.reason for finding in broken), []).append(pod.metadata.name)
    told = []
    if len(pods) > PODS_LIMIT:
        told.append(f"new PodSecurity enforce level only checked against the first {PODS_LIMIT} of {len(pods)} existing pods")
    if names:
        told.append(f'existing pods in namespace "{namespace}" violate the new PodSecurity enforce level "{standard}"')
    return told + sorted(f"{min(pods)}{others_text(len(pods) - 1)}: {reasons}" for reasons, pods in names.items())


def others_text(count: int) -> str:
    """The end of a warning that names one pod: how many more break the same rules."""
    if not count:
        return ""
    return " (and 1 other pod)" if count == 1 else f" (and {count} other pods)"


def template_of(workload: Any) -> Any:
    """The pod template of any workload; None where it has none."""
    if hasattr(workload, "template"):
        return workload.template
    spec = workload.spec
    return spec.jobTemplate.spec.template if hasattr(spec, "jobTemplate") else spec.template


def matters(new: Pod, old: Pod) -> bool:
    """Whether an update changes what the standards check: images (and so containers), or old seccomp annotations."""
    if new.metadata.annotations.get(wellknown.SECCOMP_POD) != old.metadata.annotations.get(wellknown.SECCOMP_POD):
        return True
    for kind in ("containers", "initContainers", "ephemeralContainers"):
        now, before = ([(container.name, container.image) for container in getattr(pod.spec, kind)] for pod in (new, old))
        if now != before:
            return True
    return False
