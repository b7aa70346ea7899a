"""Token Secrets: filled, good for requests, and gone with their ServiceAccount."""

from __future__ import annotations

import base64
from typing import Any

import jwt
import pytest

from pilothouse.api.types.core_v1 import Secret, ServiceAccount
from pilothouse.controllers.builtin.serviceaccounttoken import IssuedToken, ServiceAccountTokenController
from pilothouse.controllers.framework.actions import Delete, Update
from pilothouse.controllers.framework.settings import Settings
from pilothouse.machinery import codec
from pilothouse.testing.cluster import Cluster
from pilothouse.testing.controllers import planned

pytestmark = pytest.mark.cluster(clock="still")

UID = "kubernetes.io/service-account.uid"
SECRET = """
apiVersion: v1
kind: Secret
metadata: {name: robot-token, annotations: {kubernetes.io/service-account.name: robot}}
type: kubernetes.io/service-account-token
"""
ACCOUNT = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: robot}"


def text(secret: Secret, name: str) -> str:
    return base64.b64decode(secret.data[name]).decode()


def test_is_filled_and_goes_with_its_account(cluster: Cluster) -> None:
    cluster.apply(ACCOUNT)
    cluster.apply(SECRET)
    cluster.advance("5s")
    secret = cluster.get(Secret, "robot-token")
    assert text(secret, "namespace") == "default"
    assert secret.metadata.annotations[UID] == cluster.get(ServiceAccount, "robot").metadata.uid
    claims = jwt.decode(text(secret, "token"), options={"verify_signature": False})
    assert claims["sub"] == "system:serviceaccount:default:robot"
    assert claims["kubernetes.io"]["secret"] == {"name": "robot-token", "uid": secret.metadata.uid}
    before = secret.metadata.resourceVersion
    cluster.advance("1h")
    assert cluster.get(Secret, "robot-token").metadata.resourceVersion == before
    cluster.delete(ServiceAccount, "robot")
    cluster.advance("5s")
    assert cluster.list(Secret, "default") == []


def test_of_an_account_that_is_not_there_is_deleted(cluster: Cluster) -> None:
    cluster.apply(SECRET)
    cluster.advance("5s")
    assert cluster.list(Secret, "default") == []


def secret(type: str = "kubernetes.io/service-account-token", uid: str = "", **data: str) -> Secret:
    annotations = {"kubernetes.io/service-account.name": "robot"} | ({UID: uid} if uid else {})
    meta = {"name": "s", "namespace": "n", "uid": "s", "annotations": annotations}
    return codec.from_dict({"metadata": meta, "type": type, "data": data}, Secret)


@pytest.mark.parametrize(
    ("one", "found", "expected"),
    [
        pytest.param(secret("Opaque"), None, [], id="another type"),
        pytest.param(secret(), IssuedToken("a", "t"), [Update], id="filled"),
        pytest.param(secret(uid="a", token="dA==", namespace="bg=="), IssuedToken("a"), [Update], id="the CA is missing"),
        pytest.param(secret(uid="a", token="dA==", namespace="bg==", **{"ca.crt": "Y2E="}), IssuedToken("a"), [], id="all is there"),
        pytest.param(secret(uid="b"), IssuedToken("a"), [Delete], id="of an earlier account of that name"),
        pytest.param(secret(), IssuedToken(""), [Delete], id="of none"),
    ],
)
def test_plan(one: Secret, found: IssuedToken | None, expected: list[Any]) -> None:
    actions = planned(ServiceAccountTokenController(), one, observed=found, settings=Settings(root_ca="ca"))
    assert [type(action) for action in actions] == expected
