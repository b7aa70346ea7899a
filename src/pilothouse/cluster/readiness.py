"""Readiness of a cluster, asked of its API with the standard library only, since the command line must start quickly.

- Node readiness is watched, not polled: one streaming request that ends with the answer.
- Only loopback and the cluster's own node are ever asked, with the administrator's certificate, and the server must show one of the
  cluster's authority.
"""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Callable
from typing import Any

from pilothouse.cluster.failure import ClusterFailure
from pilothouse.cluster.state import KUBELET_PORT, ClusterState, Places

ANSWER_SECONDS = 5.0


class Api:
    """The API of a cluster on the host's loopback, as its administrator."""

    def __init__(self, state: ClusterState, places: Places) -> None:
        self._port = state.port
        self._context = administrators_context(places)

    def get(self, path: str, seconds: float = ANSWER_SECONDS) -> Any:
        """The decoded answer (text when it is not JSON); OSError when there is none or it is no success."""
        return self._asked("GET", path, None, {}, seconds)

    def send(self, method: str, path: str, body: bytes, content_type: str, seconds: float = ANSWER_SECONDS) -> Any:
        """The same for a request with a body."""
        return self._asked(method, path, body, {"Content-Type": content_type}, seconds)

    def _asked(self, method: str, path: str, body: bytes | None, headers: dict[str, str], seconds: float) -> Any:
        connection = self._connect(seconds)
        try:
            connection.request(method, path, body, headers={"Accept": "application/json", **headers})
            answer = connection.getresponse()
            content = answer.read()
        except http.client.HTTPException as failure:
            raise OSError(f"{path}: {failure}") from failure
        finally:
            connection.close()
        if answer.status not in (200, 201):
            raise OSError(f"{path}: {answer.status} {content[:200]!r}")
        return json.loads(content) if answer.headers.get_content_type() == "application/json" else content.decode()

    def ready(self) -> bool:
        """Whether `/readyz` answers ok."""
        return self.ok("/readyz")

    def ok(self, path: str) -> bool:
        """Whether it answers ok."""
        try:
            return bool(self.get(path) == "ok")
        except (OSError, ValueError):
            return False

    def await_object(self, path: str, wanted: Callable[[dict[str, Any]], bool], seconds: float) -> dict[str, Any] | None:
        """The first object of the collection at `path` (seen now or later) that is `wanted`; None when there is none in time."""
        connection = self._connect(seconds)
        try:
            connection.request("GET", f"{path}?watch=true&timeoutSeconds={max(1, int(seconds))}")
            answer = connection.getresponse()
            while line := answer.readline():
                event = json.loads(line)
                if event["type"] in ("ADDED", "MODIFIED") and wanted(event["object"]):
                    obj: dict[str, Any] = event["object"]
                    return obj
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()
        return None

    def _connect(self, seconds: float) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection("127.0.0.1", self._port, timeout=seconds, context=self._context)


def kubelet_answers(state: ClusterState, places: Places, seconds: float) -> bool:
    """Whether the node's kubelet answers at all; runtime problems do not count. Raises OSError when it does not.

    Asked without credentials, which the kubelet itself answers with 401: who is known is authorized by the API server, which may be down.
    """
    context = clusters_context(places)
    connection = http.client.HTTPSConnection(state.node_address, KUBELET_PORT, timeout=seconds, context=context)
    try:
        connection.request("GET", "/healthz/ping")
        return connection.getresponse().status == 401
    except http.client.HTTPException:
        return False
    finally:
        connection.close()


def administrators_context(places: Places) -> ssl.SSLContext:
    """Trusts the cluster's authority alone, and shows the administrator's certificate."""
    return clusters_context(places, "admin")


def clusters_context(places: Places, user: str = "") -> ssl.SSLContext:
    """Trusts the cluster's authority alone, and shows the certificate of a user ("": none)."""
    authority = (places.pki / "ca.crt").read_bytes()  # read here: ssl's own errors name no file
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=authority.decode("ascii"))
        if user:
            context.load_cert_chain(str(places.pki / f"{user}.crt"), str(places.pki / f"{user}.key"))
    except (ssl.SSLError, ValueError) as failure:
        raise ClusterFailure(
            f"a certificate in {places.pki} is damaged", f"mend the cluster: pilothouse up --name {places.name}"
        ) from failure
    return context


def is_ready_node(node: dict[str, Any], since: str = "") -> bool:
    """`since`, as the API writes times: a word of before, by a kubelet that ended meanwhile, does not count."""
    conditions = node.get("status", {}).get("conditions", [])
    return any(
        condition["type"] == "Ready" and condition["status"] == "True" and condition.get("lastHeartbeatTime", "") >= since
        for condition in conditions
    )
