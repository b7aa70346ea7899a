"""Every driver keeps the promises of the port."""

from __future__ import annotations

from pathlib import Path

from pilothouse.apiserver.storage.interface import Storage
from pilothouse.apiserver.storage.memory import MemoryStorage
from pilothouse.apiserver.storage.sqlite import SqliteStorage
from pilothouse.testing.conformance.durable_storage import DurableStorageConformance
from pilothouse.testing.conformance.storage import StorageConformance


class TestMemory(StorageConformance):
    def open(self, path: Path) -> Storage:
        return MemoryStorage()


class TestSqlite(DurableStorageConformance):
    opener = "pilothouse.apiserver.storage.sqlite:SqliteStorage"

    def open(self, path: Path) -> Storage:
        return SqliteStorage(path)
