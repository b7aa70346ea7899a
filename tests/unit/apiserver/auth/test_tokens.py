"""ServiceAccount tokens in virtual time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jwt
import pytest

from pilothouse.api.types.authentication_v1 import BoundObjectReference, TokenRequest, TokenRequestSpec
from pilothouse.api.types.core_v1 import Node, Pod, PodSpec, ServiceAccount
from pilothouse.apiserver.auth.credentials import BadToken
from pilothouse.apiserver.auth.keys import ServiceAccountKeys
from pilothouse.apiserver.auth.serviceaccounts import ISSUER, ServiceAccountAuthenticator
from pilothouse.apiserver.auth.tokens import ServiceAccountTokens
from pilothouse.apiserver.auth.user import ADMIN
from pilothouse.cluster import certificates
from pilothouse.kit.entropy import Entropy
from pilothouse.kit.virtual_clock import VirtualClock
from pilothouse.machinery.errors import StatusError
from pilothouse.machinery.meta_v1 import ObjectMeta


class World:
    """What tokens are bound to."""

    def __init__(self, folder: Path) -> None:
        if not (folder / "sa.key").exists():
            certificates.make_service_account_key(folder)
        self.clock = VirtualClock()
        self.account = ServiceAccount(metadata=ObjectMeta(name="robot", namespace="default", uid="u-robot"))
        spec = PodSpec(serviceAccountName="robot", nodeName="node")
        self.pod = Pod(metadata=ObjectMeta(name="pod", namespace="default", uid="u-pod"), spec=spec)
        self.node = Node(metadata=ObjectMeta(name="node", uid="u-node"))
        self.objects: dict[tuple[type[Any], str], Any] = {
            (ServiceAccount, "robot"): self.account,
            (Pod, "pod"): self.pod,
            (Node, "node"): self.node,
        }
        self.tokens = ServiceAccountTokens(ServiceAccountKeys(folder / "sa.key"), self.lookup, self.clock, Entropy(1))
        self.authenticator = ServiceAccountAuthenticator(self.tokens.keys, self.lookup, self.clock)

    async def refusal(self, token: str, audiences: Sequence[str] = ()) -> str:
        """Why a token is not valid: "" for one that is, "unknown" for what is none of ours."""
        try:
            return "unknown" if await self.authenticator.authenticate_token(token, audiences) is None else ""
        except BadToken as error:
            return str(error)

    async def lookup(self, kind: type[Any], name: str, namespace: str) -> Any:
        return self.objects.get((kind, name))

    async def issue(self, **spec: Any) -> TokenRequest:
        return await self.tokens.issue(self.account, TokenRequest(spec=TokenRequestSpec(**spec)), ADMIN)

    def bound(self, **changes: str) -> BoundObjectReference:
        return BoundObjectReference(**{"apiVersion": "v1", "kind": "Pod", "name": "pod", "uid": "u-pod", **changes})


@pytest.fixture
def world(folder: Path) -> World:
    return World(folder)


async def test_claims_are_upstreams(world: World) -> None:
    issued = await world.issue(boundObjectRef=world.bound())
    claims = jwt.decode(issued.status.token, options={"verify_signature": False})
    now = int(world.clock.now().timestamp())
    assert (claims["iss"], claims["aud"], claims["sub"]) == (ISSUER, [ISSUER], "system:serviceaccount:default:robot")
    assert (claims["iat"], claims["nbf"], claims["exp"]) == (now, now, now + 3600)
    assert claims["kubernetes.io"] == {
        "namespace": "default",
        "pod": {"name": "pod", "uid": "u-pod"},
        "node": {"name": "node", "uid": "u-node"},
        "serviceaccount": {"name": "robot", "uid": "u-robot"},
    }
    assert issued.status.expirationTimestamp == "2025-01-01T01:00:00Z"


async def test_the_kubelets_tokens_last_a_year(world: World) -> None:
    issued = await world.issue(boundObjectRef=world.bound(), expirationSeconds=3607)
    claims = jwt.decode(issued.status.token, options={"verify_signature": False})
    now = int(world.clock.now().timestamp())
    assert (claims["exp"] - now, claims["kubernetes.io"]["warnafter"] - now) == (365 * 24 * 3600, 3607)
    assert issued.status.expirationTimestamp == "2025-01-01T01:00:07Z"


async def test_a_token_ends_with_its_time(world: World) -> None:
    token = (await world.issue(expirationSeconds=600)).status.token
    assert await world.refusal(token) == ""
    await world.clock.advance(660)
    assert await world.refusal(token) == "", "a minute of leeway"
    await world.clock.advance(1)
    assert await world.refusal(token) == "service account token has expired"


async def test_a_token_ends_with_the_pod_it_is_bound_to(world: World) -> None:
    token = (await world.issue(boundObjectRef=world.bound())).status.token
    known = await world.authenticator.authenticate_token(token)
    assert known is not None
    assert known.user.extra["authentication.kubernetes.io/pod-name"] == ("pod",)
    world.pod.metadata.deletionTimestamp = "2025-01-01T00:00:00Z"
    assert await world.refusal(token) == ""
    await world.clock.advance(61)
    assert await world.refusal(token) == "service account token has been invalidated"
    world.objects[Pod, "pod"] = Pod(metadata=ObjectMeta(name="pod", uid="another"))
    assert await world.refusal(token) == "pod UID (another) does not match service account pod ref claim (u-pod)"


async def test_a_token_for_others_is_not_for_this_server(world: World) -> None:
    token = (await world.issue(audiences=["vault"])).status.token
    assert await world.refusal(token) == f'token audiences ["vault"] is invalid for the target audiences ["{ISSUER}"]'
    known = await world.authenticator.authenticate_token(token, ["vault", "other"])
    assert known is not None
    assert known.audiences == ("vault",)


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "e30.e30.e30"])
async def test_nonsense_is_nobody(world: World, token: str) -> None:
    assert await world.refusal(token) == "unknown"


async def test_a_changed_token_is_nobody(world: World) -> None:
    head, body, signature = (await world.issue()).status.token.split(".")
    other = (await world.issue(audiences=["x"])).status.token.split(".")[1]
    assert await world.refusal(f"{head}.{other}.{signature}") == "go-jose/go-jose: error in cryptographic primitive"
    assert await world.refusal(f"{head}.{body}.{signature}") == ""


@pytest.mark.parametrize(
    ("spec", "code", "text"),
    [
        pytest.param({"expirationSeconds": 60}, 422, "may not specify a duration less than 10 minutes", id="too short"),
        pytest.param({"expirationSeconds": 1 << 33}, 422, "may not specify a duration larger than 2^32 seconds", id="too long"),
        pytest.param({"kind": "Service"}, 400, "cannot bind token", id="bound to what cannot be"),
        pytest.param({"name": "other"}, 404, 'pods "other" not found', id="bound to what is not there"),
        pytest.param({"uid": "other"}, 409, "does not match the UID in record", id="bound to what was made anew"),
    ],
)
async def test_bad_requests(world: World, spec: dict[str, Any], code: int, text: str) -> None:
    wanted = spec if "expirationSeconds" in spec else {"boundObjectRef": world.bound(**spec)}
    with pytest.raises(StatusError) as caught:
        await world.issue(**wanted)
    assert (caught.value.code, text in str(caught.value)) == (code, True), str(caught.value)


async def test_a_token_lasts_no_longer_than_the_server_grants(world: World) -> None:
    world.tokens.maximum_seconds = 7200
    issued = await world.issue(expirationSeconds=86400)
    assert (issued.spec.expirationSeconds, issued.status.expirationTimestamp) == (7200, "2025-01-01T02:00:00Z")
    extended = await world.issue(boundObjectRef=world.bound(), expirationSeconds=3607)
    claims = jwt.decode(extended.status.token, options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == 365 * 24 * 3600, "what is extended is beyond that"


async def test_only_tokens_of_pods_for_this_server_are_extended(world: World) -> None:
    world.tokens.audiences = ("api", "other")
    for spec, seconds in (
        ({}, 3607),
        ({"boundObjectRef": world.bound(kind="Node", name="node", uid="")}, 3607),
        ({"boundObjectRef": world.bound(), "audiences": ["vault"]}, 3607),
        ({"boundObjectRef": world.bound(), "audiences": ["other"]}, 365 * 24 * 3600),
    ):
        issued = await world.issue(expirationSeconds=3607, **spec)
        claims = jwt.decode(issued.status.token, options={"verify_signature": False})
        assert claims["exp"] - claims["iat"] == seconds, spec
    world.tokens.extends = False
    claims = jwt.decode(
        (await world.issue(expirationSeconds=3607, boundObjectRef=world.bound())).status.token, options={"verify_signature": False}
    )
    assert claims["exp"] - claims["iat"] == 3607


async def test_an_extended_token_is_stale_once_it_should_have_been_renewed(world: World) -> None:
    token = (await world.issue(boundObjectRef=world.bound(), expirationSeconds=3607)).status.token
    assert await world.refusal(token) == ""
    await world.clock.advance(3608)
    assert await world.refusal(token) == ""
    assert world.authenticator.uses.counts == {"valid_tokens": 1, "stale_tokens": 1}


async def test_tokens_of_every_issuer_are_taken_and_new_ones_are_of_the_first(world: World, tmp_path: Path) -> None:
    old = (await world.issue()).status.token
    world.tokens.issuer = "https://new.example"
    new = (await world.issue()).status.token
    world.authenticator.issuers = ("https://new.example", ISSUER)
    assert [await world.refusal(token) for token in (old, new)] == ["", ""]
    world.authenticator.issuers = ("https://new.example",)
    assert [await world.refusal(token) for token in (old, new)] == ["unknown", ""]


async def test_keys_may_be_elliptic_and_several(world: World, tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    old = (await world.issue()).status.token
    key = ec.generate_private_key(ec.SECP384R1())
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    former = world.tokens.keys.private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    (tmp_path / "new.key").write_bytes(private)
    (tmp_path / "all.pub").write_bytes(public + former)
    keys = ServiceAccountKeys(tmp_path / "new.key", [tmp_path / "all.pub"])
    world.tokens.keys = world.authenticator.keys = keys
    new = (await world.issue()).status.token
    assert jwt.get_unverified_header(new) == {"alg": "ES384", "kid": keys.id}
    assert [await world.refusal(token) for token in (old, new)] == ["", ""]
    assert [(each["kty"], each["alg"], each.get("crv")) for each in keys.jwks()["keys"]] == [
        ("EC", "ES384", "P-384"),
        ("RSA", "RS256", None),
    ]
    (tmp_path / "all.pub").write_bytes(public)
    world.authenticator = ServiceAccountAuthenticator(
        ServiceAccountKeys(tmp_path / "new.key", [tmp_path / "all.pub"]), world.lookup, world.clock
    )
    assert [await world.refusal(token) for token in (old, new)] == ["invalid signature, no keys found", ""]


def test_a_file_without_a_key_is_told(tmp_path: Path) -> None:
    (tmp_path / "none.pub").write_text("x")
    with pytest.raises(ValueError, match=r"error reading public key file .*none\.pub: data does not contain any valid"):
        assert ServiceAccountKeys("", [tmp_path / "none.pub"]).public
