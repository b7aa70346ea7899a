"""Bootstrap tokens in a cluster: they let their bearer in, sign `cluster-info`, and go with their time."""

from __future__ import annotations

from typing import Any

import pytest

from pilothouse.api import bootstraptokens
from pilothouse.api.types.core_v1 import ConfigMap, Secret
from pilothouse.apiserver.auth.bootstraptokens import BootstrapTokenAuthenticator
from pilothouse.apiserver.auth.user import User
from pilothouse.kit.virtual_clock import VirtualClock
from pilothouse.machinery.errors import StatusError
from pilothouse.testing.cluster import Cluster
from tests.unit.api.test_bootstraptokens import TOKEN, token_secret

INFO = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: cluster-info, namespace: kube-public}\ndata: {kubeconfig: x}"
MANIFEST = """
apiVersion: v1
kind: Secret
metadata: {{name: bootstrap-token-{id}, namespace: kube-system}}
type: bootstrap.kubernetes.io/token
stringData:
  token-id: {id}
  token-secret: 0123456789abcdef
  usage-bootstrap-signing: "true"
  expiration: "2025-01-01T{hour}:00:00Z"
"""


def signers(cluster: Cluster) -> list[str]:
    data = cluster.get(ConfigMap, "cluster-info", namespace="kube-public").data
    return sorted(key.removeprefix(bootstraptokens.SIGNATURE) for key in data if key.startswith(bootstraptokens.SIGNATURE))


@pytest.mark.cluster(clock="still")
def test_tokens_sign_and_go_with_their_time(cluster: Cluster) -> None:
    cluster.apply(INFO)
    cluster.apply(MANIFEST.format(id="abcdef", hour="01"))
    cluster.apply(MANIFEST.format(id="ghijkl", hour="02"))
    cluster.advance("5s")
    assert signers(cluster) == ["abcdef", "ghijkl"]
    cluster.delete(Secret, "bootstrap-token-ghijkl", namespace="kube-system")
    cluster.advance("5s")
    assert signers(cluster) == ["abcdef"]
    cluster.advance("59m")
    assert signers(cluster) == ["abcdef"]
    cluster.advance("1m")
    assert signers(cluster) == []
    with pytest.raises(StatusError, match="not found"):
        cluster.get(Secret, "bootstrap-token-abcdef", namespace="kube-system")


@pytest.mark.parametrize(
    ("secret", "expected"),
    [
        pytest.param(token_secret(), User("system:bootstrap:abcdef", groups=("system:bootstrappers",)), id="valid"),
        pytest.param(token_secret(auth_extra_groups="system:masters"), None, id="a group that no token may give"),
        pytest.param(token_secret(expiration="2024-12-31T23:00:00Z"), None, id="expired"),
        pytest.param(None, None, id="no Secret"),
    ],
)
async def test_a_token_lets_its_bearer_in(secret: Secret | None, expected: User | None) -> None:
    async def lookup(kind: type[Any], name: str, namespace: str) -> Any:
        return secret if (kind, name, namespace) == (Secret, "bootstrap-token-abcdef", "kube-system") else None

    authenticator = BootstrapTokenAuthenticator(lookup, VirtualClock())
    known = await authenticator.authenticate_token(TOKEN, ("api",))
    assert (known.user if known else None) == expected
    assert await authenticator.authenticate_token("x.y.z", ()) is None
