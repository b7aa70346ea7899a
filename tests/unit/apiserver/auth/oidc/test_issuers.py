"""Tokens of an issuer over real TLS: mapping, rules, discovery, rotation, a down issuer, and a configuration that changes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pilothouse.apiserver.auth.configuration.apiserver_v1 import AuthenticationConfiguration
from pilothouse.apiserver.auth.configuration.reloading import Reloads, WatchedFile
from pilothouse.apiserver.auth.credentials import BadToken
from pilothouse.apiserver.auth.oidc.flags import OIDCFlags
from pilothouse.apiserver.auth.oidc.issuers import Issuers
from pilothouse.apiserver.auth.user import User
from pilothouse.apiserver.webhooks.fetching import Fetcher
from pilothouse.kit.clock import SystemClock
from tests.unit.apiserver.auth.oidc.issuer_server import IssuerServer, issuer_server

PLAIN = {"username": {"claim": "sub", "prefix": ""}}


@pytest.fixture
async def issuer(tmp_path: Path) -> AsyncIterator[IssuerServer]:
    async with issuer_server(tmp_path) as running:
        yield running


def authenticator(issuer: IssuerServer, mappings: dict[str, Any] = PLAIN, **rest: Any) -> dict[str, Any]:
    said = {"url": issuer.url, "audiences": ["x"], "certificateAuthority": issuer.authority, **rest.pop("of", {})}
    return {"issuer": said, "claimMappings": mappings, **rest}


def configuration(*authenticators: dict[str, Any]) -> bytes:
    head = {"apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthenticationConfiguration"}
    return msgspec.json.encode({**head, "jwt": authenticators})


def issuers_of(data: bytes) -> Issuers:
    return Issuers(msgspec.json.decode(data, type=AuthenticationConfiguration), (), Fetcher().get, SystemClock(), server_id="test")


@contextlib.asynccontextmanager
async def running(data: bytes | Issuers) -> AsyncIterator[Issuers]:
    """Issuers that have been asked once."""
    issuers = issuers_of(data) if isinstance(data, bytes) else data
    task = asyncio.create_task(issuers.run())
    await until(lambda: all(each.problem != "not initialized" for each in issuers._authenticators))
    try:
        yield issuers
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(holds: Callable[[], bool]) -> None:
    for _ in range(1000):
        if holds():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came about")


async def outcome(issuers: Issuers, token: str) -> User | str | None:
    """The user of a token, or why it has none."""
    try:
        known = await issuers.authenticate_token(token, ("api",))
    except BadToken as error:
        return str(error)
    return None if known is None else known.user


EXPRESSIONS = {
    "username": {"expression": "'oidc:' + claims.sub"},
    "groups": {"expression": "claims.roles.split(',')"},
    "uid": {"expression": "claims.nested.id"},
    "extra": [
        {"key": "example.org/team", "valueExpression": "claims.team__dot__name"},
        {"key": "example.org/none", "valueExpression": "claims.?absent.orValue('')"},
    ],
}
NESTED = {"roles": "a,b", "nested": {"id": "7"}, "team.name": ["red", ""]}
BOOLEAN = "json: cannot unmarshal number into Go value of type bool"
TEXT = "json: cannot unmarshal number into Go value of type string"


@pytest.mark.parametrize(
    ("mappings", "claims", "expected"),
    [
        pytest.param(PLAIN, {}, User("jane"), id="a claim"),
        pytest.param(
            PLAIN, {"jti": "7"}, User("jane", extra={"authentication.kubernetes.io/credential-id": ("JTI=7",)}), id="a credential"
        ),
        pytest.param(
            {"username": {"claim": "sub", "prefix": "o:"}, "groups": {"claim": "roles", "prefix": "g:"}, "uid": {"claim": "id"}},
            {"roles": ["a", "b"], "id": "9"},
            User("o:jane", "9", ("g:a", "g:b")),
            id="prefixes",
        ),
        pytest.param({**PLAIN, "groups": {"claim": "roles", "prefix": ""}}, {"roles": "a"}, User("jane", groups=("a",)), id="one group"),
        pytest.param({**PLAIN, "groups": {"claim": "roles", "prefix": ""}}, {}, User("jane"), id="no groups"),
        pytest.param(
            {**PLAIN, "groups": {"claim": "roles", "prefix": ""}},
            {"roles": 5},
            f'oidc: parse groups claim "roles": {TEXT}',
            id="bad groups",
        ),
        pytest.param(PLAIN, {"sub": None}, 'oidc: parse username claims "sub": claim not present', id="no username"),
        pytest.param({**PLAIN, "uid": {"claim": "id"}}, {"id": 5}, f'oidc: parse uid claim "id": {TEXT}', id="a uid of another type"),
        pytest.param(
            {"username": {"claim": "email", "prefix": ""}},
            {"email": "a@b", "email_verified": False},
            "oidc: email not verified",
            id="email",
        ),
        pytest.param(
            {"username": {"claim": "email", "prefix": ""}},
            {"email": "a@b", "email_verified": 1},
            f"oidc: parse 'email_verified' claim: {BOOLEAN}",
            id="email verified of another type",
        ),
        pytest.param({"username": {"claim": "email", "prefix": ""}}, {"email": "a@b"}, User("a@b"), id="email of which nothing is said"),
        pytest.param(EXPRESSIONS, NESTED, User("oidc:jane", "7", ("a", "b"), {"example.org/team": ("red",)}), id="expressions"),
        pytest.param(
            EXPRESSIONS,
            {"roles": "a,b"},
            "oidc: error evaluating uid claim expression: expression 'claims.nested.id' resulted in error: no such key: nested",
            id="an expression without its claim",
        ),
        pytest.param(
            {"username": {"expression": "claims.number"}},
            {"number": 5},
            "oidc: error evaluating username claim expression: username claim expression must return a string",
            id="a username of another type",
        ),
        pytest.param(
            {"username": {"expression": "claims.sub"}},
            {"sub": ""},
            "oidc: empty username via CEL expression is not allowed",
            id="empty username",
        ),
        pytest.param(
            {**PLAIN, "groups": {"expression": "claims.number"}},
            {"number": 5},
            "oidc: error evaluating group claim expression: expression must return a string or a list of strings",
            id="groups of another type",
        ),
    ],
)
async def test_claims_make_a_user(issuer: IssuerServer, mappings: dict[str, Any], claims: dict[str, Any], expected: User | str) -> None:
    async with running(configuration(authenticator(issuer, mappings))) as issuers:
        assert await outcome(issuers, issuer.token(**claims)) == expected


RULES: dict[str, Any] = {
    "claimValidationRules": [
        {"claim": "hd", "requiredValue": "example.com"},
        {"expression": "claims.exp - claims.iat <= 7200.0", "message": "m"},
    ],
    "userValidationRules": [{"expression": "!user.username.startsWith('system:')", "message": "reserved"}],
}


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        pytest.param({"hd": "example.com"}, User("jane"), id="met"),
        pytest.param({}, "oidc: required claim hd not present in ID token", id="absent"),
        pytest.param({"hd": "b"}, "oidc: required claim hd value does not match. Got = b, want = example.com", id="another value"),
        pytest.param({"hd": 5}, f"oidc: parse claim hd: {TEXT}", id="another type"),
        pytest.param(
            {"hd": "example.com", "iat": 0},
            "oidc: error evaluating claim validation expression: validation expression 'claims.exp - claims.iat <= 7200.0' failed: m",
            id="an expression",
        ),
        pytest.param(
            {"hd": "example.com", "sub": "system:admin"},
            "oidc: error evaluating user info validation rule: "
            "validation expression '!user.username.startsWith('system:')' failed: reserved",
            id="of the user",
        ),
    ],
)
async def test_rules_must_be_met(issuer: IssuerServer, claims: dict[str, Any], expected: User | str) -> None:
    async with running(configuration(authenticator(issuer, **RULES))) as issuers:
        assert await outcome(issuers, issuer.token(**claims)) == expected


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        pytest.param({"aud": ["y", "x"]}, User("jane"), id="one of several audiences"),
        pytest.param({"aud": "y"}, 'oidc: verify token: oidc: expected audience "x" got ["y"]', id="another audience"),
        pytest.param({"exp": 1}, "oidc: verify token: oidc: token is expired (Token Expiry: 1970-01-01 00:00:01 +0000 UTC)", id="expired"),
        pytest.param({"iss": "https://other.example"}, None, id="another issuer is another's business"),
    ],
)
async def test_a_token_is_for_an_audience_and_a_time(issuer: IssuerServer, claims: dict[str, Any], expected: User | str | None) -> None:
    async with running(configuration(authenticator(issuer))) as issuers:
        assert await outcome(issuers, issuer.token(**claims)) == expected


async def test_one_of_several_audiences_is_enough(issuer: IssuerServer) -> None:
    several = {"audiences": ["y", "z"], "audienceMatchPolicy": "MatchAny"}
    async with running(configuration(authenticator(issuer, of=several))) as issuers:
        assert await outcome(issuers, issuer.token(aud=["z"])) == User("jane")
        assert await outcome(issuers, issuer.token()) == 'oidc: verify token: oidc: expected audience ["y" "z"] got ["x"]'


async def test_keys_rotate_without_a_restart(issuer: IssuerServer) -> None:
    async with running(configuration(authenticator(issuer))) as issuers:
        first = issuer.signers[0]
        assert await outcome(issuers, issuer.token()) == User("jane")
        asked = len(issuer.asked)
        assert await outcome(issuers, issuer.token(sub="joe")) == User("joe")
        assert len(issuer.asked) == asked, "keys that verify are not asked for again"
        issuer.rotate("RS256")
        tokens = [issuer.token(sub=f"user-{number}") for number in range(20)]
        assert [await each for each in asyncio.as_completed([outcome(issuers, token) for token in tokens])]
        assert len(issuer.asked) == asked + 1, "those who ask at the same time share one answer"
        unsigned = "oidc: verify token: failed to verify signature: failed to verify id token signature"
        assert await outcome(issuers, issuer.token(first)) == unsigned
        issuer.is_down = True
        assert await outcome(issuers, issuer.token()) == User("jane"), "keys at hand are enough"
        fetching = "oidc: verify token: failed to verify signature: fetching keys oidc: get keys failed: 503 Service Unavailable down"
        assert await outcome(issuers, issuer.token(first)) == fetching


async def test_keys_are_kept_as_long_as_the_issuer_says(issuer: IssuerServer) -> None:
    issuer.headers = {"Cache-Control": "public, max-age=3600"}
    async with running(configuration(authenticator(issuer))) as issuers:
        assert await outcome(issuers, issuer.token()) == User("jane")
        issuer.rotate()
        unsigned = "oidc: verify token: failed to verify signature: failed to verify id token signature"
        assert await outcome(issuers, issuer.token()) == unsigned


async def test_an_issuer_that_is_down_is_asked_again(issuer: IssuerServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pilothouse.apiserver.auth.oidc.issuer.RETRY_SECONDS", 0.05)
    issuer.is_down = True
    async with running(configuration(authenticator(issuer))) as issuers:
        assert await outcome(issuers, issuer.token()) == "oidc: authenticator not initialized"
        issuer.is_down = False
        await until(lambda: not issuers._authenticators[0].problem)
        assert await outcome(issuers, issuer.token()) == User("jane")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"issuer": "https://b.example"}, "oidc: issuer did not match the issuer returned by provider"),
        ({"jwks_uri": ""}, "provider did not return JWKS URL"),
    ],
)
async def test_a_discovery_document_must_be_the_issuers(issuer: IssuerServer, changes: dict[str, Any], problem: str) -> None:
    issuer.document = changes
    async with running(configuration(authenticator(issuer))) as issuers:
        assert issuers._authenticators[0].problem.startswith(problem)


async def test_a_redirect_to_the_keys_is_not_followed(issuer: IssuerServer) -> None:
    issuer.document = {"jwks_uri": f"{issuer.url}/redirect"}
    async with running(configuration(authenticator(issuer))) as issuers:
        assert "get keys failed: 302 Found" in str(await outcome(issuers, issuer.token()))


async def test_an_authority_of_others_is_not_believed(issuer: IssuerServer) -> None:
    async with running(configuration(authenticator(issuer, of={"certificateAuthority": ""}))) as issuers:
        assert issuers._authenticators[0].problem.endswith("x509: certificate signed by unknown authority")


async def test_discovery_may_be_elsewhere(issuer: IssuerServer) -> None:
    elsewhere = {"url": "https://issuer.example", "discoveryURL": f"{issuer.url}/elsewhere"}
    issuer.document = {"issuer": "https://issuer.example"}
    async with running(configuration(authenticator(issuer, of=elsewhere))) as issuers:
        assert await outcome(issuers, issuer.token(iss="https://issuer.example")) == User("jane")
        assert issuer.asked[0] == "/elsewhere"


async def test_groups_may_be_told_by_another_endpoint(issuer: IssuerServer) -> None:
    mappings = {**PLAIN, "groups": {"claim": "roles", "prefix": ""}}
    issuer.claims_token = issuer.token(roles=["a", "b"])
    told: dict[str, Any] = {
        "_claim_names": {"roles": "s"},
        "_claim_sources": {"s": {"endpoint": f"{issuer.url}/claims", "access_token": "t"}},
    }
    async with running(configuration(authenticator(issuer, mappings))) as issuers:
        assert await outcome(issuers, issuer.token(**told)) == User("jane", groups=("a", "b"))
        issuer.claims_token = issuer.token(exp=1, roles=["admin"])
        assert "verify distributed claim token: oidc: token is expired" in str(await outcome(issuers, issuer.token(**told)))


@pytest.mark.parametrize("algorithm", ["none", "HS256"])
async def test_a_public_key_is_no_secret(issuer: IssuerServer, algorithm: str) -> None:
    import jwt

    claims = jwt.decode(issuer.token(), options={"verify_signature": False})
    key = "" if algorithm == "none" else "a secret of thirty-two characters at least"
    forged = jwt.encode(claims, key, algorithm, headers={"kid": issuer.signers[0].key_id})
    async with running(configuration(authenticator(issuer))) as issuers:
        assert "oidc: id token signed with unsupported algorithm" in str(await outcome(issuers, forged))


async def test_flags_mean_one_issuer(issuer: IssuerServer) -> None:
    flags = OIDCFlags(issuer.url, "x", issuer.authority, groups_claim="roles", groups_prefix="g:", required_claims={"hd": "a"})
    algorithms = ("RS256",)
    issuers = Issuers(flags.configuration(), (), Fetcher().get, SystemClock(), algorithms=algorithms)
    issuer.rotate("RS256")
    async with running(issuers):
        assert await outcome(issuers, issuer.token(hd="a", roles=["r"])) == User(f"{issuer.url}#jane", groups=("g:r",))
        issuer.rotate("ES256")
        said = 'oidc: id token signed with unsupported algorithm, expected ["RS256"] got "ES256"'
        assert await outcome(issuers, issuer.token()) == f"oidc: verify token: {said}"


async def test_a_file_is_read_again_and_a_bad_one_changes_nothing(issuer: IssuerServer, tmp_path: Path) -> None:
    data = configuration(authenticator(issuer))
    file = tmp_path / "authentication.json"
    file.write_bytes(data)
    reloads = Reloads("authentication", "test")
    async with running(data) as issuers:
        watched = WatchedFile(file, data, issuers.apply, SystemClock(), reloads)
        for text in (b"", b"{", configuration(authenticator(issuer, of={"audiences": []}))):
            file.write_bytes(text)
            await watched.look()
            assert await outcome(issuers, issuer.token()) == User("jane")
        file.write_bytes(configuration(authenticator(issuer, {"username": {"claim": "sub", "prefix": "new:"}})))
        await watched.look()
        assert await outcome(issuers, issuer.token()) == User("new:jane")
        file.write_bytes(configuration())
        await watched.look()
        assert await outcome(issuers, issuer.token()) is None
    counted = {
        (sample.name.rpartition("controller_")[2], sample.labels["status"]): sample.value
        for family in list(reloads.collect())[:1]
        for sample in family.samples
    }
    assert counted == {("automatic_reloads_total", "failure"): 3, ("automatic_reloads_total", "success"): 2}
