"""etcd keeps the promises of the port, as the other drivers do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pilothouse.apiserver.storage.etcd import EtcdStorage
from pilothouse.apiserver.storage.etcd_client import EtcdServers as Servers
from pilothouse.apiserver.storage.interface import Storage
from pilothouse.testing.conformance.durable_storage import DurableStorageConformance
from tests.etcd_server import EtcdServers


def opened(path: Path) -> Storage:
    """The store of the etcd whose address the file beside `path` has."""
    return EtcdStorage(Servers((path.with_suffix(".url").read_text(),)))


class TestEtcd(DurableStorageConformance):
    opener = f"{__name__}:opened"
    compaction_is_a_write = True

    @pytest.fixture(autouse=True)
    def etcd(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        # On a loaded machine a key for the progress of an old etcd would take a revision that the tests count.
        monkeypatch.setattr("pilothouse.apiserver.storage.etcd_feed.FENCE_SECONDS", 2.0)
        self.servers = EtcdServers()
        yield
        self.servers.close()

    def open(self, path: Path) -> Storage:
        path.with_suffix(".url").write_text(self.servers.at(path).url)
        return opened(path)

    def _killed(self, path: Path, round: int) -> dict[str, int]:
        """Who writes is killed, and then etcd, which is started again."""
        server = self.servers.at(path)
        path.with_suffix(".url").write_text(server.url)
        acknowledged = super()._killed(path, round)
        server.kill()
        server.start()
        return acknowledged
