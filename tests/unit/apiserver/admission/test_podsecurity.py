"""The Pod Security Standards: what breaks them, in upstream's words, and whom a namespace turns away or warns."""

from __future__ import annotations

from typing import Any

import pytest

from pilothouse.api.catalogue import resource_of
from pilothouse.api.types.apps_v1 import Deployment
from pilothouse.api.types.batch_v1 import CronJob
from pilothouse.api.types.core_v1 import Namespace, Pod, ServiceAccount
from pilothouse.apiserver.admission.podsecurity.policy import LATEST, Policy, Standard, policy_of
from pilothouse.apiserver.auth.user import ADMIN
from pilothouse.client.call import Call
from pilothouse.machinery import codec
from pilothouse.machinery.codec import clone
from pilothouse.machinery.meta_v1 import ObjectMeta
from tests.unit.apiserver.registry.house import House, refused

PREFIX = "pod-security.kubernetes.io/"
TIGHT = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}
LOOSE = (
    'allowPrivilegeEscalation != false (container "a" must set securityContext.allowPrivilegeEscalation=false), '
    'unrestricted capabilities (container "a" must set securityContext.capabilities.drop=["ALL"]), '
    'runAsNonRoot != true (pod or container "a" must set securityContext.runAsNonRoot=true), '
    'seccompProfile (pod or container "a" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")'
)


def container(name: str = "a", context: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    return {"name": name, "image": "image:1", "securityContext": context or {}, **fields}


def pod(*containers: dict[str, Any], annotations: dict[str, str] | None = None, **spec: Any) -> Pod:
    found = {"metadata": {"name": "p", "namespace": "n", "annotations": annotations or {}}, "spec": {"containers": [*containers], **spec}}
    return codec.from_dict(found, Pod)


def broken(standard: Standard, found: Pod) -> list[str]:
    return [str(one) for one in standard.findings(found.metadata, found.spec)]


BASELINE, RESTRICTED = Standard("baseline"), Standard("restricted")


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param(pod(container()), [], id="an ordinary pod"),
        pytest.param(
            pod(container(), hostNetwork=True, hostIPC=True), ["host namespaces (hostNetwork=true, hostIPC=true)"], id="namespaces"
        ),
        pytest.param(
            pod(container("a", {"privileged": True}), container("b", {"privileged": True})),
            ['privileged (containers "a", "b" must not set securityContext.privileged=true)'],
            id="privileged",
        ),
        pytest.param(
            pod(container("a", {"capabilities": {"add": ["SYS_TIME", "CHOWN", "NET_ADMIN"]}})),
            ['non-default capabilities (container "a" must not include "NET_ADMIN", "SYS_TIME" in securityContext.capabilities.add)'],
            id="capabilities",
        ),
        pytest.param(
            pod(container(), volumes=[{"name": "v", "hostPath": {"path": "/"}}, {"name": "e", "emptyDir": {}}]),
            ['hostPath volumes (volume "v")'],
            id="host paths",
        ),
        pytest.param(
            pod(container(ports=[{"containerPort": 1, "hostPort": 80}, {"containerPort": 2, "hostPort": 443}, {"containerPort": 3}])),
            ['hostPort (container "a" uses hostPorts 443, 80)'],
            id="host ports",
        ),
        pytest.param(
            pod(
                container(
                    livenessProbe={"httpGet": {"port": 1, "host": "h"}}, lifecycle={"preStop": {"tcpSocket": {"port": 1, "host": "g"}}}
                )
            ),
            ['probe or lifecycle host (container "a" uses probe or lifecycle hosts "g", "h")'],
            id="probed hosts",
        ),
        pytest.param(
            pod(container("a", {"procMount": "Unmasked"})),
            ['procMount (container "a" must not set securityContext.procMount to "Unmasked")'],
            id="proc",
        ),
        pytest.param(
            pod(container("a", {"seLinuxOptions": {"type": "spc_t", "user": "u"}}), securityContext={"seLinuxOptions": {"role": "r"}}),
            [
                'seLinuxOptions (pod and container "a" set forbidden securityContext.seLinuxOptions: type "spc_t"; '
                "user may not be set; role may not be set)"
            ],
            id="SELinux",
        ),
        pytest.param(
            pod(container("a", {"seccompProfile": {"type": "Unconfined"}}), securityContext={"seccompProfile": {"type": "Unconfined"}}),
            ['seccompProfile (pod and container "a" must not set securityContext.seccompProfile.type to "Unconfined")'],
            id="seccomp",
        ),
        pytest.param(
            pod(
                container(),
                securityContext={"sysctls": [{"name": "kernel.msgmax", "value": "1"}, {"name": "net.ipv4.tcp_rmem", "value": "1"}]},
            ),
            ["forbidden sysctls (kernel.msgmax)"],
            id="sysctls",
        ),
        pytest.param(
            pod(container("a", {"windowsOptions": {"hostProcess": True}}), securityContext={"windowsOptions": {"hostProcess": True}}),
            ['hostProcess (pod and container "a" must not set securityContext.windowsOptions.hostProcess=true)'],
            id="host processes",
        ),
        pytest.param(
            pod(container("a", {"appArmorProfile": {"type": "Unconfined"}})),
            ['forbidden AppArmor profile (container "a" must not set AppArmor profile type to "Unconfined")'],
            id="AppArmor",
        ),
        pytest.param(
            pod(container(), annotations={"container.apparmor.security.beta.kubernetes.io/a": "unconfined"}),
            [
                "forbidden AppArmor profile (annotation must not set AppArmor profile type to "
                '"container.apparmor.security.beta.kubernetes.io/a="unconfined"")'
            ],
            id="AppArmor by annotation",
        ),
        pytest.param(
            pod(container("b"), initContainers=[container("a", {"privileged": True})]),
            ['privileged (container "a" must not set securityContext.privileged=true)'],
            id="an init container",
        ),
    ],
)
def test_baseline(found: Pod, expected: list[str]) -> None:
    assert broken(BASELINE, found) == expected


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param(pod(container()), LOOSE, id="a pod that says nothing"),
        pytest.param(pod(container("a", TIGHT)), "", id="a pod that says all"),
        pytest.param(
            pod(
                container("a", {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}}),
                securityContext={"runAsNonRoot": True, "seccompProfile": {"type": "Localhost"}},
            ),
            "",
            id="what the pod says holds for its containers",
        ),
        pytest.param(
            pod(container("a", {**TIGHT, "runAsNonRoot": False, "runAsUser": 0}), securityContext={"runAsUser": 0}),
            'runAsNonRoot != true (container "a" must not set securityContext.runAsNonRoot=false), '
            'runAsUser=0 (pod and container "a" must not set runAsUser=0)',
            id="root",
        ),
        pytest.param(
            pod(container("a", {**TIGHT, "capabilities": {"drop": ["CHOWN"], "add": ["SYS_TIME"]}})),
            'unrestricted capabilities (container "a" must set securityContext.capabilities.drop=["ALL"]; container "a" must not include '
            '"SYS_TIME" in securityContext.capabilities.add)',
            id="capabilities are told once",
        ),
        pytest.param(
            pod(container("a", TIGHT), hostPID=True, volumes=[{"name": "v", "hostPath": {"path": "/"}}, {"name": "w", "nfs": {}}]),
            'host namespaces (hostPID=true), restricted volume types (volumes "v", "w" use restricted volume types "hostPath", "nfs")',
            id="volumes, after what breaks the baseline",
        ),
        pytest.param(pod(container("a", {"runAsNonRoot": True}), os={"name": "windows"}), "", id="Windows knows less"),
    ],
)
def test_restricted(found: Pod, expected: str) -> None:
    assert ", ".join(broken(RESTRICTED, found)) == expected


@pytest.mark.parametrize(
    ("minor", "expected"),
    [
        pytest.param(7, ["runAsNonRoot"], id="v1.7"),
        pytest.param(18, ["allowPrivilegeEscalation", "runAsNonRoot"], id="v1.18"),
        pytest.param(19, ["allowPrivilegeEscalation", "runAsNonRoot", "seccompProfile"], id="v1.19"),
        pytest.param(22, ["allowPrivilegeEscalation", "unrestricted", "runAsNonRoot", "seccompProfile"], id="v1.22"),
    ],
)
def test_old_versions_ask_for_less(minor: int, expected: list[str]) -> None:
    assert [one.split()[0] for one in broken(Standard("restricted", minor), pod(container()))] == expected


def test_before_there_was_a_field_the_annotation_counted() -> None:
    found = pod(container(), annotations={"seccomp.security.alpha.kubernetes.io/pod": "unconfined"})
    told = 'seccompProfile (forbidden annotation seccomp.security.alpha.kubernetes.io/pod="unconfined")'
    assert broken(Standard("baseline", 18), found) == [told]
    assert broken(Standard("baseline", 19), found) == []


def labels(**modes: str) -> dict[str, str]:
    return {PREFIX + mode.replace("_", "-"): value for mode, value in modes.items()}


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        pytest.param({}, Policy(), id="nothing"),
        pytest.param({"enforce": "baseline"}, Policy(BASELINE, Standard(), BASELINE), id="who turns away warns as well"),
        pytest.param(
            {"enforce": "restricted", "enforce_version": "v1.30"},
            Policy(Standard("restricted", 30), Standard(), Standard("restricted", 30)),
            id="of that version",
        ),
        pytest.param(
            {"enforce": "baseline", "warn": "privileged", "audit": "restricted"},
            Policy(BASELINE, RESTRICTED, Standard()),
            id="each for itself",
        ),
        pytest.param({"warn": "restricted", "warn_version": "latest"}, Policy(warn=RESTRICTED), id="only a warning"),
    ],
)
def test_policies(said: dict[str, str], expected: Policy) -> None:
    assert policy_of(labels(**said)) == (expected, [])


def test_what_cannot_be_read_is_enforced_as_the_strictest() -> None:
    policy, problems = policy_of(labels(enforce="tight", warn="loud", warn_version="new"))
    assert policy == Policy(enforce=RESTRICTED)
    assert [str(one) for one in problems] == [
        f'metadata.labels[{PREFIX}enforce]: Invalid value: "tight": must be one of privileged, baseline, restricted',
        f'metadata.labels[{PREFIX}warn]: Invalid value: "loud": must be one of privileged, baseline, restricted',
        f'metadata.labels[{PREFIX}warn-version]: Invalid value: "new": must be "latest" or "v1.x"',
    ]
    assert Standard("baseline", 5).minor < LATEST


async def namespace(house: House, **said: str) -> Namespace:
    made = await house.client.create(Namespace(metadata=ObjectMeta(name="n", labels=labels(**said))))
    await house.client.create(ServiceAccount(metadata=ObjectMeta(name="default", namespace="n")))
    return made


async def warned(house: House, verb: str, obj: Any) -> list[str]:
    warnings: list[str] = []
    name = obj.metadata.name if verb == "update" else ""
    call = Call(verb, resource_of(type(obj)), obj.metadata.namespace, name, body=clone(obj))
    await house.registry.execute(call, ADMIN, warnings=warnings)
    return warnings


async def test_a_namespace_turns_pods_away(house: House) -> None:
    await namespace(house, enforce="restricted")
    async with refused(403, f'pods "p" is forbidden: violates PodSecurity "restricted:latest": {LOOSE}'):
        await house.client.create(pod(container()))
    assert await warned(house, "create", pod(container("a", TIGHT))) == []


async def test_a_namespace_warns(house: House) -> None:
    await namespace(house, warn="restricted", warn_version="v1.7")
    told = 'runAsNonRoot != true (pod or container "a" must set securityContext.runAsNonRoot=true)'
    assert await warned(house, "create", pod(container())) == [f'would violate PodSecurity "restricted:v1.7": {told}']


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        pytest.param(Deployment, lambda template: {"selector": {"matchLabels": {"a": "b"}}, "template": template}, id="a Deployment"),
        pytest.param(
            CronJob,
            lambda template: {"schedule": "* * * * *", "jobTemplate": {"spec": {"template": template}}},
            id="a CronJob",
        ),
    ],
)
async def test_workloads_are_made_with_a_warning(house: House, kind: Any, spec: Any) -> None:
    await namespace(house, enforce="baseline")
    policy = "Never" if kind is CronJob else "Always"
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [container()], "hostNetwork": True, "restartPolicy": policy}}
    workload = codec.from_dict({"metadata": {"name": "w", "namespace": "n"}, "spec": spec(template)}, kind)
    told = await warned(house, "create", workload)
    assert told == ['would violate PodSecurity "baseline:latest": host namespaces (hostNetwork=true)']


async def test_a_stricter_namespace_tells_which_pods_break_its_standard(house: House) -> None:
    found = await namespace(house)
    for name, fields in (("b", {}), ("a", {}), ("c", {"hostNetwork": True})):
        made = pod(container(), **fields)
        made.metadata.name = name
        await house.client.create(made)
    wanted = clone(found)
    wanted.metadata.labels.update(labels(enforce="restricted", enforce_version="v1.8"))
    assert await warned(house, "update", wanted) == [
        'existing pods in namespace "n" violate the new PodSecurity enforce level "restricted:v1.8"',
        "a (and 1 other pod): allowPrivilegeEscalation != false, runAsNonRoot != true",
        "c: host namespaces, allowPrivilegeEscalation != false, runAsNonRoot != true",
    ]
    wanted.metadata.labels.update(labels(enforce="none"))
    wanted.metadata.resourceVersion = ""
    async with refused(422, f'Namespace "n" is invalid: metadata.labels[{PREFIX}enforce]: Invalid value: "none": must be one of'):
        await house.client.update(wanted)


async def test_a_pod_that_is_there_may_change_what_the_standard_does_not_look_at(house: House) -> None:
    found = await namespace(house)
    made = clone(await house.client.create(pod(container())))
    wanted = clone(found)
    wanted.metadata.labels.update(labels(enforce="restricted"))
    await house.client.update(wanted)
    made.metadata.labels["x"] = "y"
    made = clone(await house.client.update(made))
    made.spec.containers[0].image = "image:2"
    async with refused(403, "violates PodSecurity"):
        await house.client.update(made)
