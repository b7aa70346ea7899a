"""An image registry as small as pulls need it, on the loopback of the node's network namespace: nothing leaves the machine.

`localhost:5000/<repository>:<tag>`; repositories below `private/` want Basic credentials. `slowly()` holds layers back.
"""

from __future__ import annotations

import base64
import io
import json
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from pilothouse.node import images
from tests.e2e.namespaces import enter

PORT = 5000
USER, PASSWORD = "pilot", "house"
PATIENCE_SECONDS = 180.0


class Registry(ThreadingHTTPServer):
    """See the module."""

    daemon_threads = True

    def __init__(self, repositories: dict[str, bytes]) -> None:
        """`repositories`: the one layer of each, by its name; each has the tag `1`."""
        super().__init__(("127.0.0.1", PORT), Handler)
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, str] = {}
        self.flowing = threading.Event()
        self.flowing.set()
        self.asked_for_layers = threading.Event()
        for name, layer in repositories.items():
            with tarfile.open(fileobj=io.BytesIO(images.archive([images.Image(f"{name}:1", layer, {"Cmd": ["sleep", "3600"]})]))) as whole:
                files = {one.name: whole.extractfile(one) for one in whole.getmembers() if one.isfile()}
                contents = {path: file.read() for path, file in files.items() if file is not None}
            self.manifests[name] = json.loads(contents["index.json"])["manifests"][0]["digest"]
            blobs = {path: content for path, content in contents.items() if path.startswith("blobs/sha256/")}
            self.blobs.update({f"sha256:{path.rpartition('/')[2]}": content for path, content in blobs.items()})

    @contextmanager
    def slowly(self) -> Iterator[None]:
        """Nothing larger than a manifest is given out meanwhile."""
        self.asked_for_layers.clear()
        self.flowing.clear()
        try:
            yield
        finally:
            self.flowing.set()


class Handler(BaseHTTPRequestHandler):
    server: Registry
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = self.path.removeprefix("/v2/")
        if path.startswith("private/") and self.headers.get("Authorization") != basic(USER, PASSWORD):
            self._answer(401, b"{}", {"WWW-Authenticate": 'Basic realm="registry"'})
            return
        repository, _, rest = path.rpartition("/manifests/") if "/manifests/" in path else path.rpartition("/blobs/")
        digest = self.server.manifests.get(repository, "") if rest == "1" else rest
        content = self.server.blobs.get(digest)
        if content is None:
            self._answer(404, b'{"errors": [{"code": "NAME_UNKNOWN"}]}', {})
            return
        if len(content) > 100_000 and self.command == "GET":
            self.server.asked_for_layers.set()
            self.server.flowing.wait(PATIENCE_SECONDS)
        kind = images.MANIFEST if "/manifests/" in path else "application/octet-stream"
        self._answer(200, content, {"Docker-Content-Digest": digest, "Content-Type": kind})

    do_HEAD = do_GET

    def _answer(self, code: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(code)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, format: str, *arguments: Any) -> None:
        return


def basic(user: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


@contextmanager
def serving(namespace: str, repositories: dict[str, bytes]) -> Iterator[Registry]:
    """A registry inside of a network namespace."""
    made: list[Registry] = []
    ready = threading.Event()

    def serve() -> None:
        try:
            enter(namespace)
            made.append(Registry(repositories))
        finally:
            ready.set()
        made[0].serve_forever()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    ready.wait(PATIENCE_SECONDS)
    try:
        yield made[0]
    finally:
        made[0].flowing.set()
        made[0].shutdown()
        made[0].server_close()
        thread.join(PATIENCE_SECONDS)
