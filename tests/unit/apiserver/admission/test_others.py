"""Admission beyond pods: default classes, and what kubelets may write."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pilothouse.api.types.certificates_v1 import (
    CertificateSigningRequest,
    CertificateSigningRequestCondition,
    CertificateSigningRequestSpec,
)
from pilothouse.api.types.coordination_v1 import Lease
from pilothouse.api.types.core_v1 import (
    HostPathVolumeSource,
    Node,
    PersistentVolume,
    PersistentVolumeClaim,
    PersistentVolumeClaimSpec,
    PersistentVolumeSpec,
    Pod,
    Taint,
    VolumeResourceRequirements,
)
from pilothouse.api.types.rbac_v1 import PolicyRule, RoleRef
from pilothouse.api.types.storage_v1 import StorageClass
from pilothouse.apiserver.auth.authorizer import Attributes, Decision
from pilothouse.apiserver.auth.user import ADMIN, NODES, User
from pilothouse.client.client import Client
from pilothouse.machinery.codec import clone
from pilothouse.machinery.errors import StatusError
from pilothouse.machinery.meta_v1 import ObjectMeta
from tests.unit.apiserver.registry.house import House, open_house, pod, refused


def claim(name: str, storage_class: str | None) -> PersistentVolumeClaim:
    resources = VolumeResourceRequirements(requests={"storage": "1Gi"})
    spec = PersistentVolumeClaimSpec(accessModes=["ReadWriteOnce"], resources=resources, storageClassName=storage_class)
    return PersistentVolumeClaim(metadata=ObjectMeta(name=name, namespace="default"), spec=spec)


@pytest.mark.parametrize(
    ("named", "expected"),
    [pytest.param(None, "usual", id="none named"), pytest.param("", "", id="none wanted"), pytest.param("other", "other", id="one named")],
)
async def test_a_claim_gets_the_default_class(house: House, named: str | None, expected: str) -> None:
    marked = {"storageclass.kubernetes.io/is-default-class": "true"}
    await house.client.create(StorageClass(metadata=ObjectMeta(name="usual", annotations=marked), provisioner="example.com/p"))
    await house.client.create(StorageClass(metadata=ObjectMeta(name="another"), provisioner="example.com/p"))
    assert (await house.client.create(claim("a", named))).spec.storageClassName == expected


def kubelet(house: House, node: str = "n") -> Client:
    return Client(house.registry.transport(User(f"system:node:{node}", groups=(NODES,))))


async def test_a_kubelet_writes_what_is_its_own(house: House) -> None:
    mine = kubelet(house)
    made = clone(await mine.create(Node(metadata=ObjectMeta(name="n"))))
    made.metadata.labels["kubernetes.io/os"] = "linux"
    await mine.update(made)
    await mine.create(Lease(metadata=ObjectMeta(name="n", namespace="kube-node-lease")))
    await house.client.create(pod("a", node="n"))
    await mine.patch(Pod, "a", "default", b'{"status":{"phase":"Running"}}', subresource="status")
    await mine.delete(Pod, "a", "default")


async def test_a_certificate_request_says_who_made_it(house: House) -> None:
    wanted = certificate_request("a.example/b")
    wanted.spec.username = "somebody else"
    jane = Client(house.registry.transport(User("jane", "7", ("devs",), {"scopes": ("a", "b")})))
    made = await jane.create(wanted)
    assert (made.spec.username, made.spec.uid, made.spec.groups, made.spec.extra) == ("jane", "7", ["devs"], {"scopes": ["a", "b"]})


async def lease_of_another(mine: Client) -> None:
    await mine.create(Lease(metadata=ObjectMeta(name="m", namespace="kube-node-lease")))


async def lease_elsewhere(mine: Client) -> None:
    await mine.create(Lease(metadata=ObjectMeta(name="n", namespace="default")))


async def another_node(mine: Client) -> None:
    await mine.patch(Node, "m", "", b'{"metadata":{"labels":{"a":"b"}}}')


async def taint_itself(mine: Client) -> None:
    made = clone(await mine.get(Node, "n"))
    made.spec.taints = [Taint(key="a", effect="NoSchedule")]
    await mine.update(made)


async def restricted_label(mine: Client) -> None:
    await mine.patch(Node, "n", "", b'{"metadata":{"labels":{"node-restriction.kubernetes.io/a":"b"}}}')


async def pod_of_another(mine: Client) -> None:
    await mine.patch(Pod, "theirs", "default", b'{"status":{"phase":"Running"}}', subresource="status")


async def make_a_pod(mine: Client) -> None:
    await mine.create(pod("b", node="n"))


async def relabel_a_pod(mine: Client) -> None:
    await mine.patch(Pod, "mine", "default", b'{"metadata":{"labels":{"a":"b"}}}')


@pytest.mark.parametrize(
    ("attempt", "message"),
    [
        pytest.param(lease_of_another, "can only access node lease with the same name", id="lease of another"),
        pytest.param(lease_elsewhere, 'can only access leases in the "kube-node-lease" system namespace', id="lease elsewhere"),
        pytest.param(another_node, 'node "n" is not allowed to modify node "m"', id="another node"),
        pytest.param(taint_itself, 'node "n" is not allowed to modify taints', id="its own taints"),
        pytest.param(restricted_label, "is not allowed to modify labels: node-restriction.kubernetes.io/a", id="a restricted label"),
        pytest.param(pod_of_another, "can only update pod status for pods with spec.nodeName set to itself", id="pod of another"),
        pytest.param(make_a_pod, "can only create mirror pods", id="a pod of its own making"),
        pytest.param(relabel_a_pod, "unexpected operation", id="the pod itself"),
    ],
)
async def test_a_kubelet_writes_nothing_else(house: House, attempt: Any, message: str) -> None:
    for name in "nm":
        await house.client.create(Node(metadata=ObjectMeta(name=name)))
    await house.client.create(pod("theirs", node="m"))
    await house.client.create(pod("mine", node="n"))
    async with refused(403, message):
        await attempt(kubelet(house))


def sized(name: str, size: str, storage_class: str | None = "growing") -> PersistentVolumeClaim:
    made = claim(name, storage_class)
    assert made.spec.resources is not None
    made.spec.resources.requests["storage"] = size
    return made


NOT_GROWING = "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize"


@pytest.mark.parametrize(
    ("storage_class", "problem"),
    [
        pytest.param("growing", "", id="a class that lets claims grow"),
        pytest.param("fixed", NOT_GROWING, id="a class that does not"),
        pytest.param("", NOT_GROWING, id="no class"),
    ],
)
async def test_claims_grow(house: House, storage_class: str, problem: str) -> None:
    for name, grows in (("growing", True), ("fixed", None)):
        await house.client.create(StorageClass(metadata=ObjectMeta(name=name), provisioner="example.com/p", allowVolumeExpansion=grows))
    made = clone(await house.client.create(sized("c", "1Gi", storage_class)))
    made.status.phase = "Bound"
    made = clone(await house.client.update(made, subresource="status"))
    assert made.spec.resources is not None
    made.spec.resources.requests["storage"] = "2Gi"
    if not problem:
        assert (await house.client.update(made)).spec.resources == made.spec.resources
        return
    async with refused(403, f'persistentvolumeclaims "c" is forbidden: {problem}'):
        await house.client.update(made)


async def test_volumes_and_claims_are_protected_from_their_first_moment(house: House) -> None:
    made = claim("c", None)
    made.metadata.finalizers = ["example.com/mine"]
    assert (await house.client.create(made)).metadata.finalizers == ["example.com/mine", "kubernetes.io/pvc-protection"]
    source = HostPathVolumeSource(path="/tmp/v")
    spec = PersistentVolumeSpec(accessModes=["ReadWriteOnce"], capacity={"storage": "1Gi"}, hostPath=source)
    volume = PersistentVolume(metadata=ObjectMeta(name="v", finalizers=["kubernetes.io/pv-protection"]), spec=spec)
    assert (await house.client.create(volume)).metadata.finalizers == ["kubernetes.io/pv-protection"]


def certificate_request(signer: str, *organizations: str) -> CertificateSigningRequest:
    subject = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, one) for one in organizations])
    signed = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    pem = base64.b64encode(signed.public_bytes(serialization.Encoding.PEM)).decode()
    spec = CertificateSigningRequestSpec(request=pem, signerName=signer, usages=["client auth"])
    return CertificateSigningRequest(metadata=ObjectMeta(name="r"), spec=spec)


async def test_no_certificate_makes_an_administrator(house: House) -> None:
    signer = "kubernetes.io/kube-apiserver-client"
    problem = f'"r" is forbidden: use of {signer} signer with system:masters group is not allowed'
    async with refused(403, problem):
        await house.client.create(certificate_request(signer, "dev", "system:masters"))
    await house.client.create(certificate_request(signer, "dev"))
    await house.client.delete(CertificateSigningRequest, "r")
    await house.client.create(certificate_request("example.com/other", "system:masters"))


class Signers:
    """An authorizer of the rest: what may be done with which signers."""

    def __init__(self, **allowed: str) -> None:
        self.allowed = allowed

    def authorize(self, user: User, attributes: Attributes) -> Decision:
        assert (attributes.group, attributes.resource, user) == ("certificates.k8s.io", "signers", ADMIN)
        return Decision(self.allowed.get(attributes.verb) == attributes.name)

    def rules(self, user: User, namespace: str, resource: str = "") -> tuple[Sequence[PolicyRule], str]:
        return (), ""

    def role_rules(self, ref: RoleRef, namespace: str) -> Sequence[PolicyRule] | None:
        return None


@pytest.mark.parametrize(
    ("allowed", "refusals"),
    [
        pytest.param({}, ["approve", "sign"], id="none"),
        pytest.param({"approve": "example.com/a"}, ["sign"], id="to approve for this signer"),
        pytest.param({"approve": "example.com/*", "sign": "example.com/b"}, ["sign"], id="for the domain, and for another"),
        pytest.param({"approve": "example.com/*", "sign": "example.com/a"}, [], id="both"),
    ],
)
async def test_approving_and_signing_are_rights_by_signer(allowed: dict[str, str], refusals: list[str]) -> None:
    async with open_house(authorizer=Signers(**allowed)) as house:
        made = clone(await house.client.create(certificate_request("example.com/a", "dev")))
        made.metadata.resourceVersion = ""
        made.status.conditions = [CertificateSigningRequestCondition(type="Approved", status="True", reason="x")]
        met = []
        for verb, subresource in (("approve", "approval"), ("sign", "status")):
            try:
                await house.client.update(made, subresource=subresource)
            except StatusError as error:
                text = f'"r" is forbidden: user not permitted to {verb} requests with signerName "example.com/a"'
                met.append(verb if text in error.status.message else error.status.message)
            said = clone(await house.client.get(CertificateSigningRequest, "r")).status.conditions
            made.status.conditions = [*said, CertificateSigningRequestCondition(type="Failed", status="True", reason="x")]
        assert met == refusals


async def test_a_status_that_says_nothing_new_needs_no_right_to_sign() -> None:
    async with open_house(authorizer=Signers()) as house:
        made = await house.client.create(certificate_request("example.com/a", "dev"))
        assert await house.client.update(clone(made), subresource="status") == made
