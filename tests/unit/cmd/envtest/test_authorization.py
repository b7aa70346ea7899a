"""A kube-apiserver whose requests a webhook authorizes, over real TLS: order, conditions, failure policies, caches, reload."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import web

from pilothouse.cmd.envtest import flags
from pilothouse.cmd.envtest.authorization import authorization_of
from tests.unit.apiserver.auth.test_webhooktokens import kubeconfig
from tests.unit.apiserver.webhooks.servers import Review, certificate, serving_webhook
from tests.unit.cmd.envtest.test_authentication import ask, served

ACCESS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
NODES = "/api/v1/nodes"
NOBODY = 'nodes is forbidden: User "jane" cannot list resource "nodes" in API group "" at the cluster scope'


def webhook(config: Path, name: str = "hook", **changes: Any) -> dict[str, Any]:
    said = {
        "timeout": "3s",
        "subjectAccessReviewVersion": "v1",
        "matchConditionSubjectAccessReviewVersion": "v1",
        "failurePolicy": "NoOpinion",
        "connectionInfo": {"type": "KubeConfigFile", "kubeConfigFile": str(config)},
    }
    return {"type": "Webhook", "name": name, "webhook": {**said, **changes}}


def configuration(*authorizers: dict[str, Any]) -> bytes:
    head = {"apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthorizationConfiguration"}
    return msgspec.json.encode({**head, "authorizers": [*authorizers]})


RBAC = {"type": "RBAC", "name": "rbac"}
LIST = {"verb": "list", "version": "v1", "resource": "nodes"}
JANE = {"user": "jane", "uid": "2", "groups": ["system:authenticated"]}


def tokens(folder: Path) -> str:
    path = folder / "tokens.csv"
    path.write_text("admin,admin,1,system:masters\njane,jane,2\n")
    return f"--token-auth-file={path}"


def answering(status: dict[str, Any]) -> Any:
    return lambda review: {**review, "status": status}


@pytest.mark.parametrize(
    ("status", "changes", "expected"),
    [
        pytest.param({"allowed": True}, {}, (200, ""), id="allowed"),
        pytest.param({"allowed": False, "reason": "no"}, {}, (403, f"{NOBODY}: hook: no"), id="no opinion"),
        pytest.param({"allowed": False, "denied": True, "reason": "never"}, {}, (403, f"{NOBODY}: never"), id="denied"),
        pytest.param(None, {}, (500, "Internal Server Error:"), id="fails, and nobody else allows it"),
        pytest.param(None, {"failurePolicy": "Deny"}, (500, "Internal Server Error:"), id="fails, which denies"),
        pytest.param({"allowed": True}, {"matchConditions": [{"expression": "request.user != 'jane'"}]}, (403, NOBODY), id="not asked"),
        pytest.param(
            {"allowed": True},
            {"matchConditions": [{"expression": "request.resourceAttributes.fieldSelector.requirements.size() == 0"}]},
            (500, "Internal Server Error:"),
            id="a condition without a value",
        ),
    ],
)
async def test_what_a_webhook_says_counts(tmp_path: Path, status: Any, changes: dict[str, Any], expected: tuple[int, str]) -> None:
    handler = answering(status) if status is not None else lambda review: web.Response(status=403, text="broken")
    async with serving_webhook(handler, certificate(tmp_path / "hook")) as hook:
        config = kubeconfig(tmp_path, f"{hook.url}/authorize", {"certificate-authority-data": hook.bundle})
        file = tmp_path / "authorization.json"
        file.write_bytes(configuration(webhook(config, **changes), RBAC))
        async with served(f"--authorization-config={file}", tokens(tmp_path)) as session:
            status_code, body = await ask(session, NODES, "jane")
            assert status_code == expected[0]
            assert (body["message"] if isinstance(body, dict) and "message" in body else str(body)).startswith(expected[1])
            assert (await ask(session, NODES, "admin"))[0] == 200, "system:masters are never asked about"
            for review in hook.reviews:
                assert (review["apiVersion"], review["spec"]) == ("authorization.k8s.io/v1", {"resourceAttributes": LIST, **JANE})


async def test_selectors_and_paths_are_told_and_answers_remembered(tmp_path: Path) -> None:
    async with serving_webhook(answering({"allowed": True}), certificate(tmp_path / "hook")) as hook:
        config = kubeconfig(tmp_path, hook.url, {"certificate-authority-data": hook.bundle})
        arguments = (f"--authorization-webhook-config-file={config}", "--authorization-mode=Webhook", tokens(tmp_path))
        async with served(*arguments) as session:
            for _ in range(3):
                await ask(session, f"{NODES}?labelSelector=a+in+(y,x),!b&fieldSelector=spec.unschedulable!%3Dtrue", "jane")
            await ask(session, "/version", "jane")
        asked = [review["spec"] for review in hook.reviews]
        labels = [{"key": "a", "operator": "In", "values": ["x", "y"]}, {"key": "b", "operator": "DoesNotExist"}]
        fields = [{"key": "spec.unschedulable", "operator": "NotIn", "values": ["true"]}]
        selected = {**LIST, "fieldSelector": {"requirements": fields}, "labelSelector": {"requirements": labels}}
        beta = {"user": "jane", "uid": "2", "group": ["system:authenticated"]}
        assert asked == [
            {"resourceAttributes": selected, **beta},
            {"nonResourceAttributes": {"path": "/version", "verb": "get"}, **beta},
        ]
        assert {review["apiVersion"] for review in hook.reviews} == {"authorization.k8s.io/v1beta1"}


async def test_a_review_asks_the_webhook_too(tmp_path: Path) -> None:
    def decide(review: Review) -> Review:
        return {**review, "status": {"allowed": review["spec"]["user"] == "jane", "reason": "asked"}}

    async with serving_webhook(decide, certificate(tmp_path / "hook")) as hook:
        config = kubeconfig(tmp_path, hook.url, {"certificate-authority-data": hook.bundle})
        file = tmp_path / "authorization.json"
        file.write_bytes(configuration(RBAC, webhook(config)))
        async with served(f"--authorization-config={file}", tokens(tmp_path)) as session:
            for user, expected in (("jane", {"allowed": True, "reason": "asked"}), ("joe", {"allowed": False, "reason": "hook: asked"})):
                spec = {"user": user, "resourceAttributes": {"verb": "get", "resource": "pods"}}
                review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
                assert (await ask(session, ACCESS, "admin", review))[1]["status"] == expected


async def counts(session: aiohttp.ClientSession) -> dict[str, str]:
    """Reloads by their outcome."""
    _, metrics = await ask(session, "/metrics", "admin")
    total = "apiserver_authorization_config_controller_automatic_reloads_total"
    return {line.split('status="')[1].split('"')[0]: line.split()[-1] for line in metrics.splitlines() if line.startswith(total)}


async def test_the_file_is_read_again_and_a_bad_one_changes_nothing(tmp_path: Path) -> None:
    async with serving_webhook(answering({"allowed": True}), certificate(tmp_path / "hook")) as hook:
        config = kubeconfig(tmp_path, hook.url, {"certificate-authority-data": hook.bundle})
        file = tmp_path / "authorization.json"
        file.write_bytes(configuration(RBAC))
        async with served(f"--authorization-config={file}", tokens(tmp_path)) as session:
            assert (await ask(session, NODES, "jane"))[0] == 403
            file.write_bytes(configuration(RBAC, webhook(config)))
            for _ in range(50):
                if (await ask(session, NODES, "jane"))[0] == 200:
                    break
                await asyncio.sleep(0.1)
            for bad in (configuration({"type": "Node", "name": "node"}), b"{", configuration()):
                file.write_bytes(bad)
                await asyncio.sleep(1.3)
            assert (await ask(session, NODES, "jane"))[0] == 200
            assert await counts(session) == {"success": "1.0", "failure": "3.0"}


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--authorization-config=FILE", "--authorization-mode=RBAC"], "--authorization-config can not be specified when"),
        (["--authorization-config=FILE", "--authorization-webhook-version=v1"], "--authorization-config can not be specified when"),
        (["--authorization-mode=Webhook"], "authorization-mode Webhook's authorization config file not passed"),
        (["--authorization-webhook-config-file=FILE"], "cannot specify --authorization-webhook-config-file without mode Webhook"),
        (
            ["--authorization-mode=Webhook", "--authorization-webhook-config-file=FILE", "--authorization-webhook-version=v2"],
            "unsupported webhook authorizer version",
        ),
        (["--authorization-mode=RBAC,RBAC"], 'authorization-mode ["RBAC" "RBAC"] has mode specified more than once'),
        (["--authorization-mode=Foo"], 'authorization-mode "Foo" is not a valid mode'),
        (["--authorization-config=FILE"], "authorizer type ABAC: Pilothouse has no such mode"),
    ],
)
def test_what_stops_the_start(tmp_path: Path, arguments: Sequence[str], problem: str) -> None:
    file = tmp_path / "authorization.json"
    file.write_bytes(configuration({"type": "ABAC", "name": "abac"}))
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        authorization_of(flags.parse([argument.replace("FILE", str(file)) for argument in arguments]))
    assert problem in str(caught.value)
