"""What kubelets may ask certificates for: each field wrong once, with the words of upstream's NodeRestriction."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import pytest

from pilothouse.api.types.certificates_v1 import PodCertificateRequest, PodCertificateRequestSpec
from pilothouse.api.types.core_v1 import (
    Node,
    Pod,
    PodCertificateProjection,
    ProjectedVolumeSource,
    ServiceAccount,
    Volume,
    VolumeProjection,
)
from pilothouse.api.types.rbac_v1 import PolicyRule, RoleRef
from pilothouse.apiserver.admission.noderestriction.podcertificates import ASK_FOR_SIGNER
from pilothouse.apiserver.auth.authorizer import Attributes, Decision
from pilothouse.apiserver.auth.user import NODES, User
from pilothouse.client.client import Client
from pilothouse.kubelet.mounts.keys import new_key
from pilothouse.machinery.meta_v1 import ObjectMeta
from tests.unit.apiserver.registry.house import House, open_house, pod, refused

SIGNER = "example.com/signer"
REQUEST = base64.b64encode(new_key("ED25519")[1]).decode()


async def asked(house: House, **changes: Any) -> PodCertificateRequest:
    """A request that is right but for the changes, and what it is about."""
    node = await house.client.create(Node(metadata=ObjectMeta(name="n")))
    account = await house.client.create(ServiceAccount(metadata=ObjectMeta(name="robot", namespace="default")))
    other: Pod = pod("other")
    other.spec.nodeName = "m"
    await house.client.create(other)
    certified: Pod = pod("web")
    certified.spec.nodeName, certified.spec.serviceAccountName = "n", "robot"
    projection = VolumeProjection(podCertificate=PodCertificateProjection(signerName=SIGNER, keyType="ED25519", keyPath="key"))
    certified.spec.volumes = [Volume(name="v", projected=ProjectedVolumeSource(sources=[projection]))]
    made = await house.client.create(certified)
    right = {
        "signerName": SIGNER,
        "podName": "web",
        "podUID": made.metadata.uid,
        "nodeName": "n",
        "nodeUID": node.metadata.uid,
        "serviceAccountName": "robot",
        "serviceAccountUID": account.metadata.uid,
        "stubPKCS10Request": REQUEST,
    }
    meta = ObjectMeta(generateName="req-", namespace="default")
    return PodCertificateRequest(metadata=meta, spec=PodCertificateRequestSpec(**{**right, **changes}))


def kubelet(house: House) -> Client:
    return Client(house.registry.transport(User("system:node:n", groups=(NODES,))))


async def test_a_kubelet_asks_for_a_pod_of_its_own(house: House) -> None:
    made = await kubelet(house).create(await asked(house))
    assert (made.spec.podName, made.metadata.name.startswith("req-")) == ("web", True)


@pytest.mark.parametrize(
    ("changes", "code", "message"),
    [
        ({"nodeName": "m"}, 403, 'PodCertificateRequest.Spec.NodeName="m", which is not the requesting node "n"'),
        ({"nodeUID": "x"}, 500, 'PodCertificateRequest for pod "default/web" names node UID "x", inconsistent with the running node ("'),
        ({"podName": "no"}, 500, 'while retrieving pod "default/no" named in the PodCertificateRequest: pod "no" not found'),
        ({"podUID": "x"}, 500, 'PodCertificateRequest for pod "default/web" contains pod UID ("x") which differs from running pod "'),
        (
            {"serviceAccountName": "default"},
            403,
            'PodCertificateRequest for pod "default/web" contains serviceAccountName ("default") that differs from running pod ("robot")',
        ),
        (
            {"serviceAccountUID": "x"},
            500,
            'PodCertificateRequest for pod "default/web" names service account UID "x", which differs from the running service account ("',
        ),
    ],
)
async def test_a_kubelet_asks_for_what_is_not_its_own(house: House, changes: dict[str, Any], code: int, message: str) -> None:
    request = await asked(house, **changes)
    async with refused(code, message):
        await kubelet(house).create(request)


async def test_a_pod_of_another_node(house: House) -> None:
    request = await asked(house)
    other = await house.client.get(Pod, "other", "default")
    request.spec.podName, request.spec.podUID = "other", other.metadata.uid
    async with refused(403, 'pod "default/other" is not running on node "n" named in the PodCertificateRequest'):
        await kubelet(house).create(request)


class ProbeRunner:
    """Lets who asks do so for one ServiceAccount and signer, if any."""

    def __init__(self, resource: str = "") -> None:
        self.resource = resource

    def authorize(self, user: User, attributes: Attributes) -> Decision:
        if attributes.verb != ASK_FOR_SIGNER:
            return Decision(True)
        assert (attributes.group, attributes.namespace, attributes.name) == ("certificates.k8s.io", "default", "robot")
        return Decision(attributes.resource == self.resource)

    def revision(self) -> int:
        return 0

    def rules(self, user: User, namespace: str, resource: str = "") -> tuple[Sequence[PolicyRule], str]:
        return (), ""

    def role_rules(self, ref: RoleRef, namespace: str) -> Sequence[PolicyRule] | None:
        return None


async def test_a_signer_that_the_pod_does_not_name_needs_a_role() -> None:
    async with open_house(authorizer=ProbeRunner()) as house:
        request = await asked(house, signerName="example.com/other")
        async with refused(403, 'pod "default/web" does not mount a podCertificate projected volume for signer "example.com/other"'):
            await kubelet(house).create(request)
    async with open_house(authorizer=ProbeRunner("example.com:other")) as house:
        await kubelet(house).create(await asked(house, signerName="example.com/other"))


async def test_others_may_ask_what_roles_let_them(house: House) -> None:
    made = await house.client.create(await asked(house, nodeUID="x"))
    assert made.spec.nodeUID == "x"
