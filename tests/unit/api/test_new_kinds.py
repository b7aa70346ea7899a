"""The kinds that came with 1.36 and 1.37: what they leave out, what is wrong with them, what their tables show."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from tests.unit.api.objects import cells, created, defaulted, parsed, wrong_with, wrong_with_change, wrong_with_status

KEY = ec.generate_private_key(ec.SECP256R1())
NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a")])
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def certificate(ca: bool = True) -> str:
    builder = x509.CertificateBuilder().subject_name(NAME).issuer_name(NAME).public_key(KEY.public_key()).serial_number(1)
    builder = builder.not_valid_before(NOON).not_valid_after(NOON + timedelta(days=1))
    made = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True).sign(KEY, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM).decode()


def request(key: Any = KEY) -> str:
    made = x509.CertificateSigningRequestBuilder().subject_name(NAME).sign(key, hashes.SHA256())
    return base64.b64encode(made.public_bytes(serialization.Encoding.DER)).decode()


ROOT = certificate()


def document(api_version: str, kind: str, name: str = "a", **fields: Any) -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, **fields}


def bundle(text: str = ROOT, signer: str = "", name: str = "a") -> dict[str, Any]:
    return document("certificates.k8s.io/v1", "ClusterTrustBundle", name, spec={"trustBundle": text, "signerName": signer})


def pod_certificate(**spec: Any) -> dict[str, Any]:
    full = {
        "signerName": "example.com/a", "podName": "p", "podUID": "1", "serviceAccountName": "s", "serviceAccountUID": "2",
        "nodeName": "n", "nodeUID": "3", "maxExpirationSeconds": 3600, "stubPKCS10Request": request(),
    }  # fmt: skip
    made = document("certificates.k8s.io/v1", "PodCertificateRequest", spec=full | spec)
    made["metadata"]["namespace"] = "default"
    return made


def taint(**spec: Any) -> dict[str, Any]:
    return document("resource.k8s.io/v1", "DeviceTaintRule", spec={"taint": {"key": "a", "effect": "NoSchedule"}, **spec})


def migration(resource: str = "pods", group: str = "") -> dict[str, Any]:
    return document("storagemigration.k8s.io/v1", "StorageVersionMigration", spec={"resource": {"resource": resource, "group": group}})


RULE = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}
MUTATION = {"patchType": "JSONPatch", "jsonPatch": {"expression": "[JSONPatch{op: 'test', path: '/a'}]"}}
ADMISSION = "admissionregistration.k8s.io/v1"


def policy(**spec: Any) -> dict[str, Any]:
    full = {"matchConstraints": {"resourceRules": [RULE]}, "mutations": [MUTATION], "reinvocationPolicy": "Never"}
    return document(ADMISSION, "MutatingAdmissionPolicy", spec=full | spec)


def binding(**spec: Any) -> dict[str, Any]:
    return document(ADMISSION, "MutatingAdmissionPolicyBinding", spec={"policyName": "a", **spec})


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        pytest.param(bundle(), [], id="a trust anchor"),
        pytest.param(bundle(signer="example.com/a", name="example.com:a:b"), [], id="a signer's trust anchor"),
        pytest.param(
            bundle(name="a:b"),
            ['metadata.name: Invalid value: "a:b": ClusterTrustBundle without signer name must not have ":" in its name'],
            id="a colon without a signer",
        ),
        pytest.param(
            bundle(signer="example.com/a"),
            ['metadata.name: Invalid value: "a": ClusterTrustBundle for signerName example.com/a must be named with prefix example.com:a:'],
            id="a name that is not the signer's",
        ),
        pytest.param(
            bundle("nothing"),
            ['spec.trustBundle: Invalid value: "<value omitted>": at least one trust anchor must be provided'],
            id="no block",
        ),
        pytest.param(
            bundle(ROOT + ROOT),
            ['spec.trustBundle: Invalid value: "<value omitted>": duplicate trust anchor (indices [0 1])'],
            id="one certificate twice",
        ),
        pytest.param(
            bundle(certificate(ca=False)),
            ['spec.trustBundle: Invalid value: "<value omitted>": entry 0 does not have the CA bit set'],
            id="no certificate of a CA",
        ),
        pytest.param(
            bundle(ROOT.replace("CERTIFICATE", "X")),
            ['spec.trustBundle: Invalid value: "<value omitted>": entry 0 has bad block type: X'],
            id="another block",
        ),
        pytest.param(pod_certificate(), [], id="a pod's request"),
        pytest.param(
            pod_certificate(maxExpirationSeconds=60),
            ["spec.maxExpirationSeconds: Invalid value: 60: must be in the range [3600, 7862400]"],
            id="too short",
        ),
        pytest.param(
            pod_certificate(stubPKCS10Request="YQ=="),
            ["spec.stubPKCS10Request: Invalid value: must be a valid PKCS#10 CSR"],
            id="no PKCS#10",
        ),
        pytest.param(
            pod_certificate(stubPKCS10Request=request(rsa.generate_private_key(65537, 2048))),
            ["spec.stubPKCS10Request: Invalid value: RSA keys must have modulus size 3072 or 4096"],
            id="a small key",
        ),
        pytest.param(taint(), [], id="a device taint"),
        pytest.param(
            taint(taint={"key": "a", "effect": "Never"}),
            ['spec.taint.effect: Unsupported value: "Never": supported values: "NoExecute", "NoSchedule", "None"'],
            id="an unknown effect",
        ),
        pytest.param(migration(), [], id="a migration"),
        pytest.param(migration(""), ["spec.resource.resource: Required value: resource is required to be set"], id="of nothing"),
        pytest.param(policy(), [], id="a policy"),
        pytest.param(
            policy(mutations=[], reinvocationPolicy=""),
            ["spec.mutations: Required value: mutations must contain at least one item", "spec.reinvocationPolicy: Required value"],
            id="a policy of nothing",
        ),
        pytest.param(
            policy(matchConstraints={"resourceRules": [RULE | {"operations": ["DELETE"]}]}),
            [
                'spec.matchConstraints.resourceRules.operations: Unsupported value: "DELETE": supported values: "*", "CONNECT", '
                '"CREATE", "UPDATE"',
            ],
            id="a policy of deletes",
        ),
        pytest.param(
            policy(mutations=[{"patchType": "JSONPatch", "applyConfiguration": {"expression": "a"}}]),
            [
                "spec.mutations[0].jsonPatch: Required value: must be specified when patchType is JSONPatch",
                'spec.mutations[0].applyConfiguration: Invalid value: "{applyConfiguration}": must not be specified when patchType '
                "is JSONPatch",
            ],
            id="a mutation of the other kind",
        ),
        pytest.param(binding(), [], id="a binding"),
        pytest.param(
            binding(policyName="", paramRef={}),
            [
                "spec.policyName: Required value",
                "spec.paramRef: Required value: one of name or selector must be specified",
                "spec.paramRef.parameterNotFoundAction: Required value",
            ],
            id="a binding of nothing",
        ),
    ],
)
def test_everything_wrong_is_reported_in_upstreams_words(made: dict[str, Any], expected: list[str]) -> None:
    assert wrong_with(made) == expected


def test_what_a_policy_leaves_out() -> None:
    spec = defaulted(policy()).spec
    assert (spec.failurePolicy, spec.matchConstraints.matchPolicy) == ("Fail", "Equivalent")
    assert spec.matchConstraints.resourceRules[0].scope == "*"


def test_a_taint_was_added_when_its_rule_was_made() -> None:
    made = taint()
    made["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z"
    assert created(made).spec.taint.timeAdded == "2026-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param(migration(), migration("nodes"), ["spec: Invalid value: "], id="a migration is of one resource"),
        pytest.param(bundle(), bundle("x"), ['spec.trustBundle: Invalid value: "<value omitted>"'], id="what changes is parsed"),
    ],
)
def test_what_may_not_change(before: dict[str, Any], after: dict[str, Any], expected: list[str]) -> None:
    seen = wrong_with_change(created(before), created(after))
    assert [text[: len(start)] for text, start in zip(seen, expected, strict=True)] == expected


def test_a_pod_certificate_request_ends_once() -> None:
    condition = {"type": "Denied", "status": "True", "reason": "No", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    pending, denied = parsed(pod_certificate()), parsed(pod_certificate() | {"status": {"conditions": [condition]}})
    assert wrong_with_status(pending, denied) == []
    again = parsed(pod_certificate() | {"status": {"conditions": [condition | {"reason": "Never"}]}})
    (text,) = wrong_with_status(denied, again)
    assert text.endswith("immutable after PodCertificateRequest is issued, denied, or failed")


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        pytest.param(bundle(), {"SignerName": "<none>"}, id="bundle"),
        pytest.param(pod_certificate(), {"PodName": "p", "State": "Pending"}, id="request"),
        pytest.param(taint(), {"Key": "a", "Effect": "NoSchedule"}, id="taint"),
        pytest.param(migration("deployments", "apps"), {"Resource": "deployments.apps", "Status": "Unknown"}, id="migration"),
        pytest.param(policy(), {"Mutations": 1, "ParamKind": "<unset>"}, id="policy"),
        pytest.param(
            binding(paramRef={"name": "x", "parameterNotFoundAction": "Deny"}), {"PolicyName": "a", "ParamRef": "*/x"}, id="binding"
        ),
    ],
)
def test_columns(made: dict[str, Any], expected: dict[str, Any]) -> None:
    shown = cells(parsed(made))
    assert {name: shown[name] for name in expected} == expected
