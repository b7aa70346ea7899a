"""An operator of Python's standard library alone: it keeps the status of Kettles, and serves their webhooks.

    kettles.py run      webhooks on WEBHOOK_PORT from the start; the status is kept by whoever holds the Lease
    kettles.py check    says how many Kettles there are

It speaks to the API server as every Pod does: by KUBERNETES_SERVICE_HOST and _PORT, with the token, ca.crt and namespace of its
ServiceAccount. CERTIFICATES is the folder of its own tls.crt, tls.key and ca.crt.

- Kettles have two versions: v1 says `litres: 2`, v2, which is stored, `volume: 2l`. /convert turns one into the other.
- /validate refuses what holds more than ten litres.
- One replica leads: who renews the Lease. When it falls silent, another takes over after LEASE_SECONDS.
"""

from __future__ import annotations

import http.client
import json
import os
import ssl
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

GROUP = "kitchen.example.com"
KETTLES = f"/apis/{GROUP}/v2/kettles"
DEFINITION = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/kettles.{GROUP}"
ACCOUNT = Path(os.environ.get("SERVICE_ACCOUNT", "/var/run/secrets/kubernetes.io/serviceaccount"))
CERTIFICATES = Path(os.environ.get("CERTIFICATES", "/certificates"))
NAME = os.environ.get("OPERATOR", "kettles")
IDENTITY = os.environ.get("IDENTITY") or os.uname().nodename
LEASE_SECONDS, RENEW_SECONDS, REQUEST_SECONDS, WATCH_SECONDS = 6, 1, 10, 60
MOST_LITRES = 10
MERGE = "application/merge-patch+json"
Document = dict[str, Any]


class Refused(Exception):
    """The API server has answered with something else than success."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code


def connect(seconds: float) -> http.client.HTTPSConnection:
    context = ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt"))
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], int(os.environ["KUBERNETES_SERVICE_PORT"])
    return http.client.HTTPSConnection(host, port, timeout=seconds, context=context)


def ask(connection: http.client.HTTPSConnection, method: str, path: str, body: Any = None, kind: str = "application/json") -> Any:
    headers = {"Authorization": f"Bearer {(ACCOUNT / 'token').read_text()}", "Content-Type": kind}
    connection.request(method, path, None if body is None else json.dumps(body), headers)
    answer = connection.getresponse()
    if answer.status >= 400:
        raise Refused(answer.status, answer.read().decode())
    return answer


def call(method: str, path: str, body: Any = None, kind: str = "application/json") -> Document:
    connection = connect(REQUEST_SECONDS)
    try:
        found: Document = json.load(ask(connection, method, path, body, kind))
        return found
    finally:
        connection.close()


def kettles() -> Iterator[Document]:
    """Each Kettle as it is, and then whenever it changes, until the server ends the watch."""
    listed = call("GET", KETTLES)
    yield from listed["items"]
    connection = connect(WATCH_SECONDS * 2)
    try:
        since = listed["metadata"]["resourceVersion"]
        for line in ask(connection, "GET", f"{KETTLES}?watch=1&resourceVersion={since}&timeoutSeconds={WATCH_SECONDS}"):
            event = json.loads(line)
            if event["type"] in ("ADDED", "MODIFIED"):
                yield event["object"]
    finally:
        connection.close()


def keep(kettle: Document) -> None:
    """Write the status of a Kettle, where it is not that already."""
    wanted = {"phase": "Full" if litres_of(kettle["spec"]["volume"]) else "Empty", "keeper": IDENTITY}
    if kettle.get("status") != wanted:
        metadata = kettle["metadata"]
        path = f"/apis/{GROUP}/v2/namespaces/{metadata['namespace']}/kettles/{metadata['name']}/status"
        try:
            call("PATCH", path, {"status": wanted}, MERGE)
        except Refused as refused:
            if refused.code != 404:
                raise


def litres_of(volume: str) -> int:
    return int(volume.removesuffix("l"))


# Leader election.


def lead(is_leader: threading.Event) -> None:
    """Take the Lease and keep it; `is_leader` says at any time whether it is ours."""
    path = f"/apis/coordination.k8s.io/v1/namespaces/{(ACCOUNT / 'namespace').read_text()}/leases"
    seen, since = "", time.monotonic()
    while True:
        try:
            lease = held(path)
            if lease.get("metadata", {}).get("resourceVersion", "") != seen:
                seen, since = lease["metadata"]["resourceVersion"], time.monotonic()
            spec = lease["spec"]
            if spec.get("holderIdentity") == IDENTITY or time.monotonic() - since > LEASE_SECONDS:
                spec |= {"holderIdentity": IDENTITY, "leaseDurationSeconds": LEASE_SECONDS, "renewTime": now()}
                call("PUT", f"{path}/{NAME}", lease)  # Conflict: somebody else was faster
                is_leader.set()
            else:
                is_leader.clear()
        except (OSError, Refused, http.client.HTTPException) as problem:
            print(f"the Lease cannot be had: {problem}", flush=True)
            if time.monotonic() - since > LEASE_SECONDS:
                is_leader.clear()
        time.sleep(RENEW_SECONDS)


def held(path: str) -> Document:
    try:
        return call("GET", f"{path}/{NAME}")
    except Refused as refused:
        if refused.code != 404:
            raise
    spec = {"holderIdentity": IDENTITY, "leaseDurationSeconds": LEASE_SECONDS, "renewTime": now()}
    return call("POST", path, {"metadata": {"name": NAME}, "spec": spec})


def now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"


# Webhooks.


def validate(request: Document) -> Document:
    obj = request["object"]
    litres = obj["spec"]["litres"] if obj["apiVersion"].endswith("/v1") else litres_of(obj["spec"]["volume"])
    if litres <= MOST_LITRES:
        return {"allowed": True}
    return {"allowed": False, "status": {"message": f"a kettle holds {MOST_LITRES} litres at most, not {litres}"}}


def convert(request: Document) -> Document:
    wanted = request["desiredAPIVersion"]
    return {"result": {"status": "Success"}, "convertedObjects": [converted(obj, wanted) for obj in request["objects"]]}


def converted(obj: Document, wanted: str) -> Document:
    spec = dict(obj["spec"])
    if wanted.endswith("/v1"):
        spec["litres"] = litres_of(spec.pop("volume"))
    else:
        spec["volume"] = f"{spec.pop('litres')}l"
    return {**obj, "apiVersion": wanted, "spec": spec}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.reply({"ok": True})

    def do_POST(self) -> None:
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer = {"/validate": validate, "/convert": convert}[self.path.partition("?")[0]](review["request"])
        said = {"apiVersion": review["apiVersion"], "kind": review["kind"]}
        self.reply({**said, "response": {"uid": review["request"]["uid"], **answer}})

    def reply(self, value: Document) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing of each request."""


def serve() -> None:
    """Answer webhooks, for the whole life of the process."""
    address = os.environ.get("WEBHOOK_ADDRESS", "")
    server = ThreadingHTTPServer((address, int(os.environ.get("WEBHOOK_PORT", "8443"))), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATES / "tls.crt", CERTIFICATES / "tls.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"webhooks are served on {server.server_port}", flush=True)


def offer_conversion() -> None:
    """Have the definition call this operator's Service: a chart's `crds/` are no templates, and cannot know the authority."""
    import base64

    bundle = base64.b64encode((CERTIFICATES / "ca.crt").read_bytes()).decode()
    service = {"namespace": (ACCOUNT / "namespace").read_text(), "name": NAME, "path": "/convert"}
    webhook = {"clientConfig": {"service": service, "caBundle": bundle}, "conversionReviewVersions": ["v1"]}
    call("PATCH", DEFINITION, {"spec": {"conversion": {"strategy": "Webhook", "webhook": webhook}}}, MERGE)


def run() -> None:
    serve()
    is_leader = threading.Event()
    threading.Thread(target=lead, args=(is_leader,), daemon=True).start()
    while True:
        is_leader.wait()
        try:
            offer_conversion()
            print(f"{IDENTITY} leads", flush=True)
            for kettle in kettles():
                if not is_leader.is_set():
                    break
                keep(kettle)
        except (OSError, Refused, http.client.HTTPException, ValueError) as problem:  # the server may be away for a while
            print(f"to be tried again: {problem}", flush=True)
            time.sleep(1)


if __name__ == "__main__":
    if sys.argv[1:] == ["check"]:
        print(f"{len(call('GET', KETTLES)['items'])} kettles")
    else:
        run()
