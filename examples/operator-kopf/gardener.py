"""An operator on kopf: each Garden has a ConfigMap, is watered by a timer, is guarded by a daemon, and is judged by webhooks.

Run it on any cluster: `kubectl apply -f crd.yaml`, then `kopf run gardener.py`. Its webhook server needs a certificate for the address at
which the API server reaches it: WEBHOOK_CERTIFICATE, WEBHOOK_KEY and WEBHOOK_AUTHORITY name the files; without them there are no webhooks.
"""

from __future__ import annotations

import os
from typing import Any

import kopf

MOST_PLANTS = 100


@kopf.on.startup()
def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
    settings.persistence.finalizer = "example.com/gardener"
    if certificate := os.environ.get("WEBHOOK_CERTIFICATE"):
        settings.admission.managed = "gardener.example.com"
        settings.admission.server = kopf.WebhookServer(
            addr="127.0.0.1",
            certfile=certificate,
            pkeyfile=os.environ["WEBHOOK_KEY"],
            cafile=os.environ["WEBHOOK_AUTHORITY"],
        )


@kopf.on.login()
def login(**known: Any) -> kopf.ConnectionInfo | None:
    """As a Pod's ServiceAccount, or by the kubeconfig that KUBECONFIG names now: client libraries look at it when they are imported."""
    return kopf.login_with_service_account(**known) or kopf.login_with_kubeconfig(**known)


@kopf.on.mutate("gardens.example.com", id="soil")
def choose_soil(spec: kopf.Spec, patch: kopf.Patch, **_: Any) -> None:
    if "soil" not in spec:
        patch.spec["soil"] = "sand"


@kopf.on.validate("gardens.example.com", id="size")
def check_size(spec: kopf.Spec, warnings: list[str], **_: Any) -> None:
    if spec.get("plants", 0) > MOST_PLANTS:
        raise kopf.AdmissionError(f"a garden has at most {MOST_PLANTS} plants", code=422)
    if spec.get("soil") == "clay":
        warnings.append("clay is heavy")


@kopf.on.create("gardens.example.com")
@kopf.on.update("gardens.example.com", field="spec.plants")
async def plant(spec: kopf.Spec, name: str, namespace: str, patch: kopf.Patch, **_: Any) -> None:
    """Write the list of plants into a ConfigMap, which goes with its Garden."""
    import kubernetes_asyncio as kubernetes

    if "KUBECONFIG" in os.environ:
        await kubernetes.config.load_kube_config(os.environ["KUBECONFIG"])
    else:
        kubernetes.config.load_incluster_config()
    body = {"metadata": {"name": f"{name}-plants"}, "data": {str(number): "bean" for number in range(spec["plants"])}}
    kopf.adopt(body)
    async with kubernetes.client.ApiClient() as client:
        api = kubernetes.client.CoreV1Api(client)
        try:
            await api.create_namespaced_config_map(namespace, body)
        except kubernetes.client.ApiException as error:
            if error.status != 409:
                raise
            await api.replace_namespaced_config_map(f"{name}-plants", namespace, body)
    patch.status["plants"] = spec["plants"]


@kopf.timer("gardens.example.com", interval=1.0, initial_delay=0.2)
def water(status: kopf.Status, patch: kopf.Patch, **_: Any) -> None:
    patch.status["waterings"] = status.get("waterings", 0) + 1


@kopf.daemon("gardens.example.com", cancellation_backoff=5.0)
async def guard(stopped: kopf.DaemonStopped, body: kopf.Body, **_: Any) -> None:
    kopf.info(body, reason="Guarded", message="somebody guards it")
    await stopped.wait()
    kopf.info(body, reason="Left", message="nobody guards it any more")


@kopf.on.delete("gardens.example.com")
def leave(name: str, body: kopf.Body, **_: Any) -> None:
    """As long as this has not been done kopf's finalizer keeps the Garden."""
    kopf.info(body, reason="Left", message=f"{name} is left to itself")
