"""A user as Kubernetes' own guide makes one: a key, a request that is approved, and a certificate that the API server knows."""

from __future__ import annotations

import base64
import json
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.e2e.tools import Kubectl, until


def make_request(folder: Path, user: str) -> str:
    """A request for a certificate, whose key lies in `folder`; base64 of PEM, as the API wants it."""
    key = ec.generate_private_key(ec.SECP256R1())
    kind = serialization.PrivateFormat.PKCS8
    (folder / "user.key").write_bytes(key.private_bytes(serialization.Encoding.PEM, kind, serialization.NoEncryption()))
    subject = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "dev"), x509.NameAttribute(NameOID.COMMON_NAME, user)])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return base64.b64encode(request.public_bytes(serialization.Encoding.PEM)).decode()


def with_certificate(kubectl: Kubectl, folder: Path) -> Path:
    """A kubeconfig for the same cluster, with the certificate and key that lie in `folder`."""
    config = json.loads(kubectl("config", "view", "--raw", "-o", "json"))
    for one in config["users"]:
        one["user"] = {"client-certificate": str(folder / "user.crt"), "client-key": str(folder / "user.key")}
    path = folder / "kubeconfig"
    path.write_text(json.dumps(config))
    return path


def test_a_user_gets_a_certificate_and_what_a_role_grants(kubectl: Kubectl, tmp_path: Path) -> None:
    user = f"jane-{kubectl.namespace}"
    spec = {"request": make_request(tmp_path, user), "signerName": "kubernetes.io/kube-apiserver-client", "usages": ["client auth"]}
    kubectl.apply({"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": {"name": user}, "spec": spec})
    try:
        kubectl("certificate", "approve", user)
        certificate = until("it is signed", lambda: kubectl.get("csr", user)["status"].get("certificate"))
        assert kubectl("get", "csr", user, "--no-headers").split()[-1] == "Approved,Issued"
    finally:
        kubectl("delete", "csr", user)
    (tmp_path / "user.crt").write_bytes(base64.b64decode(certificate))
    jane = Kubectl(kubectl.binary, with_certificate(kubectl, tmp_path), kubectl.namespace)
    assert f'User "{user}" cannot list resource "pods"' in jane.run("get", "pods").stderr
    kubectl("create", "role", "reader", "--verb=list", "--resource=pods")
    kubectl("create", "rolebinding", "reader", "--role=reader", "--group=dev")
    until("the role counts", lambda: jane.run("get", "pods").returncode == 0)
