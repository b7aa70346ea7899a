"""Trust bundles and certificates of pods in projected volumes, over a machine in memory and an API that answers as it is told."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from pilothouse.api.certificates.trustanchors import certificate_text
from pilothouse.api.types.certificates_v1 import (
    ClusterTrustBundle,
    ClusterTrustBundleSpec,
    PodCertificateRequest,
    PodCertificateRequestStatus,
)
from pilothouse.api.types.core_v1 import (
    ClusterTrustBundleProjection,
    Container,
    Node,
    Pod,
    PodCertificateProjection,
    PodSpec,
    ProjectedVolumeSource,
    ServiceAccount,
    Volume,
    VolumeProjection,
)
from pilothouse.kit.virtual_clock import VirtualClock
from pilothouse.kubelet.config import KubeletConfig
from pilothouse.kubelet.host.simulated import SimulatedHost
from pilothouse.kubelet.mounts.keys import new_key
from pilothouse.kubelet.mounts.manager import VolumeManager
from pilothouse.kubelet.mounts.port import VolumeError
from pilothouse.kubelet.objects import by_name, by_signer, of_pod, references
from pilothouse.machinery import time as times
from pilothouse.machinery.errors import not_found
from pilothouse.machinery.meta_v1 import Condition, LabelSelector, ObjectMeta

SIGNER = "example.com/signer"
A, B, C = (certificate_text(name.encode() * 60) for name in "ABC")


class FakeApi:
    """Objects and client in one: bundles by field selector, and what was asked for."""

    def __init__(self) -> None:
        self.bundles: list[ClusterTrustBundle] = []
        self.requests: list[PodCertificateRequest] = []

    async def get(self, kind: type[Any], *names: str) -> Any:
        if kind in (Node, ServiceAccount):
            return kind(metadata=ObjectMeta(name=names[0], uid=f"uid-{names[0]}"))
        for bundle in self.bundles:
            if bundle.metadata.name == names[1]:
                return bundle
        raise not_found("clustertrustbundle", "", names[1])

    async def select(self, kind: type[Any], namespace: str, field_selector: str) -> list[Any]:
        if kind is PodCertificateRequest:
            assert (namespace, field_selector) == ("default", "spec.nodeName=node-0,spec.podName=web")
            return self.requests
        return [bundle for bundle in self.bundles if field_selector == by_signer(bundle.spec.signerName)]

    async def create(self, made: PodCertificateRequest) -> PodCertificateRequest:
        made.metadata.name = f"req-{len(self.requests)}"
        self.requests.append(made)
        return made


class House:
    """A volume manager, and a pod with one projected volume."""

    def __init__(self, *sources: VolumeProjection) -> None:
        self.clock, self.host, self.api = VirtualClock(), SimulatedHost(), FakeApi()
        self.files: dict[str, str] = {}
        write = self.host.write_payload

        def remembered(directory: str, files: Any) -> bool:
            self.files = {path: file.data.decode() for path, file in files.items()}
            return write(directory, files)

        self.host.write_payload = remembered  # type: ignore[method-assign]
        api: Any = self.api
        self.manager = VolumeManager(api, api, self.host, self.clock, KubeletConfig(node_ip="10.0.0.5"), "node-0")
        volume = Volume(name="v", projected=ProjectedVolumeSource(sources=list(sources)))
        spec = PodSpec(containers=[Container(name="app")], volumes=[volume], nodeName="node-0")
        self.pod = Pod(metadata=ObjectMeta(name="web", namespace="default", uid="u"), spec=spec)

    def bundle(self, name: str, text: str, signer: str = "", **labels: str) -> None:
        spec = ClusterTrustBundleSpec(signerName=signer, trustBundle=text)
        self.api.bundles.append(ClusterTrustBundle(metadata=ObjectMeta(name=name, labels=labels), spec=spec))

    def end(self, type: str, **status: str) -> None:
        """The newest request ends."""
        condition = Condition(type=type, status="True", reason="Why", message="because")
        self.api.requests[-1].status = PodCertificateRequestStatus(conditions=[condition], **status)

    def issue(self, chain: str, seconds: int) -> None:
        self.end("Issued", certificateChain=chain, beginRefreshAt=times.text(self.clock.now() + timedelta(seconds=seconds)))


def trusting(**fields: Any) -> VolumeProjection:
    return VolumeProjection(clusterTrustBundle=ClusterTrustBundleProjection(path="anchors", **fields))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param({"name": "one"}, {A, B}, id="by name, each once"),
        pytest.param({"signerName": SIGNER, "labelSelector": LabelSelector()}, {A, B, C}, id="all of a signer"),
        pytest.param({"signerName": SIGNER, "labelSelector": LabelSelector(matchLabels={"live": "no"})}, {C}, id="by labels"),
        pytest.param({"name": "no", "optional": True}, set(), id="optional and missing"),
        pytest.param({"signerName": SIGNER, "optional": True}, set(), id="no selector chooses none"),
    ],
)
async def test_trust_bundles(fields: dict[str, Any], expected: set[str]) -> None:
    house = House(trusting(**fields))
    house.bundle("one", f"text between\n{A}{B}{A}", live="yes")
    house.bundle("signers", A + B, SIGNER, live="yes")
    house.bundle("signers:two", C + B, SIGNER, live="no")
    house.bundle("other", certificate_text(b"D"), "example.com/other", live="no")
    if fields.get("labelSelector") == LabelSelector(matchLabels={"live": "no"}):
        house.api.bundles[2].spec.trustBundle = C
    await house.manager.prepare(house.pod)
    shown = house.files["anchors"]
    assert {f"{part}-----END CERTIFICATE-----\n" for part in shown.split("-----END CERTIFICATE-----\n")[:-1]} == expected
    assert len(shown) == sum(map(len, expected))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        pytest.param({"name": "no"}, 'while getting ClusterTrustBundle: clustertrustbundle "no" not found', id="missing"),
        pytest.param({"signerName": SIGNER, "labelSelector": LabelSelector()}, "matched zero ClusterTrustBundles", id="none of the signer"),
        pytest.param({}, "requires either name or signerName to be set", id="neither"),
    ],
)
async def test_a_missing_bundle_keeps_a_pod_from_starting(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(VolumeError, match=message):
        await House(trusting(**fields)).manager.prepare(House(trusting(**fields)).pod)


def certified(**fields: Any) -> VolumeProjection:
    return VolumeProjection(podCertificate=PodCertificateProjection(signerName=SIGNER, keyType="ED25519", **fields))


async def test_a_certificate_is_asked_for_shown_and_renewed() -> None:
    paths = {"credentialBundlePath": "both", "keyPath": "key", "certificateChainPath": "chain"}
    house = House(certified(maxExpirationSeconds=7200, userAnnotations={"example.com/a": "b"}, **paths))
    for _ in range(2):
        with pytest.raises(VolumeError, match="credential bundle is not issued yet"):
            await house.manager.prepare(house.pod)
    (request,) = house.api.requests
    spec = request.spec
    assert (spec.signerName, spec.podName, spec.podUID, spec.nodeName, spec.nodeUID) == (SIGNER, "web", "u", "node-0", "uid-node-0")
    assert (spec.serviceAccountName, spec.serviceAccountUID, spec.maxExpirationSeconds) == ("default", "uid-default", 7200)
    assert (spec.unverifiedUserAnnotations, request.metadata.ownerReferences[0].uid) == ({"example.com/a": "b"}, "u")

    house.issue(f"# a remark\n{A}{B}", 3600)
    await house.manager.prepare(house.pod)
    key = house.files["key"]
    assert house.files == {"key": key, "chain": A + B, "both": key + A + B}
    asked_with = x509.load_der_x509_csr(base64.b64decode(spec.stubPKCS10Request or "")).public_key()
    assert serialization.load_pem_private_key(key.encode(), None).public_key() == asked_with

    await house.clock.advance(3600 + 300)
    await house.manager.refresh(house.pod)
    assert (len(house.api.requests), house.files["key"]) == (2, key)
    house.issue(C, 3600)
    await house.manager.refresh(house.pod)
    assert (house.files["chain"], house.files["key"] == key, len(house.api.requests)) == (C, False, 2)


@pytest.mark.parametrize("type", ["Denied", "Failed"])
async def test_what_a_signer_refuses_stays_refused(type: str) -> None:
    house = House(certified(keyPath="key"))
    with pytest.raises(VolumeError):
        await house.manager.prepare(house.pod)
    house.end(type)
    for _ in range(2):
        with pytest.raises(VolumeError, match=f'permanently {type.lower()}: reason="Why" message="because"'):
            await house.manager.prepare(house.pod)
    assert len(house.api.requests) == 1


async def test_a_request_that_was_deleted_is_made_anew_after_a_while() -> None:
    house = House(certified(keyPath="key"))
    for seconds, expected in ((0, 1), (600, 1), (301, 2)):
        await house.clock.advance(seconds)
        with pytest.raises(VolumeError):
            await house.manager.prepare(house.pod)
        assert len(house.api.requests) == expected
        for request in house.api.requests:
            request.metadata.name = "gone"


def test_what_is_watched_for_a_pod() -> None:
    pod = House(trusting(name="one"), trusting(signerName=SIGNER), certified(keyPath="key")).pod
    assert references(pod) == {
        (ClusterTrustBundle, "", by_name("one")),
        (ClusterTrustBundle, "", by_signer(SIGNER)),
        (PodCertificateRequest, "default", of_pod(pod)),
    }


@pytest.mark.parametrize("key_type", ["RSA3072", "ECDSAP256", "ECDSAP384", "ECDSAP521", "ED25519"])
def test_every_type_of_key(key_type: str) -> None:
    text, request = new_key(key_type)
    proof = x509.load_der_x509_csr(request)
    assert proof.is_signature_valid
    assert serialization.load_pem_private_key(text.encode(), None).public_key() == proof.public_key()


def test_an_unknown_type_of_key() -> None:
    with pytest.raises(VolumeError, match='unknown key type "DSA"'):
        new_key("DSA")
