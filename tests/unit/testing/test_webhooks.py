"""A program of the test answers for a Service of a simulated cluster."""

from __future__ import annotations

from pathlib import Path

from pilothouse.api.types.admissionregistration_v1 import (
    RuleWithOperations,
    ServiceReference,
    ValidatingWebhook,
    ValidatingWebhookConfiguration,
    WebhookClientConfig,
)
from pilothouse.api.types.core_v1 import ConfigMap, Service, ServicePort, ServiceSpec
from pilothouse.machinery.errors import StatusError
from pilothouse.machinery.meta_v1 import ObjectMeta
from pilothouse.testing.cluster import Cluster
from tests.unit.apiserver.webhooks.servers import Review, certificate, serving_webhook


def deny(review: Review) -> Review:
    answer = {"uid": review["request"]["uid"], "allowed": False, "status": {"message": "not in this test"}}
    return {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "response": answer}


async def refusal(cluster: Cluster, folder: Path) -> str:
    client, made = cluster.client, certificate(folder, ["webhook.default.svc"])
    async with serving_webhook(deny, made) as server:
        cluster.answer_for("webhook", server.port)
        await client.create(
            Service(metadata=ObjectMeta(name="webhook", namespace="default"), spec=ServiceSpec(ports=[ServicePort(port=443)]))
        )
        webhook = ValidatingWebhook(
            name="test.example.com",
            clientConfig=WebhookClientConfig(service=ServiceReference(namespace="default", name="webhook"), caBundle=made.bundle),
            rules=[RuleWithOperations(["CREATE"], [""], ["v1"], ["configmaps"])],
            sideEffects="None",
            admissionReviewVersions=["v1"],
        )
        await client.create(ValidatingWebhookConfiguration(metadata=ObjectMeta(name="test"), webhooks=[webhook]))
        try:
            await client.create(ConfigMap(metadata=ObjectMeta(name="a", namespace="default")))
        except StatusError as error:
            return error.status.message
        return ""


def test_a_program_of_the_test_answers_for_a_service(tmp_path: Path) -> None:
    with Cluster(nodes=1, clock="still") as cluster:
        assert cluster.run(refusal(cluster, tmp_path)) == 'admission webhook "test.example.com" denied the request: not in this test'
