"""Answers of kube-apiserver 1.37 with an AuthenticationConfiguration and an AuthorizationConfiguration, and what is answered here.

- tokens: claims of a token of the issuer, what a TokenReview says of it, and what its bearer is told of nodes.
- access: requests by users of whom a webhook says what their names say, without credentials, and with odd headers.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from yarl import URL

from tests.unit.apiserver.auth.oidc.issuer_server import IssuerServer, issuer_server
from tests.unit.apiserver.auth.test_webhooktokens import kubeconfig
from tests.unit.apiserver.webhooks.servers import Review, WebhookServer, certificate, serving_webhook
from tests.unit.cmd.envtest.test_authentication import served, until

TABLE = json.loads((Path(__file__).parent / "tables" / "access.json").read_text())
STATUS = {
    "allowed": {"allowed": True},
    "noopinion": {"allowed": False, "reason": "no"},
    "denied": {"allowed": False, "denied": True, "reason": "never"},
    "both": {"allowed": True, "denied": True, "reason": "x"},
}
USERS = (*STATUS, "skipped", "broken", "broken-strict")
TOKENS = "".join(f"{user},{user},{number}\n" for number, user in enumerate(USERS, 1)) + 'erring,erring,8,"a,b"\n'
MAPPINGS = {
    "username": {"expression": "claims.sub"},
    "groups": {"claim": "roles", "prefix": "g:"},
    "uid": {"claim": "id"},
    "extra": [{"key": "example.org/team", "valueExpression": "claims.?team__dot__name.orValue('')"}],
}
CLAIM_RULES = [{"claim": "hd", "requiredValue": "a"}, {"expression": "claims.exp - claims.iat <= 7200", "message": "too long"}]
USER_RULES = [{"expression": "!user.username.startsWith('system:')", "message": "reserved"}]
CONDITIONS = [
    {"expression": "request.user != 'skipped'"},
    {"expression": "request.user != 'erring' || request.resourceAttributes.fieldSelector.requirements.size() == 0"},
]
SELECTED = {
    "groups": ["g"],
    "extra": {"k": ["v"]},
    "resourceAttributes": {
        "verb": "list",
        "resource": "pods",
        "fieldSelector": {"rawSelector": "a=b"},
        "labelSelector": {"requirements": [{"key": "x", "operator": "In", "values": ["b", "a"]}]},
    },
}
SPECS: dict[str, Any] = {"sar": {"resourceAttributes": {"verb": "get", "resource": "pods"}}, "sarsel": SELECTED}


def decide(review: Review) -> Review | web.Response:
    user = review["spec"].get("user", "")
    if user.startswith("broken"):
        return web.Response(status=403, text="broken")
    return {**review, "status": STATUS.get(user, {"allowed": False})}


def config(kind: str, **fields: Any) -> str:
    return json.dumps({"apiVersion": "apiserver.config.k8s.io/v1", "kind": kind, **fields})


def arguments(folder: Path, issuer: IssuerServer, hook: WebhookServer) -> list[str]:
    """The flags of the server, whose files are written."""
    authenticator = {
        "issuer": {"url": issuer.url, "audiences": ["x"], "certificateAuthority": issuer.authority},
        "claimMappings": MAPPINGS,
        "claimValidationRules": CLAIM_RULES,
        "userValidationRules": USER_RULES,
    }
    anonymous = {"enabled": True, "conditions": [{"path": "/livez"}, {"path": "/readyz"}]}
    (folder / "authn.json").write_text(config("AuthenticationConfiguration", jwt=[authenticator], anonymous=anonymous))
    path = kubeconfig(folder, f"{hook.url}/authorize", {"certificate-authority-data": hook.bundle})
    webhook = {
        "timeout": "3s",
        "subjectAccessReviewVersion": "v1",
        "matchConditionSubjectAccessReviewVersion": "v1",
        "failurePolicy": "NoOpinion",
        "connectionInfo": {"type": "KubeConfigFile", "kubeConfigFile": str(path)},
        "matchConditions": CONDITIONS,
    }
    strict = {**webhook, "failurePolicy": "Deny", "matchConditions": [{"expression": "request.user.startsWith('broken-strict')"}]}
    authorizers = [
        {"type": "Webhook", "name": "hook", "webhook": webhook},
        {"type": "RBAC", "name": "rbac"},
        {"type": "Webhook", "name": "strict", "webhook": strict},
    ]
    (folder / "authz.json").write_text(config("AuthorizationConfiguration", authorizers=authorizers))
    (folder / "tokens.csv").write_text(f"secret,administrator,9,system:masters\n{TOKENS}")
    return [
        f"--authentication-config={folder / 'authn.json'}",
        f"--authorization-config={folder / 'authz.json'}",
        f"--token-auth-file={folder / 'tokens.csv'}",
    ]


ADDRESSES: dict[aiohttp.ClientSession, str] = {}
"""Where the server of a session answers: paths are sent as they are, which a session with a base does not do."""


async def answer(session: aiohttp.ClientSession, path: str, headers: Any, body: Any = None) -> tuple[int, Any, list[str]]:
    """Status, body and warnings."""
    url = URL(f"{ADDRESSES[session]}{path}", encoded=True)
    async with session.request("POST" if body else "GET", url, json=body, headers=headers) as response:
        text = await response.text()
        return response.status, json.loads(text) if text.startswith("{") else text, response.headers.getall("Warning", [])


async def review(session: aiohttp.ClientSession, group: str, kind: str, spec: Any) -> Any:
    """The status of a review that an administrator asks."""
    path = f"/apis/{group}/v1/{kind.lower()}s"
    body = {"apiVersion": f"{group}/v1", "kind": kind, "spec": spec}
    return (await answer(session, path, {"Authorization": "Bearer secret"}, body))[1]["status"]


def told(status: int, body: Any) -> list[Any]:
    """What a request was told, as the table has it."""
    return [status, (body.get("message") if isinstance(body, dict) else body) if status >= 400 else None]


async def differences_of(session: aiohttp.ClientSession, issuer: IssuerServer) -> list[Any]:
    """What is answered otherwise than the table has it."""
    differences: list[Any] = []
    for row in TABLE["tokens"]:
        token = issuer.token(**{"id": "7", **row["claims"]})
        status = await review(session, "authentication.k8s.io", "TokenReview", {"token": token})
        code, body, _ = await answer(session, "/api/v1/nodes", {"Authorization": f"Bearer {token}"})
        if (status, [code, body["message"]]) != (row["review"], row["nodes"]):
            differences.append((row["case"], status, code, body["message"]))
    for row in TABLE["access"]:
        if "review" in row:
            spec = {"user": row["user"], **SPECS[row["review"]]}
            got: list[Any] = [201, await review(session, "authorization.k8s.io", "SubjectAccessReview", spec)]
        else:
            code, body, warnings = await answer(session, row["path"], row.get("headers", []))
            got = [*told(code, body), *([warnings] if len(row["answer"]) > 2 else [])]
        if got != row["answer"]:
            differences.append((row, got))
    return differences


async def test_answers_are_upstreams(tmp_path: Path) -> None:
    async with (
        issuer_server(tmp_path) as issuer,
        serving_webhook(decide, certificate(tmp_path / "hook")) as hook,
        served(*arguments(tmp_path, issuer, hook)) as based,
        aiohttp.ClientSession() as session,
    ):
        ADDRESSES[session] = str(based._base_url).rstrip("/")
        await until(based, issuer.token(hd="a", id="7"), "jane")
        assert await differences_of(session, issuer) == []
